// DDM: the error rate against its lowest so far. Gama, Medas, Castillo, Rodrigues 2004; as river 0.26 does
// it.
#ifndef PENSTOCK_MONITOR_DETECTORS_DDM_H_
#define PENSTOCK_MONITOR_DETECTORS_DDM_H_

#include <cstdint>
#include <limits>

#include "monitor/detectors/any_detector.h"
#include "monitor/detectors/mean.h"

namespace penstock {

// Contract: any_detector.h.
class Ddm {
 public:
  static constexpr double kLow = 0;
  static constexpr double kHigh = 1;

  Ddm(int64_t warm_start, double warning_threshold, double drift_threshold)
      : warm_start_(static_cast<double>(warm_start)),
        warning_threshold_(warning_threshold),
        drift_threshold_(drift_threshold) {}

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
    Mean rate;
    double lowest_rate = 0;
    double lowest_deviation = 0;
    double lowest_sum = std::numeric_limits<double>::infinity();
    bool warning = false;
    bool drift = false;

    template <class Archive>
    void visit(Archive& archive) {
      rate.visit(archive);
      archive(lowest_rate);
      archive(lowest_deviation);
      archive(lowest_sum);
      archive(warning);
      archive(drift);
    }
  };

  double deviation() const;

  double warm_start_;
  double warning_threshold_;
  double drift_threshold_;
  State state_;
};

}  // namespace penstock

#endif  // PENSTOCK_MONITOR_DETECTORS_DDM_H_
