// The kernels of forests that are written by hand, for processors that have them.
#ifndef PENSTOCK_FOREST_KERNELS_H_
#define PENSTOCK_FOREST_KERNELS_H_

#include "forest/forest.h"

#if defined(__x86_64__) && defined(__GNUC__)
#define PENSTOCK_FOREST_X86

namespace penstock {

void strike_avx512(const ForestLayout<uint32_t>& forest, const float* columns, int64_t rows, float* sums);
void strike_avx512(const ForestLayout<uint64_t>& forest, const float* columns, int64_t rows, float* sums);

}  // namespace penstock

#endif

#endif  // PENSTOCK_FOREST_KERNELS_H_
