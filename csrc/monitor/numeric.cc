#include "monitor/numeric.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace penstock {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
// From so many rows on, a lookup costs less to fill and to read out than it saves.
constexpr int64_t kManyRows = 4096;

constexpr size_t kLeastCells = 16;

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
      edges_(edges),
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

void Numeric::set_bins(const std::vector<double>& edges, std::vector<int64_t> histogram) {
  edges_ = edges;
  depth_ = depth_for(edges.size());
  floats_.nodes = make_nodes<float>(edges, depth_);
  doubles_.nodes = make_nodes<double>(edges, depth_);
  no_lookup_ = false;
  lookup_ = Lookup();
  counts_.histogram = std::move(histogram);
}

void Numeric::begin(int64_t rows) { by_lookup_ = rows >= kManyRows && make_lookup(); }

bool Numeric::make_lookup() {
  if (!lookup_.edges.empty() || no_lookup_) return !no_lookup_;
  no_lookup_ = true;
  if (edges_.empty()) return false;
  const double range = edges_.back() - edges_.front();
  for (size_t cells = kLeastCells; no_lookup_ && cells <= kMostCells; cells *= 2) {
    if (cells < 2 * edges_.size()) continue;
    Grid& grid = lookup_.grid;
    grid.low = edges_.front();
    grid.last = static_cast<double>(cells - 1);
    grid.per_unit = range > 0 ? grid.last / range : 0;
    lookup_.edges.assign(cells, std::numeric_limits<double>::quiet_NaN());
    lookup_.bins.assign(cells, 0);
    std::vector<uint16_t> found(edges_.size());
    kernels_->doubles.locate(edges_.data(), static_cast<int64_t>(edges_.size()), grid, found.data());
    no_lookup_ = std::adjacent_find(found.begin(), found.end()) != found.end();
    for (size_t i = 0; i < found.size(); ++i) lookup_.edges[found[i]] = edges_[i];
  }
  if (no_lookup_) {
    lookup_ = Lookup();
    return false;
  }
  uint16_t bin = 0;
  for (size_t cell = 0; cell < lookup_.edges.size(); ++cell) {
    lookup_.bins[cell] = bin;
    bin = static_cast<uint16_t>(bin + (std::isnan(lookup_.edges[cell]) ? 0 : 1));
  }
  lookup_.counts.assign(2 * lookup_.edges.size(), 0);
  return true;
}

void Numeric::end() {
  if (!by_lookup_) return;
  by_lookup_ = false;
  for (size_t cell = 0; cell < lookup_.bins.size(); ++cell) {
    const int64_t below = lookup_.counts[2 * cell], others = lookup_.counts[2 * cell + 1];
    counts_.histogram[lookup_.bins[cell]] += below;
    if (others != 0) counts_.histogram[lookup_.bins[cell] + size_t{1}] += others;
  }
  std::fill(lookup_.counts.begin(), lookup_.counts.end(), 0);
}

void Numeric::add(const float* x, int64_t n) {
  count_bins(x, n, kernels_->floats, floats_);
  counts_.histogram[0] -= measure(x, n);  // NaN was sent there
}

void Numeric::add(const double* x, int64_t n) {
  if (by_lookup_) {
    count_cells(x, n);
  } else {
    count_bins(x, n, kernels_->doubles, doubles_);
  }
  counts_.histogram[0] -= measure(x, n);
}

int64_t Numeric::measure(const float* x, int64_t n) { return measure_block(x, n, kernels_->floats, floats_); }

int64_t Numeric::measure(const double* x, int64_t n) {
  return measure_block(x, n, kernels_->doubles, doubles_);
}

template <typename T>
void Numeric::count_bins(const T* x, int64_t n, const Loops<T>& loops, const Bounds<T>& bounds) {
  uint16_t bins[kBlockRows];
  loops.bin(x, n, {bounds.nodes.data(), depth_}, bins);
  int64_t* histogram = counts_.histogram.data();
  for (int64_t i = 0; i < n; ++i) ++histogram[bins[i]];
}

void Numeric::count_cells(const double* x, int64_t n) {
  uint16_t cells[kBlockRows];
  kernels_->doubles.locate(x, n, lookup_.grid, cells);
  const double* edges = lookup_.edges.data();
  int64_t* counts = lookup_.counts.data();
  for (int64_t i = 0; i < n; ++i) ++counts[2 * cells[i] + (x[i] >= edges[cells[i]] ? 1 : 0)];
}

template <typename T>
int64_t Numeric::measure_block(const T* x, int64_t n, const Loops<T>& loops, const Bounds<T>& bounds) {
  Measured block;
  loops.measure(x, n, bounds.low, bounds.high, &block);
  loops.note(x, n, counts_.registers.data());
  const int64_t missing = n - block.present;
  counts_.missing += missing;
  merge(block);
  return missing;
}

void Numeric::merge(const Measured& block) {
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
