#include "forest/forest.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <memory>
#include <new>
#include <stdexcept>
#include <utility>

namespace penstock {
namespace {

constexpr int32_t kNone = -1;

[[noreturn]] void refuse(const std::string& what) { throw std::invalid_argument(what); }

struct Free {
  void operator()(void* memory) const { std::free(memory); }
};

std::unique_ptr<float[], Free> aligned_floats(size_t count) {
  const size_t bytes = (count * sizeof(float) + 63) / 64 * 64;
  auto* memory = static_cast<float*>(std::aligned_alloc(64, std::max<size_t>(bytes, 64)));
  if (memory == nullptr) throw std::bad_alloc();
  return std::unique_ptr<float[], Free>(memory);
}

void check_sizes(const ForestNodes& nodes) {
  const size_t n = nodes.true_child.size();
  for (const size_t size : {nodes.false_child.size(), nodes.feature.size(), nodes.threshold.size(),
                            nodes.test.size(), nodes.missing_is_true.size(), nodes.first_vote.size() - 1}) {
    if (nodes.first_vote.empty() || size != n) refuse("arrays of nodes differ in length");
  }
  if (nodes.vote_target.size() != nodes.vote_value.size()) refuse("arrays of votes differ in length");
  const auto votes = static_cast<int64_t>(nodes.vote_target.size());
  if (nodes.first_vote.front() != 0 || nodes.first_vote.back() != votes ||
      !std::is_sorted(nodes.first_vote.begin(), nodes.first_vote.end())) {
    refuse("votes do not follow their leaves");
  }
}

// One tree, its nodes and leaves in the order of a walk that takes the true branch first.
struct Walk {
  struct Inner {
    int32_t node;
    int first_leaf;   // of the true branch
    int middle_leaf;  // the first of the false branch
  };
  std::vector<Inner> inner;
  std::vector<int32_t> leaves;
};

class Walker {
 public:
  explicit Walker(const ForestNodes& nodes) : nodes_(nodes), seen_(nodes.true_child.size()) {}

  Walk walk(int32_t root) {
    Walk result;
    // An entry is a node to enter, or one whose true branch is done.
    std::vector<std::pair<int32_t, int>> stack{{root, kNone}};
    while (!stack.empty()) {
      const auto [node, entry] = stack.back();
      stack.pop_back();
      if (entry != kNone) {
        result.inner[static_cast<size_t>(entry)].middle_leaf = static_cast<int>(result.leaves.size());
        stack.emplace_back(nodes_.false_child[static_cast<size_t>(node)], kNone);
        continue;
      }
      if (node < 0 || static_cast<size_t>(node) >= seen_.size()) refuse("a child is out of range");
      const auto at = static_cast<size_t>(node);
      if (std::exchange(seen_[at], 1)) refuse("a node has two parents");
      const bool leaf = nodes_.true_child[at] == kNone;
      if (leaf != (nodes_.false_child[at] == kNone)) refuse("a node has one child");
      if (leaf) {
        if (result.leaves.size() == kMostLeaves)
          refuse("a tree has more than " + std::to_string(kMostLeaves) + " leaves");
        result.leaves.push_back(node);
        continue;
      }
      result.inner.push_back({node, static_cast<int>(result.leaves.size()), 0});
      stack.emplace_back(node, static_cast<int>(result.inner.size()) - 1);
      stack.emplace_back(nodes_.true_child[at], kNone);
    }
    return result;
  }

 private:
  const ForestNodes& nodes_;
  std::vector<char> seen_;  // not of bool, whose elements have no address
};

Strike strike_of(const ForestNodes& nodes, size_t node) {
  const bool missing_is_true = nodes.missing_is_true[node] != 0;
  if (nodes.test[node] == static_cast<uint8_t>(NodeTest::kAtMost)) {
    return missing_is_true ? Strike::kIfGreater : Strike::kUnlessAtMost;
  }
  if (nodes.test[node] != static_cast<uint8_t>(NodeTest::kEqual)) refuse("a node has an unknown test");
  return missing_is_true ? Strike::kIfDifferent : Strike::kUnlessEqual;
}

template <typename Word>
void add_tree(const ForestNodes& nodes, const Walk& walk, const std::vector<int32_t>& slots, int32_t targets,
              ForestLayout<Word>* layout) {
  constexpr int kLeaves = ForestLayout<Word>::kLeaves;
  typename ForestLayout<Word>::Tree tree{};
  tree.first_node = static_cast<uint32_t>(layout->column.size());
  for (int kind = 0; kind < kStrikes; ++kind) {
    for (const Walk::Inner& inner : walk.inner) {
      const auto node = static_cast<size_t>(inner.node);
      if (static_cast<int>(strike_of(nodes, node)) != kind) continue;
      Word struck = 0;
      for (int leaf = inner.first_leaf; leaf < inner.middle_leaf; ++leaf) {
        struck |= Word{1} << (kLeaves - 1 - leaf);
      }
      const auto slot = static_cast<uint32_t>(slots[static_cast<size_t>(nodes.feature[node])]);
      layout->column.push_back(slot * static_cast<uint32_t>(kBlockRows));
      layout->threshold.push_back(nodes.threshold[node]);
      layout->kept.push_back(static_cast<Word>(~struck));
    }
    tree.end[kind] = static_cast<uint32_t>(layout->column.size());
  }
  tree.first_table = static_cast<uint32_t>(layout->target.size());
  std::vector<size_t> table_of(static_cast<size_t>(targets), SIZE_MAX);
  for (size_t leaf = 0; leaf < walk.leaves.size(); ++leaf) {
    const auto node = static_cast<size_t>(walk.leaves[leaf]);
    for (int64_t vote = nodes.first_vote[node]; vote < nodes.first_vote[node + 1]; ++vote) {
      const int32_t target = nodes.vote_target[static_cast<size_t>(vote)];
      if (target < 0 || target >= targets) refuse("a vote is for a target that is not there");
      size_t& table = table_of[static_cast<size_t>(target)];
      if (table == SIZE_MAX) {
        table = layout->target.size();
        layout->target.push_back(target);
        layout->values.resize(layout->values.size() + kLeaves);
      }
      float& value = layout->values[table * kLeaves + leaf];
      if (value != 0) refuse("a leaf votes twice for a target");
      value = nodes.vote_value[static_cast<size_t>(vote)];
    }
  }
  tree.end_table = static_cast<uint32_t>(layout->target.size());
  layout->trees.push_back(tree);
}

float sigmoid(float x) {
  const float half = 1.0f / (1.0f + std::exp(-std::abs(x)));
  return x < 0 ? 1.0f - half : half;
}

}  // namespace

Forest::Forest(const ForestNodes& nodes, int32_t targets, ForestOutput output, const char* kernel)
    : targets_(targets), output_(std::move(output)) {
  if (targets < 1) refuse("a forest has no target");
  if (!output_.base.empty() && output_.base.size() != static_cast<size_t>(targets))
    refuse("the base has not one number a target");
  const bool pair = output_.link == Link::kComplement || output_.link == Link::kSigmoids;
  if (pair && targets != 1) refuse("two outputs of one target, but there are more targets");
  width_ = pair ? 2 : targets;
  if (!output_.labels.empty() && output_.labels.size() != static_cast<size_t>(targets == 1 ? 2 : targets))
    refuse("the labels are not one a class");
  check_sizes(nodes);
  Walker walker(nodes);
  std::vector<Walk> walks;
  for (const int32_t root : nodes.roots) walks.push_back(walker.walk(root));
  for (const Walk& walk : walks) {
    wide_ |= walk.leaves.size() > 32;
    for (const Walk::Inner& inner : walk.inner) {
      const int32_t feature = nodes.feature[static_cast<size_t>(inner.node)];
      if (feature < 0 || feature >= (1 << 24)) refuse("a feature is out of range");
      used_.push_back(feature);
    }
  }
  std::sort(used_.begin(), used_.end());
  used_.erase(std::unique(used_.begin(), used_.end()), used_.end());
  columns_ = used_.empty() ? 0 : used_.back() + 1;
  std::vector<int32_t> slots(static_cast<size_t>(columns_), kNone);
  for (size_t slot = 0; slot < used_.size(); ++slot) {
    slots[static_cast<size_t>(used_[slot])] = static_cast<int32_t>(slot);
  }
  for (const Walk& walk : walks) {
    if (wide_) {
      add_tree(nodes, walk, slots, targets, &wide_layout_);
    } else {
      add_tree(nodes, walk, slots, targets, &narrow_layout_);
    }
  }
  narrow_kernel_ = find_forest_kernel<uint32_t>(kernel);
  wide_kernel_ = find_forest_kernel<uint64_t>(kernel);
  if (narrow_kernel_ == nullptr || wide_kernel_ == nullptr) refuse("this processor has no such kernel");
}

void Forest::run(const float* x, int64_t rows, int64_t row_values, float* scores, int64_t* labels) const {
  if (wide_) {
    run_blocks(wide_layout_, wide_kernel_, x, rows, row_values, scores, labels);
  } else {
    run_blocks(narrow_layout_, narrow_kernel_, x, rows, row_values, scores, labels);
  }
}

template <typename Word>
void Forest::run_blocks(const ForestLayout<Word>& layout, ForestKernel<Word> kernel, const float* x,
                        int64_t rows, int64_t row_values, float* scores, int64_t* labels) const {
  const auto block = static_cast<size_t>(kBlockRows);
  const size_t sums_size = static_cast<size_t>(targets_) * block;
  const auto memory = aligned_floats(sums_size + used_.size() * block);
  float* sums = memory.get();
  float* columns = memory.get() + sums_size;
  for (int64_t first = 0; first < rows; first += kBlockRows) {
    const int64_t count = std::min(kBlockRows, rows - first);
    if (count < kBlockRows) std::fill_n(columns, used_.size() * block, 0.0f);
    for (int64_t row = 0; row < count; ++row) {
      const float* from = x + (first + row) * row_values;
      float* to = columns + row;
      for (const int32_t feature : used_) {
        *to = from[feature];
        to += kBlockRows;
      }
    }
    std::fill_n(sums, sums_size, 0.0f);
    kernel(layout, columns, count, sums);
    finish(sums, count, scores + first * width_, labels == nullptr ? nullptr : labels + first);
  }
}

void Forest::finish(const float* sums, int64_t rows, float* scores, int64_t* labels) const {
  for (int64_t row = 0; row < rows; ++row) {
    float* out = scores + row * width_;
    float largest = 0;
    int32_t best = 0;
    for (int32_t target = 0; target < targets_; ++target) {
      float sum = sums[target * kBlockRows + row];
      if (output_.divisor != 1) sum /= output_.divisor;
      if (!output_.base.empty()) sum += output_.base[static_cast<size_t>(target)];
      out[target] = sum;
      if (target == 0 || sum > largest) {
        largest = sum;
        best = target;
      }
    }
    if (labels != nullptr) {
      labels[row] = output_.labels[static_cast<size_t>(targets_ == 1 ? largest > output_.cut : best)];
    }
    switch (output_.link) {
      case Link::kNone:
        break;
      case Link::kComplement:
        out[1] = out[0];
        out[0] = 1.0f - out[0];
        break;
      case Link::kSigmoids:
        out[1] = sigmoid(out[0]);
        out[0] = sigmoid(-out[0]);
        break;
      case Link::kSigmoid:
        for (int32_t target = 0; target < targets_; ++target) out[target] = sigmoid(out[target]);
        break;
      case Link::kSoftmax: {
        float total = 0;
        for (int32_t target = 0; target < targets_; ++target) {
          out[target] = std::exp(out[target] - largest);
          total += out[target];
        }
        for (int32_t target = 0; target < targets_; ++target) out[target] /= total;
        break;
      }
    }
  }
}

}  // namespace penstock
