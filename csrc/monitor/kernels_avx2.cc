#include "monitor/kernels_x86.h"

#ifdef PENSTOCK_MONITOR_X86

#include <immintrin.h>

#define PENSTOCK_INLINE_AVX2 PENSTOCK_AVX2 inline __attribute__((always_inline))

namespace penstock {
namespace {

// Of 2^kBits nodes, those at eight places: eight nodes to a register, then the place's higher bits choose.
template <int kBits>
PENSTOCK_INLINE_AVX2 __m256 look_up(const float* nodes, __m256i at) {
  if constexpr (kBits <= 3) {
    return _mm256_permutevar8x32_ps(_mm256_loadu_ps(nodes), at);
  } else {
    const __m256 low = look_up<kBits - 1>(nodes, at);
    const __m256 high = look_up<kBits - 1>(nodes + (1 << (kBits - 1)), at);
    return _mm256_blendv_ps(low, high, _mm256_castsi256_ps(_mm256_slli_epi32(at, 32 - kBits)));
  }
}

PENSTOCK_INLINE_AVX2 __m256i step(__m256i at, __m256 value, __m256 node) {
  const __m256i right = _mm256_castps_si256(_mm256_cmp_ps(value, node, _CMP_GE_OQ));
  return _mm256_sub_epi32(_mm256_add_epi32(at, at), right);
}

// The first kLevels levels by permutation, the others by gathering.
template <int kLevels>
PENSTOCK_INLINE_AVX2 __m256i place(const float* x, Tree<float> tree) {
  const __m256 value = _mm256_loadu_ps(x);
  __m256i at = _mm256_setzero_si256();
  at = step(at, value, _mm256_broadcast_ss(tree.nodes));
  at = step(at, value, look_up<1>(tree.nodes + 1, at));
  at = step(at, value, look_up<2>(tree.nodes + 3, at));
  at = step(at, value, look_up<3>(tree.nodes + 7, at));
  at = step(at, value, look_up<4>(tree.nodes + 15, at));
  if constexpr (kLevels > 5) at = step(at, value, look_up<5>(tree.nodes + 31, at));
  if constexpr (kLevels > 6) at = step(at, value, look_up<6>(tree.nodes + 63, at));
  for (int level = kLevels; level < tree.depth; ++level) {
    at = step(at, value, _mm256_i32gather_ps(tree.nodes + (int64_t{1} << level) - 1, at, 4));
  }
  return at;
}

template <int kLevels>
PENSTOCK_INLINE_AVX2 void bin(const float* x, int64_t n, Tree<float> tree, uint16_t* bins) {
  for (int64_t i = 0; i < n; i += 16) {
    const __m256i both = _mm256_packus_epi32(place<kLevels>(x + i, tree), place<kLevels>(x + i + 8, tree));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(bins + i), _mm256_permute4x64_epi64(both, 0xd8));
  }
}

}  // namespace

PENSTOCK_AVX2 void bin_avx2(const float* x, int64_t n, Tree<float> tree, uint16_t* bins) {
  if (tree.depth <= 5) return bin<5>(x, n, tree, bins);
  if (tree.depth == 6) return bin<6>(x, n, tree, bins);
  bin<7>(x, n, tree, bins);
}

}  // namespace penstock

#endif
