// Loops that compilers do not vectorise: the nodes of a tree looked up in registers, hashes eight at a time.
#ifndef PENSTOCK_MONITOR_KERNELS_X86_H_
#define PENSTOCK_MONITOR_KERNELS_X86_H_

#if defined(__x86_64__) && defined(__GNUC__)
#define PENSTOCK_MONITOR_X86

#include <cstdint>

#include "monitor/kernels.h"

#define PENSTOCK_AVX2 __attribute__((target("avx2,bmi,lzcnt")))
#define PENSTOCK_AVX512 \
  __attribute__((target("avx512f,avx512dq,avx512bw,avx512vl,avx512cd,bmi,lzcnt,prefer-vector-width=512")))

namespace penstock {

void split_avx2(const char* rows, int64_t stride, int64_t n, int64_t count, float* columns,
                int64_t column_stride);
void bin_avx2(const float* x, int64_t n, Tree<float> tree, uint16_t* bins);
void locate_avx2(const float* x, int64_t n, Grid grid, uint16_t* cells);
void note_avx2(const float* x, int64_t n, uint8_t* registers);
void note_avx2(const double* x, int64_t n, uint8_t* registers);

void split_avx512(const char* rows, int64_t stride, int64_t n, int64_t count, float* columns,
                  int64_t column_stride);
void bin_avx512(const float* x, int64_t n, Tree<float> tree, uint16_t* bins);
void bin_avx512(const double* x, int64_t n, Tree<double> tree, uint16_t* bins);
void note_avx512(const float* x, int64_t n, uint8_t* registers);
void note_avx512(const double* x, int64_t n, uint8_t* registers);

}  // namespace penstock

#endif

#endif  // PENSTOCK_MONITOR_KERNELS_X86_H_
