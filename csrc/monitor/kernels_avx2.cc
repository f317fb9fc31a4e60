#include "monitor/kernels_x86.h"

#ifdef PENSTOCK_MONITOR_X86

#include <immintrin.h>

#include <algorithm>
#include <limits>

#include "monitor/distinct.h"

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

PENSTOCK_INLINE_AVX2 __m256d load_four(const double* x) { return _mm256_loadu_pd(x); }

PENSTOCK_INLINE_AVX2 __m256d load_four(const float* x) { return _mm256_cvtps_pd(_mm_loadu_ps(x)); }

// The lower 64 bits of a product.
PENSTOCK_INLINE_AVX2 __m256i multiply(__m256i x, uint64_t factor) {
  const __m256i low = _mm256_set1_epi64x(static_cast<int64_t>(factor & 0xffffffff));
  const __m256i high = _mm256_set1_epi64x(static_cast<int64_t>(factor >> 32));
  const __m256i crossed =
      _mm256_add_epi64(_mm256_mul_epu32(_mm256_srli_epi64(x, 32), low), _mm256_mul_epu32(x, high));
  return _mm256_add_epi64(_mm256_mul_epu32(x, low), _mm256_slli_epi64(crossed, 32));
}

// As hash_number does.
PENSTOCK_INLINE_AVX2 __m256i hash_four(__m256d value) {
  __m256i hash = multiply(_mm256_castpd_si256(_mm256_add_pd(value, _mm256_setzero_pd())), kHashFirst);
  hash = _mm256_xor_si256(hash, _mm256_srli_epi64(hash, 32));
  return multiply(hash, kHashSecond);
}

// Of four values, which are numbers of which the rank is above that of their register: a bit each. That is
// looked up, since few hashes raise one.
PENSTOCK_INLINE_AVX2 int rising(__m256d value, __m256i hash, const uint8_t* registers) {
  const __m256i places = _mm256_srli_epi64(hash, 64 - kRegisterBits);
  const __m256i ranks =
      _mm256_and_si256(_mm256_i64gather_epi64(reinterpret_cast<const long long*>(registers), places, 1),
                       _mm256_set1_epi64x(0xff));
  // A rank is above another where as many bits as that says are 0.
  const __m256i bits = _mm256_srlv_epi64(_mm256_slli_epi64(hash, kRegisterBits),
                                         _mm256_sub_epi64(_mm256_set1_epi64x(64), ranks));
  const __m256i higher = _mm256_cmpeq_epi64(bits, _mm256_setzero_si256());
  const __m256d is_number = _mm256_cmp_pd(value, value, _CMP_ORD_Q);
  return _mm256_movemask_pd(_mm256_and_pd(is_number, _mm256_castsi256_pd(higher)));
}

PENSTOCK_INLINE_AVX2 uint8_t least_of(const uint8_t* registers) {
  const auto* at = reinterpret_cast<const __m256i*>(registers);
  __m256i least = _mm256_loadu_si256(at);
  for (int64_t i = 1; i < kRegisters / 32; ++i) least = _mm256_min_epu8(least, _mm256_loadu_si256(at + i));
  alignas(32) uint8_t bytes[32];
  _mm256_store_si256(reinterpret_cast<__m256i*>(bytes), least);
  return *std::min_element(bytes, bytes + 32);
}

// For each choice of four, the halves of those that are chosen, first.
struct Chosen {
  alignas(32) int32_t halves[16][8] = {};
  constexpr Chosen() {
    for (int32_t mask = 0; mask < 16; ++mask) {
      int32_t count = 0;
      for (int32_t i = 0; i < 4; ++i) {
        if ((mask >> i & 1) == 0) continue;
        halves[mask][count++] = 2 * i;
        halves[mask][count++] = 2 * i + 1;
      }
    }
  }
};
constexpr Chosen kChosen;

// Where every register is so high, few hashes are of a higher rank than the lowest.
constexpr int kHigh = 3;
constexpr int64_t kNoted = 1024;

// At most kNoted values; every register is at least `least`.
template <typename T>
PENSTOCK_INLINE_AVX2 void note_high(const T* x, int64_t n, int least, uint8_t* registers) {
  // Where a hash has a bit of these its rank is not above the least.
  const __m256i low = _mm256_set1_epi64x(
      static_cast<int64_t>(~(std::numeric_limits<uint64_t>::max() >> least) >> kRegisterBits));
  alignas(32) uint64_t kept[kNoted + 4];
  int64_t count = 0;
  for (int64_t i = 0; i < n; i += 4) {
    const __m256d value = load_four(x + i);
    const __m256i hash = hash_four(value);
    const __m256i high = _mm256_cmpeq_epi64(_mm256_and_si256(hash, low), _mm256_setzero_si256());
    const __m256d is_number = _mm256_cmp_pd(value, value, _CMP_ORD_Q);
    const int mask = _mm256_movemask_pd(_mm256_and_pd(is_number, _mm256_castsi256_pd(high)));
    const __m256i places = _mm256_load_si256(reinterpret_cast<const __m256i*>(kChosen.halves[mask]));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(kept + count), _mm256_permutevar8x32_epi32(hash, places));
    count += __builtin_popcount(static_cast<unsigned>(mask));
  }
  for (int64_t i = 0; i < count; ++i) raise(kept[i], registers);
}

template <typename T>
PENSTOCK_INLINE_AVX2 void note(const T* x, int64_t n, uint8_t* registers) {
  const int least = n < kNoted ? 0 : least_of(registers);
  if (least >= kHigh) {
    for (int64_t i = 0; i < n; i += kNoted) {
      note_high(x + i, std::min(kNoted, n - i), least, registers);
    }
    return;
  }
  for (int64_t i = 0; i < n; i += 8) {
    const __m256d first = load_four(x + i), second = load_four(x + i + 4);
    alignas(32) uint64_t hashes[8];
    const __m256i first_hash = hash_four(first), second_hash = hash_four(second);
    int mask = rising(first, first_hash, registers) | rising(second, second_hash, registers) << 4;
    if (mask == 0) continue;
    _mm256_store_si256(reinterpret_cast<__m256i*>(hashes), first_hash);
    _mm256_store_si256(reinterpret_cast<__m256i*>(hashes + 4), second_hash);
    for (; mask != 0; mask &= mask - 1) raise(hashes[__builtin_ctz(static_cast<unsigned>(mask))], registers);
  }
}

// Eight rows of eight values as eight columns.
PENSTOCK_INLINE_AVX2 void transpose(const __m256* rows, __m256* columns) {
  __m256 fours[8];  // 4 i + k: in its half h the values of column 4 h + k, of rows 4 i to 4 i + 3
  for (int i = 0; i < 8; i += 4) {
    const __m256d low = _mm256_castps_pd(_mm256_unpacklo_ps(rows[i], rows[i + 1]));
    const __m256d high = _mm256_castps_pd(_mm256_unpackhi_ps(rows[i], rows[i + 1]));
    const __m256d next_low = _mm256_castps_pd(_mm256_unpacklo_ps(rows[i + 2], rows[i + 3]));
    const __m256d next_high = _mm256_castps_pd(_mm256_unpackhi_ps(rows[i + 2], rows[i + 3]));
    fours[i] = _mm256_castpd_ps(_mm256_unpacklo_pd(low, next_low));
    fours[i + 1] = _mm256_castpd_ps(_mm256_unpackhi_pd(low, next_low));
    fours[i + 2] = _mm256_castpd_ps(_mm256_unpacklo_pd(high, next_high));
    fours[i + 3] = _mm256_castpd_ps(_mm256_unpackhi_pd(high, next_high));
  }
  for (int k = 0; k < 4; ++k) {
    columns[k] = _mm256_permute2f128_ps(fours[k], fours[k + 4], 0x20);
    columns[k + 4] = _mm256_permute2f128_ps(fours[k], fours[k + 4], 0x31);
  }
}

}  // namespace

PENSTOCK_AVX2 void split_avx2(const char* rows, int64_t stride, int64_t n, int64_t count, float* columns,
                              int64_t column_stride) {
  for (int64_t left = 0; left < count; left += 8) {
    const int64_t wide = std::min<int64_t>(8, count - left);
    const __m256i there = _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int32_t>(wide)),
                                             _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
    float* target = columns + left * column_stride;
    for (int64_t first = 0; first < (n + kLanes - 1) / kLanes * kLanes; first += 8) {
      __m256 in[8], out[8];
      for (int64_t i = 0; i < 8; ++i) {
        const auto* row = reinterpret_cast<const float*>(rows + (first + i) * stride) + left;
        in[i] = first + i < n ? _mm256_maskload_ps(row, there)
                              : _mm256_set1_ps(std::numeric_limits<float>::quiet_NaN());
      }
      transpose(in, out);
      for (int64_t j = 0; j < wide; ++j) _mm256_storeu_ps(target + j * column_stride + first, out[j]);
    }
  }
}

PENSTOCK_AVX2 void note_avx2(const float* x, int64_t n, uint8_t* registers) { note(x, n, registers); }

PENSTOCK_AVX2 void note_avx2(const double* x, int64_t n, uint8_t* registers) { note(x, n, registers); }

// In floats: what is larger is in no lower cell all the same.
PENSTOCK_AVX2 void locate_avx2(const float* x, int64_t n, Grid grid, uint16_t* cells) {
  const __m256 low = _mm256_set1_ps(static_cast<float>(grid.low));
  const __m256 per_unit = _mm256_set1_ps(static_cast<float>(grid.per_unit));
  const __m256 last = _mm256_set1_ps(static_cast<float>(grid.last));
  const auto locate = [&](const float* at) __attribute__((always_inline, target("avx2"))) {
    const __m256 cell = _mm256_mul_ps(_mm256_sub_ps(_mm256_loadu_ps(at), low), per_unit);
    // Of NaN and another the second is kept.
    return _mm256_cvttps_epi32(_mm256_min_ps(_mm256_max_ps(cell, _mm256_setzero_ps()), last));
  };
  const auto locate_16 = [&](const float* at, uint16_t* to) __attribute__((always_inline, target("avx2"))) {
    const __m256i both = _mm256_packus_epi32(locate(at), locate(at + 8));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), _mm256_permute4x64_epi64(both, 0xd8));
  };
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) locate_16(x + i, cells + i);
  if (i == n) return;
  float rest[kLanes] = {};
  uint16_t found[kLanes];
  std::copy(x + i, x + n, rest);
  locate_16(rest, found);
  std::copy(found, found + (n - i), cells + i);
}

PENSTOCK_AVX2 void bin_avx2(const float* x, int64_t n, Tree<float> tree, uint16_t* bins) {
  if (tree.depth <= 5) return bin<5>(x, n, tree, bins);
  if (tree.depth == 6) return bin<6>(x, n, tree, bins);
  bin<7>(x, n, tree, bins);
}

}  // namespace penstock

#endif
