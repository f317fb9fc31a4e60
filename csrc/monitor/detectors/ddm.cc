#include "monitor/detectors/ddm.h"

#include <algorithm>
#include <cmath>

namespace penstock {

double Ddm::deviation() const {
  const double rate = state_.rate.value;
  return std::sqrt(std::max(0.0, rate * (1 - rate) / state_.rate.n));
}

bool Ddm::update(double x) {
  if (state_.drift) reset();
  State& s = state_;
  s.rate.update(x);
  if (s.rate.n <= warm_start_) return false;
  const double deviation = this->deviation();
  const double sum = s.rate.value + deviation;
  if (sum <= s.lowest_sum) {
    s.lowest_rate = s.rate.value;
    s.lowest_deviation = deviation;
    s.lowest_sum = sum;
  }
  s.drift = sum > s.lowest_rate + drift_threshold_ * s.lowest_deviation;
  s.warning = !s.drift && sum > s.lowest_rate + warning_threshold_ * s.lowest_deviation;
  return s.drift;
}

void Ddm::estimates(Estimates* out) const {
  out->emplace_back("width", state_.rate.n);
  out->emplace_back("mean", state_.rate.value);
  out->emplace_back("standard_deviation", state_.rate.n > 0 ? deviation() : 0);
  out->emplace_back("lowest_mean", state_.lowest_rate);
  out->emplace_back("lowest_standard_deviation", state_.lowest_deviation);
}

}  // namespace penstock
