#include "monitor/kernels_x86.h"

#ifdef PENSTOCK_MONITOR_X86

#include <immintrin.h>

#include <algorithm>
#include <limits>

#include "monitor/distinct.h"

// GCC's own headers leave vectors undefined on purpose: gcc.gnu.org/PR105593.
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"

#define PENSTOCK_INLINE_AVX512 PENSTOCK_AVX512 inline __attribute__((always_inline))

namespace penstock {
namespace {

PENSTOCK_INLINE_AVX512 __m512i step(__m512i at, __m512 value, __m512 node) {
  at = _mm512_add_epi32(at, at);
  return _mm512_mask_add_epi32(at, _mm512_cmp_ps_mask(value, node, _CMP_GE_OQ), at, _mm512_set1_epi32(1));
}

PENSTOCK_INLINE_AVX512 __m512i step(__m512i at, __m512d value, __m512d node) {
  at = _mm512_add_epi64(at, at);
  return _mm512_mask_add_epi64(at, _mm512_cmp_pd_mask(value, node, _CMP_GE_OQ), at, _mm512_set1_epi64(1));
}

// The nodes of the first seven levels stay in registers; kDepth is min(depth, 7).
template <int kDepth>
PENSTOCK_INLINE_AVX512 void bin_floats(const float* x, int64_t n, Tree<float> tree, uint16_t* bins) {
  __m512 low[5], fifth[2], sixth[4];
  for (int level = 0; level < 5; ++level) {
    const auto used = static_cast<__mmask16>((1u << (1u << level)) - 1);
    low[level] = _mm512_maskz_loadu_ps(used, tree.nodes + (1 << level) - 1);
  }
  if (kDepth > 5) {
    for (int i = 0; i < 2; ++i) fifth[i] = _mm512_loadu_ps(tree.nodes + 31 + 16 * i);
  }
  if (kDepth > 6) {
    for (int i = 0; i < 4; ++i) sixth[i] = _mm512_loadu_ps(tree.nodes + 63 + 16 * i);
  }
  for (int64_t i = 0; i < n; i += 16) {
    const __m512 value = _mm512_loadu_ps(x + i);
    __m512i at = _mm512_setzero_si512();
    for (int level = 0; level < 5; ++level) {
      at = step(at, value, _mm512_permutexvar_ps(at, low[level]));
    }
    if (kDepth > 5) at = step(at, value, _mm512_permutex2var_ps(fifth[0], at, fifth[1]));
    if (kDepth > 6) {
      const __mmask16 upper = _mm512_test_epi32_mask(at, _mm512_set1_epi32(32));
      const __m512 node = _mm512_mask_blend_ps(upper, _mm512_permutex2var_ps(sixth[0], at, sixth[1]),
                                               _mm512_permutex2var_ps(sixth[2], at, sixth[3]));
      at = step(at, value, node);
    }
    for (int level = 7; level < tree.depth; ++level) {
      const __m512 node = _mm512_i32gather_ps(at, tree.nodes + (int64_t{1} << level) - 1, 4);
      at = step(at, value, node);
    }
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(bins + i), _mm512_cvtepi32_epi16(at));
  }
}

// Of 2^kBits nodes, kBits >= 4, those at eight places: sixteen nodes to two registers, then the place's
// higher bits choose.
template <int kBits>
PENSTOCK_INLINE_AVX512 __m512d look_up(const __m512d* nodes, __m512i at) {
  if constexpr (kBits == 4) {
    return _mm512_permutex2var_pd(nodes[0], at, nodes[1]);
  } else {
    const __m512d low = look_up<kBits - 1>(nodes, at);
    const __m512d high = look_up<kBits - 1>(nodes + (1 << (kBits - 4)), at);
    return _mm512_mask_blend_pd(_mm512_test_epi64_mask(at, _mm512_set1_epi64(1 << (kBits - 1))), low, high);
  }
}

// As of floats: the nodes of the first seven levels stay in registers.
template <int kDepth>
PENSTOCK_INLINE_AVX512 void bin_doubles(const double* x, int64_t n, Tree<double> tree, uint16_t* bins) {
  __m512d low[4], fourth[2], fifth[4], sixth[8];
  for (int level = 0; level < 4; ++level) {
    const auto used = static_cast<__mmask8>((1u << (1u << level)) - 1);
    low[level] = _mm512_maskz_loadu_pd(used, tree.nodes + (1 << level) - 1);
  }
  for (int i = 0; i < 2; ++i) fourth[i] = _mm512_loadu_pd(tree.nodes + 15 + 8 * i);
  if (kDepth > 5) {
    for (int i = 0; i < 4; ++i) fifth[i] = _mm512_loadu_pd(tree.nodes + 31 + 8 * i);
  }
  if (kDepth > 6) {
    for (int i = 0; i < 8; ++i) sixth[i] = _mm512_loadu_pd(tree.nodes + 63 + 8 * i);
  }
  for (int64_t i = 0; i < n; i += 8) {
    const __m512d value = _mm512_loadu_pd(x + i);
    __m512i at = _mm512_setzero_si512();
    for (int level = 0; level < 4; ++level) {
      at = step(at, value, _mm512_permutexvar_pd(at, low[level]));
    }
    at = step(at, value, look_up<4>(fourth, at));
    if (kDepth > 5) at = step(at, value, look_up<5>(fifth, at));
    if (kDepth > 6) at = step(at, value, look_up<6>(sixth, at));
    for (int level = 7; level < tree.depth; ++level) {
      at = step(at, value, _mm512_i64gather_pd(at, tree.nodes + (int64_t{1} << level) - 1, 8));
    }
    _mm_storeu_si128(reinterpret_cast<__m128i*>(bins + i), _mm512_cvtepi64_epi16(at));
  }
}

PENSTOCK_INLINE_AVX512 __m512d load_eight(const double* x) { return _mm512_loadu_pd(x); }

PENSTOCK_INLINE_AVX512 __m512d load_eight(const float* x) { return _mm512_cvtps_pd(_mm256_loadu_ps(x)); }

PENSTOCK_INLINE_AVX512 uint8_t least_of(const uint8_t* registers) {
  __m512i least = _mm512_loadu_si512(registers);
  for (int64_t i = 64; i < kRegisters; i += 64) {
    least = _mm512_min_epu8(least, _mm512_loadu_si512(registers + i));
  }
  alignas(64) uint8_t bytes[64];
  _mm512_store_si512(bytes, least);
  return *std::min_element(bytes, bytes + 64);
}

PENSTOCK_INLINE_AVX512 __m512i hash_eight(__m512d value) {
  __m512i hash = _mm512_castpd_si512(_mm512_add_pd(value, _mm512_setzero_pd()));
  hash = _mm512_mullo_epi64(hash, _mm512_set1_epi64(static_cast<int64_t>(kHashFirst)));
  hash = _mm512_xor_si512(hash, _mm512_srli_epi64(hash, 32));
  return _mm512_mullo_epi64(hash, _mm512_set1_epi64(static_cast<int64_t>(kHashSecond)));
}

// As hash_number and note_hash do, eight at a time. Two values of one register may meet: what is stored is
// checked again one by one, and few are.
PENSTOCK_INLINE_AVX512 void note_eight(__m512d value, uint8_t* registers) {
  const __mmask8 there = _mm512_cmp_pd_mask(value, value, _CMP_ORD_Q);
  const __m512i hash = hash_eight(value);
  const __m512i rest = _mm512_or_si512(_mm512_slli_epi64(hash, kRegisterBits),
                                       _mm512_set1_epi64(int64_t{1} << (kRegisterBits - 1)));
  const __m256i rank =
      _mm256_add_epi32(_mm512_cvtepi64_epi32(_mm512_lzcnt_epi64(rest)), _mm256_set1_epi32(1));
  const __m256i at = _mm512_cvtepi64_epi32(_mm512_srli_epi64(hash, 64 - kRegisterBits));
  const __m256i kept = _mm256_and_si256(
      _mm256_i32gather_epi32(reinterpret_cast<const int*>(registers), at, 1), _mm256_set1_epi32(255));
  unsigned larger = _mm256_mask_cmpgt_epi32_mask(there, rank, kept);
  if (__builtin_expect(larger == 0, 1)) return;
  alignas(32) uint32_t ranks[8], places[8];
  _mm256_store_si256(reinterpret_cast<__m256i*>(ranks), rank);
  _mm256_store_si256(reinterpret_cast<__m256i*>(places), at);
  for (; larger != 0; larger &= larger - 1) {
    const int i = __builtin_ctz(larger);
    if (ranks[i] > registers[places[i]]) registers[places[i]] = static_cast<uint8_t>(ranks[i]);
  }
}

constexpr int64_t kNoted = 512;

// Where every register is this high already, half of the hashes or more cannot raise one, as their rank is
// not above the lowest. So many values are worth finding that out.
constexpr uint8_t kHigh = 1;
constexpr int64_t kMany = 256;

// At most kNoted values.
template <typename T>
PENSTOCK_INLINE_AVX512 void note_few(const T* x, int64_t n, uint8_t* registers) {
  const uint8_t least = n < kMany ? 0 : least_of(registers);
  if (least < kHigh) {
    for (int64_t i = 0; i < n; i += 8) note_eight(load_eight(x + i), registers);
    return;
  }
  alignas(64) uint64_t kept[kNoted + 8];
  const __m512i limit =
      _mm512_set1_epi64(static_cast<int64_t>(std::numeric_limits<uint64_t>::max() >> least));
  int64_t count = 0;
  for (int64_t i = 0; i < n; i += 8) {
    const __m512d value = load_eight(x + i);
    const __mmask8 there = _mm512_cmp_pd_mask(value, value, _CMP_ORD_Q);
    const __m512i hash = hash_eight(value);
    const __mmask8 high = _mm512_mask_cmple_epu64_mask(there, _mm512_slli_epi64(hash, kRegisterBits), limit);
    _mm512_storeu_si512(kept + count, _mm512_maskz_compress_epi64(high, hash));
    count += __builtin_popcount(high);
  }
  for (int64_t i = 0; i < count; ++i) raise(kept[i], registers);
}

template <typename T>
PENSTOCK_INLINE_AVX512 void note(const T* x, int64_t n, uint8_t* registers) {
  for (int64_t first = 0; first < n; first += kNoted) {
    note_few(x + first, std::min(kNoted, n - first), registers);
  }
}

// Sixteen rows of sixteen values as sixteen columns.
PENSTOCK_INLINE_AVX512 void transpose(const __m512* rows, __m512* columns) {
  __m512 fours[16];  // 4 i + k: in its quarter q the values of column 4 q + k, of rows 4 i to 4 i + 3
  for (int i = 0; i < 16; i += 4) {
    const __m512d low = _mm512_castps_pd(_mm512_unpacklo_ps(rows[i], rows[i + 1]));
    const __m512d high = _mm512_castps_pd(_mm512_unpackhi_ps(rows[i], rows[i + 1]));
    const __m512d next_low = _mm512_castps_pd(_mm512_unpacklo_ps(rows[i + 2], rows[i + 3]));
    const __m512d next_high = _mm512_castps_pd(_mm512_unpackhi_ps(rows[i + 2], rows[i + 3]));
    fours[i] = _mm512_castpd_ps(_mm512_unpacklo_pd(low, next_low));
    fours[i + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(low, next_low));
    fours[i + 2] = _mm512_castpd_ps(_mm512_unpacklo_pd(high, next_high));
    fours[i + 3] = _mm512_castpd_ps(_mm512_unpackhi_pd(high, next_high));
  }
  for (int k = 0; k < 4; ++k) {
    const __m512 first = _mm512_shuffle_f32x4(fours[k], fours[k + 4], 0x44);
    const __m512 second = _mm512_shuffle_f32x4(fours[k], fours[k + 4], 0xee);
    const __m512 third = _mm512_shuffle_f32x4(fours[k + 8], fours[k + 12], 0x44);
    const __m512 fourth = _mm512_shuffle_f32x4(fours[k + 8], fours[k + 12], 0xee);
    columns[k] = _mm512_shuffle_f32x4(first, third, 0x88);
    columns[k + 4] = _mm512_shuffle_f32x4(first, third, 0xdd);
    columns[k + 8] = _mm512_shuffle_f32x4(second, fourth, 0x88);
    columns[k + 12] = _mm512_shuffle_f32x4(second, fourth, 0xdd);
  }
}

}  // namespace

PENSTOCK_AVX512 void split_avx512(const char* rows, int64_t stride, int64_t n, int64_t count, float* columns,
                                  int64_t column_stride) {
  const auto there = static_cast<__mmask16>((1u << count) - 1);
  for (int64_t first = 0; first < n; first += kLanes) {
    __m512 in[kLanes], out[kLanes];
    for (int64_t i = 0; i < kLanes; ++i) {
      in[i] = first + i < n ? _mm512_maskz_loadu_ps(there, rows + (first + i) * stride)
                            : _mm512_set1_ps(std::numeric_limits<float>::quiet_NaN());
    }
    transpose(in, out);
    for (int64_t j = 0; j < count; ++j) _mm512_storeu_ps(columns + j * column_stride + first, out[j]);
  }
}

PENSTOCK_AVX512 void bin_avx512(const float* x, int64_t n, Tree<float> tree, uint16_t* bins) {
  if (tree.depth <= 5) return bin_floats<5>(x, n, tree, bins);
  if (tree.depth == 6) return bin_floats<6>(x, n, tree, bins);
  bin_floats<7>(x, n, tree, bins);
}

PENSTOCK_AVX512 void bin_avx512(const double* x, int64_t n, Tree<double> tree, uint16_t* bins) {
  if (tree.depth <= 5) return bin_doubles<5>(x, n, tree, bins);
  if (tree.depth == 6) return bin_doubles<6>(x, n, tree, bins);
  bin_doubles<7>(x, n, tree, bins);
}

PENSTOCK_AVX512 void note_avx512(const float* x, int64_t n, uint8_t* registers) { note(x, n, registers); }

PENSTOCK_AVX512 void note_avx512(const double* x, int64_t n, uint8_t* registers) { note(x, n, registers); }

}  // namespace penstock

#endif
