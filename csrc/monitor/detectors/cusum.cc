#include "monitor/detectors/cusum.h"

#include <algorithm>
#include <cmath>

namespace penstock {

double Cusum::deviation() const {
  if (warm_start_ == 0) return target_deviation_;
  return state_.warm_up.n > 1 ? std::sqrt(state_.squares / (state_.warm_up.n - 1)) : 0;
}

bool Cusum::update(double x) {
  if (state_.drift) reset();
  State& s = state_;
  s.width += 1;
  if (warming()) {
    const double before = s.warm_up.value;
    s.warm_up.update(x);
    s.squares += (x - before) * (x - s.warm_up.value);
    return false;
  }
  const double z = (x - mean()) / deviation();
  s.rise = std::max(0.0, s.rise + z - allowance_);
  s.fall = std::max(0.0, s.fall - z - allowance_);
  s.drift = (side_ != Side::kDown && s.rise > threshold_) || (side_ != Side::kUp && s.fall > threshold_);
  return s.drift;
}

void Cusum::estimates(Estimates* out) const {
  out->emplace_back("width", state_.width);
  out->emplace_back("mean", mean());
  out->emplace_back("standard_deviation", deviation());
  out->emplace_back("rise", state_.rise);
  out->emplace_back("fall", state_.fall);
}

}  // namespace penstock
