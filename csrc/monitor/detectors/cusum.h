// CUSUM: the tabular two-sided cumulative sum of standardised values. Page 1954; Montgomery 2019, chapter 9.
#ifndef PENSTOCK_MONITOR_DETECTORS_CUSUM_H_
#define PENSTOCK_MONITOR_DETECTORS_CUSUM_H_

#include <cstdint>

#include "monitor/detectors/any_detector.h"
#include "monitor/detectors/mean.h"

namespace penstock {

// Contract: any_detector.h. Without a target, the first `warm_start` values since the last restart give mean
// and standard deviation; while those are all equal the warm-up goes on.
class Cusum {
 public:
  static constexpr double kLow = -kLargestValue;
  static constexpr double kHigh = kLargestValue;

  // `warm_start` 0: `mean` and `deviation` (> 0) are given.
  Cusum(double mean, double deviation, double allowance, double threshold, int64_t warm_start, Side side)
      : target_mean_(mean),
        target_deviation_(deviation),
        allowance_(allowance),
        threshold_(threshold),
        warm_start_(static_cast<double>(warm_start)),
        side_(side) {}

  bool update(double x);
  void reset() { state_ = {}; }
  bool drift() const { return state_.drift; }
  bool warning() const { return false; }
  void estimates(Estimates* out) const;
  bool sound() const { return true; }

  template <class Archive>
  void visit(Archive& archive) {
    state_.visit(archive);
  }

 private:
  struct State {
    double width = 0;
    Mean warm_up;
    double squares = 0;
    double rise = 0;
    double fall = 0;
    bool drift = false;

    template <class Archive>
    void visit(Archive& archive) {
      archive(width);
      warm_up.visit(archive);
      archive(squares);
      archive(rise);
      archive(fall);
      archive(drift);
    }
  };

  bool warming() const {
    return warm_start_ > 0 && (state_.warm_up.n < warm_start_ || !(state_.squares > 0));
  }
  double mean() const { return warm_start_ > 0 ? state_.warm_up.value : target_mean_; }
  double deviation() const;

  double target_mean_;
  double target_deviation_;
  double allowance_;
  double threshold_;
  double warm_start_;
  Side side_;
  State state_;
};

}  // namespace penstock

#endif  // PENSTOCK_MONITOR_DETECTORS_CUSUM_H_
