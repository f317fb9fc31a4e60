// ADWIN: a window that drops its older part when the means of two parts differ. Bifet, Gavaldà 2007 (ADWIN2);
// as river 0.26 does it.
#ifndef PENSTOCK_MONITOR_DETECTORS_ADWIN_H_
#define PENSTOCK_MONITOR_DETECTORS_ADWIN_H_

#include <cstdint>
#include <vector>

#include "monitor/detectors/any_detector.h"

namespace penstock {

// Contract: any_detector.h. The window is an exponential histogram: level i holds at most max_buckets buckets
// of 2^i values each, oldest first; a bucket is the sum of its values and of their squared deviations. Memory
// and a check are O(max_buckets · log(width)), an update without a check O(1) amortised.
class Adwin {
 public:
  static constexpr double kLow = -kLargestValue;
  static constexpr double kHigh = kLargestValue;

  // `clock` and `min_window_length` at least 1, `max_buckets` at least 2. Without `restart` the newer part of
  // the window is kept where drift was found, and the buckets go on filling.
  Adwin(double delta, int64_t clock, int64_t max_buckets, int64_t min_window_length, int64_t grace_period,
        bool restart);

  bool update(double x);
  void reset();
  bool drift() const { return drift_; }
  bool warning() const { return false; }
  void estimates(Estimates* out) const;
  bool sound() const;

  template <class Archive>
  void visit(Archive& archive) {
    archive(ticks_);
    archive(width_);
    archive(total_);
    archive(squares_);
    archive(drift_);
    auto levels = static_cast<int64_t>(levels_.size());
    archive(levels);
    if (Archive::kReads) levels_.assign(levels > 0 && levels <= kMostLevels ? levels : 0, Level());
    for (Level& level : levels_) {
      archive(level.totals, max_buckets_);
      archive(level.squares, max_buckets_);
    }
  }

 private:
  // 2^52 values: as many as a double counts.
  static constexpr int64_t kMostLevels = 52;

  struct Level {
    std::vector<double> totals;
    std::vector<double> squares;
  };

  void add(double x);
  void compress();
  void drop_oldest();
  // Whether some cut of the window leaves two parts whose means differ.
  bool differs() const;

  double delta_;
  int64_t clock_;
  size_t max_buckets_;
  double min_length_;
  double grace_;
  bool restart_;

  std::vector<Level> levels_;
  int64_t ticks_ = 0;
  double width_ = 0;
  double total_ = 0;
  double squares_ = 0;
  bool drift_ = false;
};

}  // namespace penstock

#endif  // PENSTOCK_MONITOR_DETECTORS_ADWIN_H_
