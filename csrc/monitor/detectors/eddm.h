// EDDM: the distance between errors against its longest so far. Baena-García et al. 2006; as river 0.26 does
// it.
#ifndef PENSTOCK_MONITOR_DETECTORS_EDDM_H_
#define PENSTOCK_MONITOR_DETECTORS_EDDM_H_

#include <cstdint>

#include "monitor/detectors/any_detector.h"
#include "monitor/detectors/mean.h"

namespace penstock {

// Contract: any_detector.h. 1 is an error; all else is none.
class Eddm {
 public:
  static constexpr double kLow = 0;
  static constexpr double kHigh = 1;

  Eddm(int64_t warm_start, double alpha, double beta)
      : warm_start_(static_cast<double>(warm_start)), alpha_(alpha), beta_(beta) {}

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
    double width = 0;
    double last_error = 0;
    Mean distance;
    double squares = 0;
    double longest = -1;
    double level = 1;
    bool warning = false;
    bool drift = false;

    template <class Archive>
    void visit(Archive& archive) {
      archive(width);
      archive(last_error);
      distance.visit(archive);
      archive(squares);
      archive(longest);
      archive(level);
      archive(warning);
      archive(drift);
    }
  };

  double deviation() const;

  double warm_start_;
  double alpha_;
  double beta_;
  State state_;
};

}  // namespace penstock

#endif  // PENSTOCK_MONITOR_DETECTORS_EDDM_H_
