#include "monitor/detectors/hddm_w.h"

#include <cmath>

namespace penstock {

HddmW::HddmW(double drift_confidence, double warning_confidence, double lambda, bool two_sided)
    : drift_log_(std::log(1 / drift_confidence)),
      warning_log_(std::log(1 / warning_confidence)),
      lambda_(lambda),
      lambda_squared_(lambda * lambda),
      two_sided_(two_sided) {
  // Not a product, which may differ in the last bit from what `** 2` gives in Python.
  volatile double two = 2;
  rest_squared_ = std::pow(1 - lambda, two);
}

void HddmW::add(Sample* sample, double x) const {
  sample->mean = sample->empty ? x : lambda_ * x + (1.0 - lambda_) * sample->mean;
  sample->weight = lambda_squared_ + rest_squared_ * sample->weight;
  sample->empty = false;
}

bool HddmW::above(const Sample& high, const Sample& low, double log) const {
  if (high.empty || low.empty) return false;
  return high.mean - low.mean > std::sqrt((low.weight + high.weight) * log / 2);
}

bool HddmW::update(double x) {
  if (state_.drift) reset();
  State& s = state_;
  s.width += 1;
  add(&s.all, x);
  const double epsilon = std::sqrt(s.all.weight * drift_log_ / 2);

  if (s.all.mean + epsilon < s.lowest) {
    s.lowest = s.all.mean + epsilon;
    s.before_rise = s.all;
    s.after_rise = {};
  } else {
    add(&s.after_rise, x);
  }
  s.drift = above(s.after_rise, s.before_rise, drift_log_);
  s.warning = !s.drift && above(s.after_rise, s.before_rise, warning_log_);

  if (s.all.mean - epsilon > s.highest) {
    s.highest = s.all.mean - epsilon;
    s.before_fall = s.all;
    s.after_fall = {};
  } else {
    add(&s.after_fall, x);
  }
  if (two_sided_) {
    if (above(s.before_fall, s.after_fall, drift_log_)) {
      s.drift = true;
    } else if (above(s.before_fall, s.after_fall, warning_log_)) {
      s.warning = true;
    }
  }
  return s.drift;
}

void HddmW::estimates(Estimates* out) const {
  out->emplace_back("width", state_.width);
  out->emplace_back("mean", state_.all.mean);
  out->emplace_back("mean_before", state_.before_rise.mean);
  out->emplace_back("mean_after", state_.after_rise.mean);
}

}  // namespace penstock
