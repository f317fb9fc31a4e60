#include "monitor/detectors/hddm_a.h"

namespace penstock {

double HddmA::bound_of(const Mean& first, double log) const {
  const double n = state_.all.n;
  const double m = (n - first.n) / first.n * (1.0 / n);
  return std::sqrt(m / 2 * log);
}

bool HddmA::rose(double log) const {
  const State& s = state_;
  return s.lowest.n != s.all.n && s.all.value - s.lowest.value >= bound_of(s.lowest, log);
}

bool HddmA::fell(double log) const {
  const State& s = state_;
  return s.highest.n != s.all.n && s.highest.value - s.all.value >= bound_of(s.highest, log);
}

bool HddmA::update(double x) {
  if (state_.drift) reset();
  State& s = state_;
  s.all.update(x);
  if (s.lowest.n == 0) s.lowest = s.highest = s.all;
  const double epsilon = bound(s.all.n);
  if (s.lowest.value + bound(s.lowest.n) >= s.all.value + epsilon) s.lowest = s.all;
  if (s.highest.value - bound(s.highest.n) <= s.all.value - epsilon) s.highest = s.all;
  s.drift = rose(drift_log_);
  s.warning = !s.drift && rose(warning_log_);
  if (two_sided_) {
    if (fell(drift_log_)) {
      s.drift = true;
    } else if (fell(warning_log_)) {
      s.warning = true;
    }
  }
  return s.drift;
}

void HddmA::estimates(Estimates* out) const {
  out->emplace_back("width", state_.all.n);
  out->emplace_back("mean", state_.all.value);
  out->emplace_back("lowest_mean", state_.lowest.value);
  out->emplace_back("highest_mean", state_.highest.value);
}

}  // namespace penstock
