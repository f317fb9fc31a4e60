#include "forest/kernels.h"

#include <string_view>

namespace penstock {
namespace {

// Vectors whose words are held in registers at once.
constexpr int kVectors = 4;

inline int first_leaf(uint32_t word) { return __builtin_clz(word); }
inline int first_leaf(uint64_t word) { return __builtin_clzll(word); }

// Vectors of 32 bytes of words, and as many floats; compilers make of them what the processor has.
template <typename Word>
struct Lanes {
  static constexpr int kRows = 32 / sizeof(Word);
  typedef float Floats __attribute__((vector_size(4 * kRows)));
  typedef int32_t Truths __attribute__((vector_size(4 * kRows)));
  typedef Word Words __attribute__((vector_size(32)));
};

// `holds` writes for a vector of values and one threshold which rows strike out nothing: -1, else 0.
template <typename Word, typename Holds>
inline __attribute__((always_inline)) void strike(const ForestLayout<Word>& forest, uint32_t begin,
                                                  uint32_t end, const float* columns,
                                                  typename Lanes<Word>::Words* words, Holds holds) {
  using Floats = typename Lanes<Word>::Floats;
  using Words = typename Lanes<Word>::Words;
  for (uint32_t node = begin; node < end; ++node) {
    const auto* x = reinterpret_cast<const Floats*>(columns + forest.column[node]);
    const float threshold = forest.threshold[node];
    const Word kept = forest.kept[node];
    for (int v = 0; v < kVectors; ++v) {
      typename Lanes<Word>::Truths held;
      holds(x[v], threshold, &held);
      words[v] &= __builtin_convertvector(held, Words) | kept;
    }
  }
}

template <typename Word>
inline __attribute__((always_inline)) void strike_all(const ForestLayout<Word>& forest, const float* columns,
                                                      int64_t rows, float* sums) {
  constexpr int kRows = Lanes<Word>::kRows;
  using Floats = typename Lanes<Word>::Floats;
  using Truths = typename Lanes<Word>::Truths;
  for (int64_t first = 0; first < rows; first += kVectors * kRows) {
    const float* x = columns + first;
    for (const auto& tree : forest.trees) {
      typename Lanes<Word>::Words words[kVectors];
      for (auto& word : words) word = ~typename Lanes<Word>::Words{};
      strike(forest, tree.first_node, tree.end[0], x, words,
             [](const Floats& a, float b, Truths* held) { *held = a <= b; });
      strike(forest, tree.end[0], tree.end[1], x, words,
             [](const Floats& a, float b, Truths* held) { *held = ~(a > b); });
      strike(forest, tree.end[1], tree.end[2], x, words,
             [](const Floats& a, float b, Truths* held) { *held = a == b; });
      strike(forest, tree.end[2], tree.end[3], x, words,
             [](const Floats& a, float b, Truths* held) { *held = (a == b) | (a != a); });
      for (uint32_t table = tree.first_table; table < tree.end_table; ++table) {
        const float* values = forest.values.data() + static_cast<size_t>(table) * ForestLayout<Word>::kLeaves;
        float* sum = sums + forest.target[table] * kBlockRows + first;
        for (int v = 0; v < kVectors; ++v) {
          for (int row = 0; row < kRows; ++row) sum[v * kRows + row] += values[first_leaf(words[v][row])];
        }
      }
    }
  }
}

template <typename Word>
void strike_plain(const ForestLayout<Word>& forest, const float* columns, int64_t rows, float* sums) {
  strike_all(forest, columns, rows, sums);
}

#ifdef PENSTOCK_FOREST_X86

template <typename Word>
__attribute__((target("avx2,bmi,lzcnt"), flatten)) void strike_avx2(const ForestLayout<Word>& forest,
                                                                    const float* columns, int64_t rows,
                                                                    float* sums) {
  strike_all(forest, columns, rows, sums);
}

#endif

}  // namespace

template <typename Word>
ForestKernel<Word> find_forest_kernel(const char* name) {
  const std::string_view wanted = name == nullptr ? "" : name;
#ifdef PENSTOCK_FOREST_X86
  const bool avx2 =
      __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") && __builtin_cpu_supports("lzcnt");
  const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
                      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
                      __builtin_cpu_supports("avx512cd");
  if (avx512 && (wanted.empty() || wanted == "avx512")) {
    return static_cast<ForestKernel<Word>>(strike_avx512);
  }
  if (avx2 && (wanted.empty() || wanted == "avx2")) return strike_avx2<Word>;
#endif
  return wanted == "none" ? strike_plain<Word> : nullptr;
}

template ForestKernel<uint32_t> find_forest_kernel<uint32_t>(const char* name);
template ForestKernel<uint64_t> find_forest_kernel<uint64_t>(const char* name);

}  // namespace penstock
