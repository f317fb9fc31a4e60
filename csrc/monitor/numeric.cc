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
// More of them push too much else out of the nearest cache.
constexpr size_t kMostFloatCells = 512;

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
  if (kernels_->floats_by_cell) cells_ = make_cells(kMostFloatCells, kernels_->floats);
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
  lookup_ = {};
  if (kernels_->floats_by_cell) cells_ = make_cells(kMostFloatCells, kernels_->floats);
  counts_.histogram = std::move(histogram);
}

void Numeric::begin(int64_t rows) { by_lookup_ = rows >= kManyRows && make_lookup(); }

template <typename T>
Numeric::Cells<T> Numeric::make_cells(size_t most, const Loops<T>& loops) const {
  std::vector<T> rounded;
  for (const double edge : edges_) rounded.push_back(round_up<T>(edge));
  const double range = edges_.empty() ? 0 : edges_.back() - edges_.front();
  for (size_t count = kLeastCells; !edges_.empty() && count <= most; count *= 2) {
    if (count < 2 * edges_.size()) continue;
    Cells<T> cells;
    cells.grid.low = edges_.front();
    cells.grid.last = static_cast<double>(count - 1);
    cells.grid.per_unit = range > 0 ? cells.grid.last / range : 0;
    std::vector<uint16_t> found(rounded.size());
    loops.locate(rounded.data(), static_cast<int64_t>(rounded.size()), cells.grid, found.data());
    if (std::adjacent_find(found.begin(), found.end()) != found.end()) continue;
    cells.cells.resize(count);
    for (size_t i = 0; i < found.size(); ++i) cells.cells[found[i]].edge = rounded[i];
    uint32_t bin = 0;
    for (auto& cell : cells.cells) {
      cell.bin = bin;
      if (!std::isnan(cell.edge)) ++bin;
    }
    return cells;
  }
  return {};
}

bool Numeric::make_lookup() {
  if (lookup_.empty() && !no_lookup_) {
    lookup_ = make_cells(kMostCells, kernels_->doubles);
    no_lookup_ = lookup_.empty();
    lookup_counts_.assign(2 * lookup_.cells.size(), 0);
  }
  return !no_lookup_;
}

void Numeric::end() {
  if (!by_lookup_) return;
  by_lookup_ = false;
  for (size_t cell = 0; cell < lookup_.cells.size(); ++cell) {
    const int64_t below = lookup_counts_[2 * cell], others = lookup_counts_[2 * cell + 1];
    const size_t bin = lookup_.cells[cell].bin;
    counts_.histogram[bin] += below;
    if (others != 0) counts_.histogram[bin + 1] += others;
  }
  std::fill(lookup_counts_.begin(), lookup_counts_.end(), 0);
}

void Numeric::add(const float* x, int64_t n) {
  if (cells_.empty()) {
    count_bins(x, n, kernels_->floats, floats_);
  } else {
    count_floats(x, n);
  }
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

void Numeric::count_floats(const float* x, int64_t n) {
  uint16_t cells[kBlockRows];
  kernels_->floats.locate(x, n, cells_.grid, cells);
  const Cells<float>::Cell* found = cells_.cells.data();
  for (int64_t i = 0; i < n; ++i) {
    const Cells<float>::Cell& cell = found[cells[i]];
    cells[i] = static_cast<uint16_t>(cell.bin + (x[i] >= cell.edge ? 1 : 0));
  }
  // In a loop of its own: increments of one counter wait for each other.
  int64_t* histogram = counts_.histogram.data();
  for (int64_t i = 0; i < n; ++i) ++histogram[cells[i]];
}

void Numeric::count_cells(const double* x, int64_t n) {
  uint16_t cells[kBlockRows];
  kernels_->doubles.locate(x, n, lookup_.grid, cells);
  const Cells<double>::Cell* found = lookup_.cells.data();
  int64_t* counts = lookup_counts_.data();
  for (int64_t i = 0; i < n; ++i) {
    cells[i] = static_cast<uint16_t>(2 * cells[i] + (x[i] >= found[cells[i]].edge ? 1 : 0));
  }
  for (int64_t i = 0; i < n; ++i) ++counts[cells[i]];
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
