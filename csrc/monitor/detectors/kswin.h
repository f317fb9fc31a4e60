// KSWIN: the newest values of a window against a random sample of the older ones, by Kolmogorov-Smirnov.
// Raab, Heusinger, Schleif 2020; as river 0.26 does it, with the same samples from the same seed.
#ifndef PENSTOCK_MONITOR_DETECTORS_KSWIN_H_
#define PENSTOCK_MONITOR_DETECTORS_KSWIN_H_

#include <cstdint>
#include <vector>

#include "monitor/detectors/any_detector.h"
#include "monitor/detectors/mersenne_twister.h"

namespace penstock {

// Contract: any_detector.h. The window is kept sorted beside its order of arrival, so a value costs a binary
// search, a move within the sorted window, stat_size random draws and one pass; nothing is sorted or
// allocated.
class Kswin {
 public:
  static constexpr double kLow = -kLargestValue;
  static constexpr double kHigh = kLargestValue;

  // 1 ≤ stat_size ≤ window_size / 2.
  Kswin(double alpha, int64_t window_size, int64_t stat_size, uint64_t seed);

  bool update(double x);
  void reset();
  bool drift() const { return drift_; }
  bool warning() const { return false; }
  void estimates(Estimates* out) const;
  bool sound() const;

  template <class Archive>
  void visit(Archive& archive) {
    std::vector<double> window = in_order();
    archive(window, size_);
    archive(distance_);
    archive(drift_);
    random_.visit(archive);
    if (Archive::kReads) refill(window);
  }

  // The share of arrangements of two samples of n values whose ECDFs are h/n apart or more: the p-value of
  // scipy.stats.ks_2samp for equal sizes up to 10,000. Hodges 1958.
  static double p_value(int64_t n, int64_t h);

 private:
  // A value into a slot of the ring and into its place in `sorted_`; what the slot held is removed before.
  void insert(double x, int32_t slot);
  void remove(double x);
  void choose();
  int32_t farthest() const;
  // The slot of the value that came `rank` after the oldest.
  int32_t slot_of(int32_t rank) const;
  std::vector<double> in_order() const;
  void refill(const std::vector<double>& window);

  int32_t size_;
  int32_t newest_;
  int32_t older_;
  // The smallest distance, in steps of 1 / newest_, that is drift.
  int32_t critical_;
  // Whether Python's sample() tracks what it chose instead of what is left.
  bool rejects_;
  MersenneTwister seeded_;

  MersenneTwister random_;
  std::vector<double> ring_;
  int32_t oldest_ = 0;
  int32_t count_ = 0;
  // Ascending, equal values in order of arrival; the slot of each; NaN behind the last.
  std::vector<double> sorted_;
  std::vector<int32_t> slots_;
  // Of each slot: 1 among the newest, -1 chosen, 0 neither.
  std::vector<int8_t> marks_;
  std::vector<int32_t> pool_;
  std::vector<int32_t> chosen_;
  int64_t distance_ = 0;
  bool drift_ = false;
};

}  // namespace penstock

#endif  // PENSTOCK_MONITOR_DETECTORS_KSWIN_H_
