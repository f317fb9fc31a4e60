// HDDM_A: means before and after a cut, by Hoeffding's inequality. Frías-Blanco et al. 2015; as river 0.26
// does it.
#ifndef PENSTOCK_MONITOR_DETECTORS_HDDM_A_H_
#define PENSTOCK_MONITOR_DETECTORS_HDDM_A_H_

#include <cmath>

#include "monitor/detectors/any_detector.h"
#include "monitor/detectors/mean.h"

namespace penstock {

// Contract: any_detector.h.
class HddmA {
 public:
  static constexpr double kLow = 0;
  static constexpr double kHigh = 1;

  HddmA(double drift_confidence, double warning_confidence, bool two_sided)
      : cut_log_(std::log(1.0 / drift_confidence)),
        drift_log_(std::log(2.0 / drift_confidence)),
        warning_log_(std::log(2.0 / warning_confidence)),
        two_sided_(two_sided) {}

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
  struct State {
    Mean all;
    // The values up to the cut where the mean was lowest, and highest.
    Mean lowest;
    Mean highest;
    bool warning = false;
    bool drift = false;

    template <class Archive>
    void visit(Archive& archive) {
      all.visit(archive);
      lowest.visit(archive);
      highest.visit(archive);
      archive(warning);
      archive(drift);
    }
  };

  double bound(double n) const { return std::sqrt(1.0 / (2 * n) * cut_log_); }
  // By how much the mean of all may differ from that of the first of them.
  double bound_of(const Mean& first, double log) const;
  bool rose(double log) const;
  bool fell(double log) const;

  double cut_log_;
  double drift_log_;
  double warning_log_;
  bool two_sided_;
  State state_;
};

}  // namespace penstock

#endif  // PENSTOCK_MONITOR_DETECTORS_HDDM_A_H_
