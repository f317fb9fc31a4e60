#include "monitor/detectors/eddm.h"

#include <cmath>

namespace penstock {

double Eddm::deviation() const {
  const double variance = state_.distance.n > 1 ? state_.squares / (state_.distance.n - 1) : 0;
  // Not sqrt, which may differ in the last bit from what `** 0.5` gives in Python.
  return std::pow(variance, 0.5);
}

bool Eddm::update(double x) {
  if (state_.drift) reset();
  State& s = state_;
  s.width += 1;
  if (x != 1) return false;
  const double distance = s.width - s.last_error;
  const double before = s.distance.value;
  s.distance.update(distance);
  s.squares += (distance - before) * (distance - s.distance.value);
  s.last_error = s.width;
  if (s.width <= warm_start_) return false;
  const double reach = s.distance.value + 2 * deviation();
  if (reach > s.longest) {
    s.longest = reach;
    s.level = 1;
  } else if (s.distance.n > warm_start_) {
    s.level = reach / s.longest;
    s.drift = s.level < beta_;
    // Drift leaves the warning as it was, as in river.
    if (!s.drift) s.warning = s.level < alpha_;
  }
  return s.drift;
}

void Eddm::estimates(Estimates* out) const {
  out->emplace_back("width", state_.width);
  out->emplace_back("errors", state_.distance.n);
  out->emplace_back("mean_distance", state_.distance.value);
  out->emplace_back("standard_deviation", deviation());
  out->emplace_back("level", state_.level);
}

}  // namespace penstock
