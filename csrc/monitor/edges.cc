#include "monitor/edges.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "monitor/distinct.h"

namespace penstock {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// So few values are sorted.
constexpr int64_t kFew = 512;

// Values that the grid is laid over, and how many of them may be beyond either end of it.
constexpr int64_t kSample = 512;
constexpr int64_t kBeyond = 2;

// Values of a cell on average, at most.
constexpr int64_t kPerCell = 16;

// Depths of the search after which values are sorted. At each, those that are left lie a thousand times
// closer.
constexpr size_t kDeepest = 8;

// The middle of two values, or the higher where nothing lies between them.
double between(double low, double high) {
  const double middle = low / 2 + high / 2;
  return middle > low && middle <= high ? middle : high;
}

// A number that is larger for a larger value, and grows with the logarithm of its magnitude; equal values
// have equal ones.
double key_of(double x) {
  x += 0.0;
  int64_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  return static_cast<double>(bits < 0 ? std::numeric_limits<int64_t>::min() - bits : bits);
}

// Some different values, and how often each came.
class Distinct {
 public:
  explicit Distinct(size_t most) : most_(most) {
    while ((size_t{1} << bits_) < 4 * most) ++bits_;
    slots_.resize(size_t{1} << bits_);
  }

  // False where it would be one too many.
  bool add(double x) {
    const size_t mask = slots_.size() - 1;
    size_t at = hash_number(x) >> (64 - bits_);
    while (slots_[at].count != 0 && slots_[at].value != x) at = (at + 1) & mask;
    Slot& slot = slots_[at];
    if (slot.count++ != 0) return true;
    slot.value = x;
    return ++size_ <= most_;
  }

  struct Slot {
    double value = 0;
    int64_t count = 0;
  };

  std::vector<Slot> sorted() const {
    std::vector<Slot> found;
    for (const Slot& slot : slots_) {
      if (slot.count != 0) found.push_back(slot);
    }
    std::sort(found.begin(), found.end(), [](const Slot& a, const Slot& b) { return a.value < b.value; });
    return found;
  }

 private:
  size_t most_;
  size_t size_ = 0;
  int bits_ = 6;
  std::vector<Slot> slots_;
};

// An edge, and how many values are below it.
struct Cut {
  double edge;
  int64_t below;
};

}  // namespace

Edges choose_edges(const double* x, int64_t n, int bins) {
  int64_t finite = 0;
  for (int64_t i = 0; i < n; ++i) finite += std::isfinite(x[i]) ? 1 : 0;
  return EdgeChooser(find_kernels(nullptr)).choose(x, n, finite, bins);
}

Edges EdgeChooser::choose(const double* x, int64_t n, int64_t finite, int bins) {
  int64_t lowest = 0, highest = 0;
  if (finite < n) x = only_finite(x, n, &lowest, &highest);
  Edges found;
  if (!find_few(x, finite, bins, &found)) find_many(x, finite, bins, &found);
  found.histogram.front() += lowest;
  found.histogram.back() += highest;
  return found;
}

// Returns where finite values lie, and counts the infinities of either sign.
const double* EdgeChooser::only_finite(const double* x, int64_t n, int64_t* lowest, int64_t* highest) {
  finite_.clear();
  for (int64_t i = 0; i < n; ++i) {
    if (std::isfinite(x[i])) {
      finite_.push_back(x[i]);
    } else {
      *lowest += x[i] == -kInfinity ? 1 : 0;
      *highest += x[i] == kInfinity ? 1 : 0;
    }
  }
  return finite_.data();
}

// Each of few distinct values gets a bin of its own. False where they are more than bins.
bool EdgeChooser::find_few(const double* x, int64_t n, int bins, Edges* found) {
  Distinct distinct(static_cast<size_t>(bins));
  for (int64_t i = 0; i < n; ++i) {
    if (!distinct.add(x[i])) return false;
  }
  const std::vector<Distinct::Slot> values = distinct.sorted();
  found->histogram.assign(std::max(values.size(), size_t{1}), 0);
  for (size_t i = 0; i < values.size(); ++i) {
    found->histogram[i] = values[i].count;
    if (i > 0) found->edges.push_back(between(values[i - 1].value, values[i].value) + 0.0);
  }
  return true;
}

void EdgeChooser::find_many(const double* x, int64_t n, int bins, Edges* found) {
  std::vector<int64_t> ranks = {0};
  for (int64_t bin = 1; bin < bins; ++bin) ranks.push_back((bin * n + bins - 1) / bins - 1);
  ranks.push_back(n - 1);
  std::vector<Quantile> chosen;
  select(x, n, 0, ranks, 0, false, &chosen);
  const double least = chosen.front().value, most = chosen.back().value;

  std::vector<Cut> cuts;
  std::vector<Quantile> heavy;  // those that fill more than one bin
  for (size_t i = 1; i + 1 < chosen.size(); ++i) {
    const bool first = i == 1 || chosen[i].value != chosen[i - 1].value;
    const bool repeats = i + 2 < chosen.size() && chosen[i].value == chosen[i + 1].value;
    if (!first) continue;
    if (chosen[i].value > least) cuts.push_back({chosen[i].value, chosen[i].below});
    if (repeats && chosen[i].value < most) heavy.push_back(chosen[i]);
  }
  if (!heavy.empty()) {
    std::vector<int64_t> after;
    for (const Quantile& one : heavy) after.push_back(one.upto);
    std::vector<Quantile> next;
    select(x, n, 0, after, 0, false, &next);
    for (size_t i = 0; i < heavy.size(); ++i) {
      cuts.push_back({between(heavy[i].value, next[i].value), heavy[i].upto});
    }
    std::sort(cuts.begin(), cuts.end(), [](const Cut& a, const Cut& b) { return a.edge < b.edge; });
    const auto same = [](const Cut& a, const Cut& b) { return a.edge == b.edge; };
    cuts.erase(std::unique(cuts.begin(), cuts.end(), same), cuts.end());
  }
  int64_t before = 0;
  for (const Cut& cut : cuts) {
    found->edges.push_back(cut.edge + 0.0);
    found->histogram.push_back(cut.below - before);
    before = cut.below;
  }
  found->histogram.push_back(n - before);
}

void EdgeChooser::select(const double* x, int64_t n, int64_t base, const std::vector<int64_t>& ranks,
                         size_t depth, bool by_keys, std::vector<Quantile>* found) {
  if (ranks.empty()) return;
  if (n <= kFew || depth == kDeepest) return sort(x, n, base, ranks, found);
  const double* keys = x;
  if (by_keys) {
    Level& level = levels_[depth];
    level.keys.resize(static_cast<size_t>(n));
    std::transform(x, x + n, level.keys.begin(), key_of);
    keys = level.keys.data();
  }
  sample_.clear();
  for (int64_t i = 0; i < kSample; ++i) sample_.push_back(keys[i * n / kSample]);
  const auto low = sample_.begin() + kBeyond, high = sample_.end() - 1 - kBeyond;
  std::nth_element(sample_.begin(), low, sample_.end());
  std::nth_element(low + 1, high, sample_.end());
  const double range = *high - *low;
  if (range == 0) {
    const auto middle = std::find(keys, keys + n, *low) - keys;
    return part(x, n, base, x[middle], ranks, depth, found);
  }
  int64_t cells = kMostCells;
  while (cells > 2 && cells * kPerCell > n) cells /= 2;
  const auto last = static_cast<double>(cells - 1);
  search(x, keys, n, base, {*low, last / range, last}, ranks, depth, found);
}

void EdgeChooser::sort(const double* x, int64_t n, int64_t base, const std::vector<int64_t>& ranks,
                       std::vector<Quantile>* found) {
  if (ranks.size() == 1 && n <= kFew) return found->push_back(pick(x, n, base, ranks[0]));
  sorted_.assign(x, x + n);
  std::sort(sorted_.begin(), sorted_.end());
  for (const int64_t rank : ranks) {
    const double value = sorted_[static_cast<size_t>(rank - base)];
    const auto [first, end] = std::equal_range(sorted_.begin(), sorted_.end(), value);
    found->push_back({value, base + (first - sorted_.begin()), base + (end - sorted_.begin())});
  }
}

// Tries values that lie between those that were too low and too high; each divides what is left, as in a
// quickselect, but nothing is moved.
EdgeChooser::Quantile EdgeChooser::pick(const double* x, int64_t n, int64_t base, int64_t rank) const {
  double low = -kInfinity, high = kInfinity;
  for (int64_t i = 0;; ++i) {
    if (!(low < x[i] && x[i] < high)) continue;
    int64_t below, upto;
    kernels_->doubles.rank(x, n, x[i], &below, &upto);
    if (base + upto <= rank) {
      low = x[i];
    } else if (base + below > rank) {
      high = x[i];
    } else {
      return {x[i], base + below, base + upto};
    }
  }
}

// Where most values are one: searches those below it and those above it.
void EdgeChooser::part(const double* x, int64_t n, int64_t base, double middle,
                       const std::vector<int64_t>& ranks, size_t depth, std::vector<Quantile>* found) {
  std::vector<double> below, above;
  for (int64_t i = 0; i < n; ++i) {
    if (x[i] < middle) below.push_back(x[i]);
    if (x[i] > middle) above.push_back(x[i]);
  }
  const auto less = static_cast<int64_t>(below.size()), more = static_cast<int64_t>(above.size());
  const int64_t first = base + less, end = base + n - more;
  const auto from = std::lower_bound(ranks.begin(), ranks.end(), first);
  const auto to = std::lower_bound(from, ranks.end(), end);
  select(below.data(), less, base, {ranks.begin(), from}, depth + 1, false, found);
  found->insert(found->end(), static_cast<size_t>(to - from), {middle, first, end});
  select(above.data(), more, end, {to, ranks.end()}, depth + 1, false, found);
}

void EdgeChooser::search(const double* x, const double* keys, int64_t n, int64_t base, const Grid& grid,
                         const std::vector<int64_t>& ranks, size_t depth, std::vector<Quantile>* found) {
  // Deeper ones may move the levels, and what this one holds.
  if (levels_.size() < kDeepest) levels_.resize(kDeepest);
  Level& level = levels_[depth];
  const size_t size = static_cast<size_t>(n), width = static_cast<size_t>(grid.last) + 1;
  if (level.cells.size() < size) level.cells.resize(size);
  level.counts.assign(width, 0);
  uint16_t* cells = level.cells.data();
  kernels_->doubles.locate(keys, n, grid, cells);
  for (size_t i = 0; i < size; ++i) ++level.counts[cells[i]];

  // Which ranks are in which cell.
  struct Wanted {
    size_t cell;
    int64_t base;
    std::vector<int64_t> ranks;
  };
  std::vector<Wanted> wanted;
  level.wanted.assign(width, 0);
  level.ends.assign(width, 0);
  uint32_t held = 0;
  int64_t before = base;
  auto rank = ranks.begin();
  for (size_t cell = 0; cell < width && rank != ranks.end(); ++cell) {
    const int64_t after = before + level.counts[cell];
    auto past = rank;
    while (past != ranks.end() && *past < after) ++past;
    if (past != rank) {
      wanted.push_back({cell, before, {rank, past}});
      level.wanted[cell] = 1;
      level.ends[cell] = held;
      held += level.counts[cell];
      rank = past;
    }
    before = after;
  }

  if (level.indices.size() < size + 1) level.indices.resize(size + 1);
  if (level.values.size() < held) level.values.resize(held);
  uint32_t* indices = level.indices.data();
  const uint8_t* flags = level.wanted.data();
  size_t kept = 0;
  for (size_t i = 0; i < size; ++i) {
    indices[kept] = static_cast<uint32_t>(i);
    kept += flags[cells[i]];
  }
  for (size_t i = 0; i < kept; ++i) level.values[level.ends[cells[indices[i]]]++] = x[indices[i]];
  for (const Wanted& one : wanted) {
    const auto count = static_cast<int64_t>(level.counts[one.cell]);
    const double* values = level.values.data() + (level.ends[one.cell] - level.counts[one.cell]);
    select(values, count, one.base, one.ranks, depth + 1, 2 * count > n, found);
  }
}

}  // namespace penstock
