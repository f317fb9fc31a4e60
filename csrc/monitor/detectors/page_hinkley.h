// Page-Hinkley: deviations from the running mean, summed with forgetting. Page 1954; as river 0.26 does it.
#ifndef PENSTOCK_MONITOR_DETECTORS_PAGE_HINKLEY_H_
#define PENSTOCK_MONITOR_DETECTORS_PAGE_HINKLEY_H_

#include <cstdint>
#include <limits>

#include "monitor/detectors/any_detector.h"
#include "monitor/detectors/mean.h"

namespace penstock {

// Contract: any_detector.h.
class PageHinkley {
 public:
  static constexpr double kLow = -kLargestValue;
  static constexpr double kHigh = kLargestValue;

  PageHinkley(int64_t min_instances, double delta, double threshold, double alpha, Side side)
      : min_instances_(static_cast<double>(min_instances)),
        delta_(delta),
        threshold_(threshold),
        alpha_(alpha),
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
    Mean mean;
    double rising = 0;
    double falling = 0;
    // The extremes so far; -1 is where river begins.
    double lowest = std::numeric_limits<double>::infinity();
    double highest = -1;
    bool drift = false;

    template <class Archive>
    void visit(Archive& archive) {
      mean.visit(archive);
      archive(rising);
      archive(falling);
      archive(lowest);
      archive(highest);
      archive(drift);
    }
  };

  double min_instances_;
  double delta_;
  double threshold_;
  double alpha_;
  Side side_;
  State state_;
};

}  // namespace penstock

#endif  // PENSTOCK_MONITOR_DETECTORS_PAGE_HINKLEY_H_
