// HDDM_W: exponentially weighted means before and after a cut, by McDiarmid's inequality.
// Frías-Blanco et al. 2015; as river 0.26 does it.
#ifndef PENSTOCK_MONITOR_DETECTORS_HDDM_W_H_
#define PENSTOCK_MONITOR_DETECTORS_HDDM_W_H_

#include <limits>

#include "monitor/detectors/any_detector.h"

namespace penstock {

// Contract: any_detector.h.
class HddmW {
 public:
  static constexpr double kLow = 0;
  static constexpr double kHigh = 1;

  HddmW(double drift_confidence, double warning_confidence, double lambda, bool two_sided);

  bool update(double x);
  void reset() { state_ = {}; }
  bool drift() const { return state_.drift; }
  bool warning() const { return state_.warning; }
  void estimates(Estimates* out) const;
  bool sound() const { return true; }

  template <class Archive>
  void visit(Archive& archive) {
    state_.visit(archive);
  }

 private:
  struct Sample {
    double mean = 0;
    // The sum of the squared weights: how far a mean can move.
    double weight = 1;
    bool empty = true;

    template <class Archive>
    void visit(Archive& archive) {
      archive(mean);
      archive(weight);
      archive(empty);
    }
  };

  struct State {
    double width = 0;
    Sample all;
    Sample before_rise, after_rise;
    Sample before_fall, after_fall;
    double lowest = std::numeric_limits<double>::infinity();
    double highest = -std::numeric_limits<double>::infinity();
    bool warning = false;
    bool drift = false;

    template <class Archive>
    void visit(Archive& archive) {
      archive(width);
      for (Sample* sample : {&all, &before_rise, &after_rise, &before_fall, &after_fall}) {
        sample->visit(archive);
      }
      archive(lowest);
      archive(highest);
      archive(warning);
      archive(drift);
    }
  };

  void add(Sample* sample, double x) const;
  // Whether `high` is above `low` by more than chance.
  bool above(const Sample& high, const Sample& low, double log) const;

  double drift_log_;
  double warning_log_;
  double lambda_;
  double lambda_squared_;
  double rest_squared_;
  bool two_sided_;
  State state_;
};

}  // namespace penstock

#endif  // PENSTOCK_MONITOR_DETECTORS_HDDM_W_H_
