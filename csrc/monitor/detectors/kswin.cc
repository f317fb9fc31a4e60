#include "monitor/detectors/kswin.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace penstock {
namespace {

// As in random.sample: above this many a set of the chosen is smaller than a list of all.
int64_t largest_pool(int64_t k) {
  int64_t size = 21;
  if (k > 5) {
    int64_t table = 1;
    while (table < 3 * k) table *= 4;
    size += table;
  }
  return size;
}

}  // namespace

double Kswin::p_value(int64_t n, int64_t h) {
  if (h == 0) return 1;
  double p = 0;
  for (int64_t k = n / h; k >= 0; k--) {
    double term = 1;
    for (int64_t j = 0; j < h; j++) {
      term = static_cast<double>(n - k * h - j) * term / static_cast<double>(n + k * h + j + 1);
    }
    p = term * (1 - p);
  }
  return std::clamp(2 * p, 0.0, 1.0);
}

Kswin::Kswin(double alpha, int64_t window_size, int64_t stat_size, uint64_t seed)
    : size_(static_cast<int32_t>(window_size)),
      newest_(static_cast<int32_t>(stat_size)),
      older_(size_ - newest_),
      rejects_(older_ > largest_pool(newest_)),
      seeded_(seed),
      random_(seeded_),
      ring_(size_),
      sorted_(size_ + 1),
      slots_(size_),
      marks_(size_),
      pool_(rejects_ ? 0 : older_),
      chosen_(newest_) {
  int32_t low = 0, high = newest_ + 1;
  while (low < high) {
    const int32_t h = low + (high - low) / 2;
    const bool drift = p_value(newest_, h) <= alpha && static_cast<double>(h) / newest_ > 0.1;
    if (drift) {
      high = h;
    } else {
      low = h + 1;
    }
  }
  critical_ = low;
  reset();
}

void Kswin::reset() {
  random_ = seeded_;
  oldest_ = count_ = 0;
  sorted_[0] = std::numeric_limits<double>::quiet_NaN();
  std::fill(marks_.begin(), marks_.end(), int8_t{0});
  distance_ = 0;
  drift_ = false;
}

int32_t Kswin::slot_of(int32_t rank) const {
  const int32_t slot = oldest_ + rank;
  return slot < size_ ? slot : slot - size_;
}

void Kswin::insert(double x, int32_t slot) {
  const auto end = sorted_.begin() + count_;
  const auto at = std::upper_bound(sorted_.begin(), end, x) - sorted_.begin();
  std::move_backward(sorted_.begin() + at, end + 1, end + 2);
  std::move_backward(slots_.begin() + at, slots_.begin() + count_, slots_.begin() + count_ + 1);
  sorted_[at] = x;
  slots_[at] = slot;
  ring_[slot] = x;
  count_++;
}

void Kswin::remove(double x) {
  // Of equal values the oldest comes first.
  const auto end = sorted_.begin() + count_;
  const auto at = std::lower_bound(sorted_.begin(), end, x) - sorted_.begin();
  std::move(sorted_.begin() + at + 1, end + 1, sorted_.begin() + at);
  std::move(slots_.begin() + at + 1, slots_.begin() + count_, slots_.begin() + at);
  count_--;
}

bool Kswin::update(double x) {
  if (drift_) reset();
  if (count_ < size_) {
    const int32_t slot = count_;
    insert(x, slot);
    marks_[slot] = slot >= older_;
    if (count_ < size_) return false;
  } else {
    const int32_t slot = oldest_;
    remove(ring_[slot]);
    insert(x, slot);
    oldest_ = slot_of(1);
    marks_[slot] = 1;
    marks_[slot_of(older_ - 1)] = 0;
  }
  choose();
  distance_ = farthest();
  for (const int32_t slot : chosen_) marks_[slot] = 0;
  drift_ = distance_ >= critical_;
  return drift_;
}

// random.sample(range(older_), newest_), draw by draw.
void Kswin::choose() {
  if (rejects_) {
    for (int32_t& chosen : chosen_) {
      do chosen = slot_of(static_cast<int32_t>(random_.below(older_)));
      while (marks_[chosen] != 0);
      marks_[chosen] = -1;
    }
    return;
  }
  std::iota(pool_.begin(), pool_.end(), 0);
  for (int32_t i = 0; i < newest_; i++) {
    const int32_t left = older_ - i;
    const auto j = random_.below(left);
    chosen_[i] = slot_of(pool_[j]);
    marks_[chosen_[i]] = -1;
    pool_[j] = pool_[left - 1];
  }
}

int32_t Kswin::farthest() const {
  int32_t apart = 0, most = 0;
  for (int32_t i = 0; i < size_; i++) {
    apart += marks_[slots_[i]];
    // Equal values step together; the NaN behind the last differs from everything.
    const int32_t distance = sorted_[i] != sorted_[i + 1] ? std::abs(apart) : 0;
    most = std::max(most, distance);
  }
  return most;
}

std::vector<double> Kswin::in_order() const {
  std::vector<double> window(count_);
  for (int32_t rank = 0; rank < count_; rank++) window[rank] = ring_[slot_of(rank)];
  return window;
}

void Kswin::refill(const std::vector<double>& window) {
  oldest_ = count_ = 0;
  sorted_[0] = std::numeric_limits<double>::quiet_NaN();
  std::fill(marks_.begin(), marks_.end(), int8_t{0});
  for (const double x : window) {
    if (!(x >= kLow && x <= kHigh)) {
      distance_ = -1;
      return;
    }
    marks_[count_] = count_ >= older_;
    insert(x, count_);
  }
}

bool Kswin::sound() const { return random_.sound() && distance_ >= 0 && distance_ <= newest_; }

void Kswin::estimates(Estimates* out) const {
  out->emplace_back("width", count_);
  out->emplace_back("statistic", static_cast<double>(distance_) / newest_);
  out->emplace_back("p_value", p_value(newest_, distance_));
  out->emplace_back("threshold", static_cast<double>(critical_) / newest_);
}

}  // namespace penstock
