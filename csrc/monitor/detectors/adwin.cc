#include "monitor/detectors/adwin.h"

#include <cmath>

namespace penstock {
namespace {

double bucket_size(size_t level) { return static_cast<double>(uint64_t{1} << level); }

}  // namespace

Adwin::Adwin(double delta, int64_t clock, int64_t max_buckets, int64_t min_window_length,
             int64_t grace_period, bool restart)
    : delta_(delta),
      clock_(clock),
      max_buckets_(static_cast<size_t>(max_buckets)),
      min_length_(static_cast<double>(min_window_length)),
      grace_(static_cast<double>(grace_period)),
      restart_(restart) {
  reset();
}

void Adwin::reset() {
  levels_.resize(1);
  levels_[0].totals.clear();
  levels_[0].squares.clear();
  ticks_ = 0;
  width_ = total_ = squares_ = 0;
  drift_ = false;
}

bool Adwin::update(double x) {
  if (drift_ && restart_) reset();
  add(x);
  drift_ = false;
  if (++ticks_ % clock_ != 0 || !(width_ > grace_)) return false;
  while (differs()) {
    drop_oldest();
    drift_ = true;
  }
  return drift_;
}

void Adwin::add(double x) {
  levels_[0].totals.push_back(x);
  levels_[0].squares.push_back(0);
  width_ += 1;
  if (width_ > 1) {
    const double deviation = x - total_ / (width_ - 1);
    squares_ += (width_ - 1) * deviation * deviation / width_;
  }
  total_ += x;
  if (levels_[0].totals.size() > max_buckets_) compress();
}

void Adwin::compress() {
  for (size_t i = 0; levels_[i].totals.size() > max_buckets_; i++) {
    if (i + 1 == levels_.size()) levels_.emplace_back();
    Level& level = levels_[i];
    const double size = bucket_size(i);
    const double first = level.totals[0], second = level.totals[1];
    const double apart = first / size - second / size;
    levels_[i + 1].totals.push_back(first + second);
    levels_[i + 1].squares.push_back(level.squares[0] + level.squares[1] + size * 0.5 * apart * apart);
    level.totals.erase(level.totals.begin(), level.totals.begin() + 2);
    level.squares.erase(level.squares.begin(), level.squares.begin() + 2);
  }
}

void Adwin::drop_oldest() {
  Level& level = levels_.back();
  const double size = bucket_size(levels_.size() - 1);
  const double total = level.totals[0];
  width_ -= size;
  total_ -= total;
  const double mean = total / size;
  const double rest = total_ / width_;
  squares_ -= level.squares[0] + size * width_ * (mean - rest) * (mean - rest) / (size + width_);
  level.totals.erase(level.totals.begin());
  level.squares.erase(level.squares.begin());
  if (level.totals.empty()) levels_.pop_back();
}

bool Adwin::differs() const {
  const double log = std::log(2.0 * std::log(width_) / delta_);
  const double variance = squares_ / width_;
  const double linear = 2.0 / 3.0 * log;
  double older = 0, newer = width_;
  double older_total = 0, newer_total = total_;
  for (size_t i = levels_.size(); i-- > 0;) {
    const double size = bucket_size(i);
    for (const double total : levels_[i].totals) {
      older += size;
      newer -= size;
      older_total += total;
      newer_total -= total;
      if (older < min_length_) continue;
      if (newer < min_length_) return false;
      const double apart = std::fabs(older_total / older - newer_total / newer);
      const double m = 1.0 / (older - min_length_ + 1.0) + 1.0 / (newer - min_length_ + 1.0);
      if (apart > std::sqrt(2.0 * m * variance * log) + linear * m) return true;
    }
  }
  return false;
}

bool Adwin::sound() const {
  if (levels_.empty() || ticks_ < 0) return false;
  double width = 0;
  for (size_t i = 0; i < levels_.size(); i++) {
    const Level& level = levels_[i];
    if (level.totals.size() != level.squares.size()) return false;
    if (level.totals.empty() && i > 0) return false;
    width += static_cast<double>(level.totals.size()) * bucket_size(i);
  }
  return width == width_;
}

void Adwin::estimates(Estimates* out) const {
  out->emplace_back("width", width_);
  out->emplace_back("mean", width_ > 0 ? total_ / width_ : 0);
  out->emplace_back("variance", width_ > 0 ? squares_ / width_ : 0);
  out->emplace_back("total", total_);
}

}  // namespace penstock
