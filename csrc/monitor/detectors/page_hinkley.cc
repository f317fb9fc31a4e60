#include "monitor/detectors/page_hinkley.h"

namespace penstock {

bool PageHinkley::update(double x) {
  if (state_.drift) reset();
  State& s = state_;
  s.mean.update(x);
  const double deviation = x - s.mean.value;
  s.rising = alpha_ * s.rising + deviation - delta_;
  s.falling = alpha_ * s.falling + deviation + delta_;
  if (s.rising < s.lowest) s.lowest = s.rising;
  if (s.falling > s.highest) s.highest = s.falling;
  if (s.mean.n < min_instances_) return false;
  s.drift = (side_ != Side::kDown && s.rising - s.lowest > threshold_) ||
            (side_ != Side::kUp && s.highest - s.falling > threshold_);
  return s.drift;
}

void PageHinkley::estimates(Estimates* out) const {
  const State& s = state_;
  out->emplace_back("width", s.mean.n);
  out->emplace_back("mean", s.mean.value);
  out->emplace_back("rise", s.mean.n > 0 ? s.rising - s.lowest : 0);
  out->emplace_back("fall", s.mean.n > 0 ? s.highest - s.falling : 0);
}

}  // namespace penstock
