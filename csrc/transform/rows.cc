// Several registers, row by row.
#include <algorithm>
#include <cmath>

#include "transform/step.h"

namespace penstock {
namespace {

template <typename T>
void multiply_by(const Step& step, Block* block) {
  T* out = block->at<T>(step.dst);
  const T* left = block->at<T>(step.src[0]);
  const T* right = block->at<T>(step.src[1]);
  for (int64_t i = 0; i < block->rows; ++i) out[i] = left[i] * right[i];
}

// The sum of |x| over registers [first, end) in the order of numpy's pairwise summation of a row.
template <typename T>
void sum_absolute(const Step& step, const Block& block, size_t first, size_t end, T* sums) {
  const int64_t n = block.rows;
  const size_t count = end - first;
  const auto add = [&](size_t j, T* to) {
    const T* in = block.at<T>(step.src[j]);
    for (int64_t i = 0; i < n; ++i) to[i] += std::fabs(in[i]);
  };
  if (count < 8) {
    for (int64_t i = 0; i < n; ++i) sums[i] = 0;
    for (size_t j = first; j < end; ++j) add(j, sums);
    return;
  }
  if (count <= 128) {
    T parts[8][kBlockRows];
    for (size_t lane = 0; lane < 8; ++lane) {
      const T* in = block.at<T>(step.src[first + lane]);
      for (int64_t i = 0; i < n; ++i) parts[lane][i] = std::fabs(in[i]);
    }
    const size_t whole = first + count / 8 * 8;
    for (size_t j = first + 8; j < whole; ++j) add(j, parts[(j - first) % 8]);
    for (int64_t i = 0; i < n; ++i) {
      sums[i] = ((parts[0][i] + parts[1][i]) + (parts[2][i] + parts[3][i])) +
                ((parts[4][i] + parts[5][i]) + (parts[6][i] + parts[7][i]));
    }
    for (size_t j = whole; j < end; ++j) add(j, sums);
    return;
  }
  T right[kBlockRows];
  const size_t half = count / 2 - count / 2 % 8;
  sum_absolute(step, block, first, first + half, sums);
  sum_absolute(step, block, first + half, end, right);
  for (int64_t i = 0; i < n; ++i) sums[i] += right[i];
}

template <typename T>
void euclidean(const Step& step, const Block& block, T* norms) {
  double sums[kBlockRows];
  for (int64_t i = 0; i < block.rows; ++i) sums[i] = 0;
  for (const int64_t src : step.src) {
    const T* in = block.at<T>(src);
    for (int64_t i = 0; i < block.rows; ++i)
      sums[i] += static_cast<double>(in[i]) * static_cast<double>(in[i]);
  }
  for (int64_t i = 0; i < block.rows; ++i) norms[i] = static_cast<T>(std::sqrt(sums[i]));
}

template <typename T>
void largest(const Step& step, const Block& block, T* norms) {
  for (int64_t i = 0; i < block.rows; ++i) norms[i] = 0;
  for (const int64_t src : step.src) {
    const T* in = block.at<T>(src);
    for (int64_t i = 0; i < block.rows; ++i) {
      const T x = std::fabs(in[i]);
      norms[i] = x > norms[i] || x != x ? x : norms[i];
    }
  }
}

template <typename T>
void normalize(const Step& step, Block* block) {
  T norms[kBlockRows];
  switch (step.integers[0]) {
    case 0:
      largest<T>(step, *block, norms);
      break;
    case 1:
      sum_absolute<T>(step, *block, 0, step.src.size(), norms);
      break;
    default:
      euclidean<T>(step, *block, norms);
      break;
  }
  constexpr T kLeast = 10 * std::numeric_limits<T>::epsilon();
  for (int64_t i = 0; i < block->rows; ++i) norms[i] = norms[i] < kLeast ? T{1} : norms[i];
  for (size_t j = 0; j < step.src.size(); ++j) {
    const T* in = block->at<T>(step.src[j]);
    T* out = block->at<T>(step.dsts[j]);
    for (int64_t i = 0; i < block->rows; ++i) out[i] = in[i] / norms[i];
  }
}

template <typename To, typename From>
void project(const Step& step, Block* block) {
  double sums[kBlockRows];
  const int64_t n = block->rows;
  const size_t k = step.src.size(), m = step.dsts.size();
  const double* weights = step.numbers.data();
  for (size_t target = 0; target < m; ++target) {
    for (int64_t i = 0; i < n; ++i) sums[i] = 0;
    for (size_t j = 0; j < k; ++j) {
      const From* in = block->at<From>(step.src[j]);
      const double weight = weights[target * k + j];
      for (int64_t i = 0; i < n; ++i) sums[i] += weight * static_cast<double>(in[i]);
    }
    const double subtract = weights[m * k + target], divide = weights[m * k + m + target];
    To* out = block->at<To>(step.dsts[target]);
    for (int64_t i = 0; i < n; ++i) out[i] = static_cast<To>((sums[i] - subtract) / divide);
  }
}

void expression(const Step& step, Block* block) {
  for (size_t j = 0; j < step.src.size(); ++j) block->pointers[j] = block->at<double>(step.src[j]);
  const auto function = reinterpret_cast<Expression>(static_cast<uintptr_t>(step.integers[0]));
  function(block->pointers, block->at<double>(step.dst), block->rows);
}

template <typename T>
Kernel kernel_in(Op op) {
  if (op == Op::kMultiplyBy) return multiply_by<T>;
  return op == Op::kNormalize ? normalize<T> : nullptr;
}

}  // namespace

Kernel rows_kernel(const Instruction& instruction, Kind dst, Kind src) {
  if (instruction.op == Op::kExpression) return dst == Kind::kDouble ? expression : nullptr;
  const bool from_float = src == Kind::kFloat, to_float = dst == Kind::kFloat;
  if ((!from_float && src != Kind::kDouble) || (!to_float && dst != Kind::kDouble)) return nullptr;
  if (instruction.op == Op::kProject) {
    if (from_float) return to_float ? project<float, float> : project<double, float>;
    return to_float ? project<float, double> : project<double, double>;
  }
  if (dst != src) return nullptr;
  return to_float ? kernel_in<float>(instruction.op) : kernel_in<double>(instruction.op);
}

}  // namespace penstock
