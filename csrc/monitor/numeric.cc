#include "monitor/numeric.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace penstock {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr float kMostFloat = std::numeric_limits<float>::max();

// The smallest T that is not less.
template <typename T>
T round_up(double value) {
  if constexpr (std::is_same_v<T, double>) {
    return value;
  } else {
    if (std::isnan(value)) return std::numeric_limits<T>::quiet_NaN();
    if (value > kMostFloat) return std::numeric_limits<T>::infinity();
    if (value < -kMostFloat) return std::isinf(value) ? -std::numeric_limits<T>::infinity() : -kMostFloat;
    const auto nearest = static_cast<float>(value);
    return static_cast<double>(nearest) < value ? std::nextafterf(nearest, INFINITY) : nearest;
  }
}

template <typename T>
std::vector<T> make_nodes(const std::vector<double>& edges, int depth) {
  const size_t leaves = size_t{1} << depth;
  std::vector<T> nodes;
  for (int level = 0; level < depth; ++level) {
    const size_t step = leaves >> level;
    for (size_t place = step / 2; place < leaves; place += step) {
      nodes.push_back(place <= edges.size() ? round_up<T>(edges[place - 1])
                                            : std::numeric_limits<T>::quiet_NaN());
    }
  }
  return nodes;
}

int depth_for(size_t edges) {
  int depth = kLeastDepth;
  while ((size_t{1} << depth) <= edges) ++depth;
  return depth;
}

}  // namespace

Numeric::Numeric(const std::vector<double>& edges, double low, double high, const Kernels* kernels)
    : kernels_(kernels),
      depth_(depth_for(edges.size())),
      floats_{round_up<float>(low), -round_up<float>(-high), make_nodes<float>(edges, depth_)},
      doubles_{low, high, make_nodes<double>(edges, depth_)} {
  counts_.histogram.resize(edges.size() + 1);
  counts_.registers.resize(kRegisterBytes);
  reset();
}

void Numeric::reset() {
  std::vector<int64_t> histogram = std::move(counts_.histogram);
  std::vector<uint8_t> registers = std::move(counts_.registers);
  std::fill(histogram.begin(), histogram.end(), 0);
  std::fill(registers.begin(), registers.end(), 0);
  counts_ = NumericCounts();
  counts_.minimum = kInfinity;
  counts_.maximum = -kInfinity;
  counts_.histogram = std::move(histogram);
  counts_.registers = std::move(registers);
}

void Numeric::add(const float* x, int64_t n) { add_block(x, n, kernels_->floats, floats_); }

void Numeric::add(const double* x, int64_t n) { add_block(x, n, kernels_->doubles, doubles_); }

template <typename T>
void Numeric::add_block(const T* x, int64_t n, const Loops<T>& loops, const Bounds<T>& bounds) {
  Measured block;
  loops.measure(x, n, bounds.low, bounds.high, &block);
  uint16_t bins[kBlockRows];
  loops.bin(x, n, {bounds.nodes.data(), depth_}, bins);
  int64_t* histogram = counts_.histogram.data();
  for (int64_t i = 0; i < n; ++i) ++histogram[bins[i]];
  loops.note(x, n, counts_.registers.data());

  histogram[0] -= n - block.present;  // NaN was sent there
  counts_.missing += n - block.present;
  counts_.infinite += block.present - block.finite;
  counts_.below += block.below;
  counts_.above += block.above;
  if (block.finite == 0) return;
  counts_.minimum = std::min(counts_.minimum, block.minimum);
  counts_.maximum = std::max(counts_.maximum, block.maximum);
  if (counts_.finite == 0) {
    counts_.finite = block.finite;
    counts_.mean = block.mean;
    counts_.squares = block.squares;
    return;
  }
  // Chan, Golub, LeVeque: "Algorithms for computing the sample variance", The American Statistician 37
  // (1983).
  const auto before = static_cast<double>(counts_.finite);
  counts_.finite += block.finite;
  const double share = static_cast<double>(block.finite) / static_cast<double>(counts_.finite);
  const double apart = block.mean - counts_.mean;
  if (std::isfinite(apart)) {
    counts_.mean += apart * share;
  } else {
    counts_.mean = counts_.mean * (1 - share) + block.mean * share;
  }
  counts_.squares += block.squares + apart * apart * (before * share);
}

}  // namespace penstock
