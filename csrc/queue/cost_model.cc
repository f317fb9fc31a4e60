#include "queue/cost_model.h"

#include <algorithm>
#include <cmath>

namespace penstock {
namespace {

constexpr double kDecay = 0.98;   // about fifty batches of memory
constexpr double kOutlier = 3.0;  // distances beyond this many spreads count less
constexpr double kSpreadDecay = 0.95;
constexpr double kSpreadGrowth = 4.0;    // one sample raises the spread by at most this factor of itself
constexpr double kRelativeFloor = 0.02;  // timers and caches alone vary by this share

}  // namespace

void CostModel::observe(int64_t rows, double ns) {
  if (rows < 1 || !(ns >= 0) || !std::isfinite(ns)) return;
  const double n = static_cast<double>(rows);
  double weight = 1;
  if (estimate_.known) {
    const double distance = std::abs(ns - estimate_.batch_ns(rows));
    const double spread = std::max(estimate_.spread_ns, kRelativeFloor * estimate_.batch_ns(rows) + 1);
    if (distance > kOutlier * spread) weight = kOutlier * spread / distance;
    const double seen = std::min(distance, kSpreadGrowth * spread);
    estimate_.spread_ns = kSpreadDecay * estimate_.spread_ns + (1 - kSpreadDecay) * seen;
  }
  w_ = kDecay * w_ + weight;
  n_ = kDecay * n_ + weight * n;
  nn_ = kDecay * nn_ + weight * n * n;
  t_ = kDecay * t_ + weight * ns;
  nt_ = kDecay * nt_ + weight * n * ns;
  fit();
}

void CostModel::fit() {
  const double mean_n = n_ / w_;
  const double mean_t = t_ / w_;
  const double variance = nn_ / w_ - mean_n * mean_n;
  const double covariance = nt_ / w_ - mean_n * mean_t;
  // Batches of nearly one size say nothing of the slope: lean on the slope so far, at first the mean cost a
  // row.
  const double prior = estimate_.known ? estimate_.row_ns : 0.5 * mean_t / mean_n;
  const double ridge = 0.01 * mean_n * mean_n / w_;
  double slope = (covariance + ridge * prior) / (variance + ridge);
  slope = std::clamp(slope, 0.0, mean_t / mean_n);
  estimate_.row_ns = slope;
  estimate_.base_ns = std::max(0.0, mean_t - slope * mean_n);
  estimate_.known = true;
}

}  // namespace penstock
