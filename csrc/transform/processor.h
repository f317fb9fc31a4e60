// Kernels compiled once for each generation of processors, the best of which is chosen when a program is
// made.
//
// Only loops of IEEE operations, whose results do not depend on how many rows are computed at once, are worth
// it and allowed here.
#ifndef PENSTOCK_TRANSFORM_PROCESSOR_H_
#define PENSTOCK_TRANSFORM_PROCESSOR_H_

#include "transform/step.h"

namespace penstock {

#if defined(__x86_64__) && defined(__GNUC__)

#define PENSTOCK_AVX2 __attribute__((target("avx2,bmi,bmi2,lzcnt"), flatten))
#define PENSTOCK_AVX512                                                                                    \
  __attribute__((target("avx2,avx512f,avx512dq,avx512bw,avx512vl,bmi,bmi2,lzcnt,prefer-vector-width=512"), \
                 flatten))

template <Kernel kKernel>
PENSTOCK_AVX2 void with_avx2(const Step& step, Block* block) {
  kKernel(step, block);
}

template <Kernel kKernel>
PENSTOCK_AVX512 void with_avx512(const Step& step, Block* block) {
  kKernel(step, block);
}

// The same kernel, for the processor at hand.
template <Kernel kKernel>
Kernel vectorized() {
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
      __builtin_cpu_supports("bmi2")) {
    return with_avx512<kKernel>;
  }
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2")) return with_avx2<kKernel>;
  return kKernel;
}

#undef PENSTOCK_AVX2
#undef PENSTOCK_AVX512

#else

template <Kernel kKernel>
Kernel vectorized() {
  return kKernel;
}

#endif

}  // namespace penstock

#endif  // PENSTOCK_TRANSFORM_PROCESSOR_H_
