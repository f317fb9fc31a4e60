#include "forest/kernels.h"

#ifdef PENSTOCK_FOREST_X86

#include <immintrin.h>

// GCC's own headers leave vectors undefined on purpose: gcc.gnu.org/PR105593.
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"

#define PENSTOCK_AVX512 \
  __attribute__((target("avx512f,avx512dq,avx512bw,avx512vl,avx512cd,bmi,lzcnt,prefer-vector-width=512")))
#define PENSTOCK_INLINE_AVX512 PENSTOCK_AVX512 inline __attribute__((always_inline))

namespace penstock {
namespace {

// Sixteen rows of a forest of trees of 32 leaves.
struct Narrow {
  static constexpr int kRows = 16;
  using Word = uint32_t;

  template <int kPredicate>
  PENSTOCK_INLINE_AVX512 static __m512i strike(__m512i words, const float* x, float threshold, Word kept) {
    const __mmask16 fails = _mm512_cmp_ps_mask(_mm512_load_ps(x), _mm512_set1_ps(threshold), kPredicate);
    return _mm512_mask_and_epi32(words, fails, words, _mm512_set1_epi32(static_cast<int>(kept)));
  }

  PENSTOCK_INLINE_AVX512 static void add(__m512i words, const float* values, float* sums) {
    const __m512i leaves = _mm512_lzcnt_epi32(words);
    const __m512 value =
        _mm512_permutex2var_ps(_mm512_loadu_ps(values), leaves, _mm512_loadu_ps(values + 16));
    _mm512_store_ps(sums, _mm512_add_ps(_mm512_load_ps(sums), value));
  }
};

// Eight rows of a forest of trees of 64 leaves.
struct Wide {
  static constexpr int kRows = 8;
  using Word = uint64_t;

  template <int kPredicate>
  PENSTOCK_INLINE_AVX512 static __m512i strike(__m512i words, const float* x, float threshold, Word kept) {
    const __mmask8 fails = _mm256_cmp_ps_mask(_mm256_load_ps(x), _mm256_set1_ps(threshold), kPredicate);
    return _mm512_mask_and_epi64(words, fails, words, _mm512_set1_epi64(static_cast<long long>(kept)));
  }

  PENSTOCK_INLINE_AVX512 static void add(__m512i words, const float* values, float* sums) {
    const __m256 value = _mm512_i64gather_ps(_mm512_lzcnt_epi64(words), values, 4);
    _mm256_store_ps(sums, _mm256_add_ps(_mm256_load_ps(sums), value));
  }
};

template <typename Lanes, int kVectors, int kPredicate>
PENSTOCK_INLINE_AVX512 void strike(const ForestLayout<typename Lanes::Word>& forest, uint32_t begin,
                                   uint32_t end, const float* x, __m512i* words) {
  const uint32_t* column = forest.column.data();
  const float* threshold = forest.threshold.data();
  const typename Lanes::Word* kept = forest.kept.data();
  for (uint32_t node = begin; node < end; ++node) {
    const float* at = x + column[node];
    for (int v = 0; v < kVectors; ++v) {
      words[v] =
          Lanes::template strike<kPredicate>(words[v], at + v * Lanes::kRows, threshold[node], kept[node]);
    }
  }
}

template <typename Lanes, int kVectors>
PENSTOCK_AVX512 void strike_rows(const ForestLayout<typename Lanes::Word>& forest, const float* x,
                                 float* sums) {
  constexpr int kLeaves = ForestLayout<typename Lanes::Word>::kLeaves;
  for (const auto& tree : forest.trees) {
    __m512i words[kVectors];
    for (int v = 0; v < kVectors; ++v) words[v] = _mm512_set1_epi32(-1);
    strike<Lanes, kVectors, _CMP_NLE_UQ>(forest, tree.first_node, tree.end[0], x, words);
    strike<Lanes, kVectors, _CMP_GT_OQ>(forest, tree.end[0], tree.end[1], x, words);
    strike<Lanes, kVectors, _CMP_NEQ_UQ>(forest, tree.end[1], tree.end[2], x, words);
    strike<Lanes, kVectors, _CMP_NEQ_OQ>(forest, tree.end[2], tree.end[3], x, words);
    for (uint32_t table = tree.first_table; table < tree.end_table; ++table) {
      const float* values = forest.values.data() + static_cast<size_t>(table) * kLeaves;
      float* sum = sums + forest.target[table] * kBlockRows;
      for (int v = 0; v < kVectors; ++v) Lanes::add(words[v], values, sum + v * Lanes::kRows);
    }
  }
}

template <typename Lanes>
PENSTOCK_AVX512 void strike_block(const ForestLayout<typename Lanes::Word>& forest, const float* columns,
                                  int64_t rows, float* sums) {
  int64_t first = 0;
  for (; rows - first > 2 * Lanes::kRows; first += 4 * Lanes::kRows) {
    strike_rows<Lanes, 4>(forest, columns + first, sums + first);
  }
  if (rows - first > Lanes::kRows) {
    strike_rows<Lanes, 2>(forest, columns + first, sums + first);
  } else if (rows > first) {
    strike_rows<Lanes, 1>(forest, columns + first, sums + first);
  }
}

}  // namespace

PENSTOCK_AVX512 void strike_avx512(const ForestLayout<uint32_t>& forest, const float* columns, int64_t rows,
                                   float* sums) {
  strike_block<Narrow>(forest, columns, rows, sums);
}

PENSTOCK_AVX512 void strike_avx512(const ForestLayout<uint64_t>& forest, const float* columns, int64_t rows,
                                   float* sums) {
  strike_block<Wide>(forest, columns, rows, sums);
}

}  // namespace penstock

#endif
