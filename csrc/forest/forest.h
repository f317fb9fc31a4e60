// Ensembles of small decision trees, compiled: what boosted trees are in practice.
//
// A tree is not walked. Every one of its nodes is tested for many rows at once, without a branch; a failed
// test strikes out the leaves below its true branch, and the first leaf that is left is the one that a walk
// would have come to (C. Lucchese et al., QuickScorer: A Fast Algorithm to Rank Documents with Additive
// Ensembles of Regression Trees, SIGIR 2015; with rows side by side in vectors, as in their V-QuickScorer).
// That costs time in proportion to the nodes, so trees have at most kMostLeaves leaves.
//
// A score is the sum of its leaf values in the order of the trees, in float, whatever the number of rows:
// one row gives the same bits as a million. Immutable once it is made; any number of threads may run it.
#ifndef PENSTOCK_FOREST_FOREST_H_
#define PENSTOCK_FOREST_FOREST_H_

#include <cstdint>
#include <string>
#include <vector>

namespace penstock {

constexpr int kMostLeaves = 64;
constexpr int64_t kBlockRows = 64;

// When a row goes to the true branch. NaN fails both comparisons.
enum class NodeTest : uint8_t { kAtMost, kEqual };

// Trees as a caller has them: n nodes, children by index. A leaf has no children (-1).
struct ForestNodes {
  std::vector<int32_t> roots;
  std::vector<int32_t> true_child;
  std::vector<int32_t> false_child;
  std::vector<int32_t> feature;
  std::vector<float> threshold;
  std::vector<uint8_t> test;             // NodeTest
  std::vector<uint8_t> missing_is_true;  // NaN goes to the true branch
  // Votes of leaf i: vote_target and vote_value from first_vote[i] up to first_vote[i + 1]; n + 1 of them.
  std::vector<int64_t> first_vote;
  std::vector<int32_t> vote_target;
  std::vector<float> vote_value;
};

// What becomes of the sums of a row.
enum class Link : uint8_t {
  kNone,
  kComplement,  // one target, two outputs: 1 - s, s
  kSigmoids,    // one target, two outputs: sigmoid(-s), sigmoid(s)
  kSigmoid,     // of each target
  kSoftmax,
};

struct ForestOutput {
  Link link = Link::kNone;
  float divisor = 1;        // of the sums, before the base is added
  std::vector<float> base;  // a number a target, or none
  // Of the classes: two for one target, where the second is above `cut`; else the target with the largest
  // sum.
  std::vector<int64_t> labels;
  float cut = 0;
};

// Nodes of one tree that are tested in the same way: whether NaN strikes out too depends on the branch that
// it takes.
enum class Strike : uint8_t { kUnlessAtMost, kIfGreater, kUnlessEqual, kIfDifferent };
constexpr int kStrikes = 4;

// A forest as the kernels take it.
template <typename Word>
struct ForestLayout {
  static constexpr int kLeaves = 8 * sizeof(Word);
  struct Tree {
    uint32_t first_node;
    uint32_t end[kStrikes];  // of each kind of node, in their order
    uint32_t first_table;
    uint32_t end_table;
  };
  std::vector<Tree> trees;
  // A node each.
  std::vector<uint32_t> column;  // offset of the feature's column in a block
  std::vector<float> threshold;
  std::vector<Word> kept;  // leaves that a failed test leaves; leaf 0 is the highest bit
  // A table each: what the leaves of one tree add to one target.
  std::vector<int32_t> target;
  std::vector<float> values;  // kLeaves a table
};

// `columns` is a block of kBlockRows rows, column after column; `sums` of the same shape, a column a target,
// cleared. Rows beyond `rows` are computed or not. Both are aligned to 64 bytes.
template <typename Word>
using ForestKernel = void (*)(const ForestLayout<Word>& forest, const float* columns, int64_t rows,
                              float* sums);

// By name: "avx512", "avx2", or "none", which runs everywhere and is the reference of the others; null is the
// best. Null where this processor has no such kernel; by the best one is meant one that is faster than
// walking.
template <typename Word>
ForestKernel<Word> find_forest_kernel(const char* name);

class Forest {
 public:
  // Throws std::invalid_argument on anything that is not a forest as said above, and where this processor has
  // not that kernel.
  Forest(const ForestNodes& nodes, int32_t targets, ForestOutput output, const char* kernel = nullptr);

  // Columns that a row must have at least.
  int32_t columns() const { return columns_; }
  // Values a row that scores() writes.
  int32_t width() const { return width_; }
  bool has_labels() const { return !output_.labels.empty(); }

  // `x` are rows of `row_values` floats, at least columns(). `labels` may be null; else it takes one a row,
  // and the output has labels. Throws std::bad_alloc only.
  void run(const float* x, int64_t rows, int64_t row_values, float* scores, int64_t* labels) const;

 private:
  template <typename Word>
  void run_blocks(const ForestLayout<Word>& layout, ForestKernel<Word> kernel, const float* x, int64_t rows,
                  int64_t row_values, float* scores, int64_t* labels) const;
  void finish(const float* sums, int64_t rows, float* scores, int64_t* labels) const;

  int32_t targets_;
  int32_t columns_ = 0;
  int32_t width_ = 0;
  ForestOutput output_;
  std::vector<int32_t> used_;  // features, a column of a block each
  bool wide_ = false;          // some tree has more than 32 leaves
  ForestLayout<uint32_t> narrow_layout_;
  ForestLayout<uint64_t> wide_layout_;
  ForestKernel<uint32_t> narrow_kernel_ = nullptr;
  ForestKernel<uint64_t> wide_kernel_ = nullptr;
};

}  // namespace penstock

#endif  // PENSTOCK_FOREST_FOREST_H_
