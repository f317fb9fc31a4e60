// Latency histogram with a bounded relative error, after HdrHistogram.
#ifndef PENSTOCK_LOAD_HISTOGRAM_H_
#define PENSTOCK_LOAD_HISTOGRAM_H_

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

namespace penstock::load {

// Counts of non-negative integers (nanoseconds here) in buckets that are linear within each power of two.
//
// A value is known to within 1/128 of itself (0.8 %) over the whole range of int64; values below 128 are
// exact. Fixed memory (58 KiB), O(1) per record. The maximum and the sum are exact. Not thread-safe.
class Histogram {
 public:
  Histogram() : counts_(kBuckets, 0) {}

  // Negative values count as 0.
  void record(int64_t value) {
    value = std::max<int64_t>(value, 0);
    ++counts_[bucket(static_cast<uint64_t>(value))];
    ++total_;
    sum_ += static_cast<double>(value);
    max_ = std::max(max_, value);
  }

  uint64_t total() const { return total_; }
  int64_t max() const { return max_; }
  double mean() const { return total_ == 0 ? 0.0 : sum_ / static_cast<double>(total_); }

  // The smallest recorded bucket's upper edge that at least `fraction` (0..1) of the values do not exceed,
  // never above max(). 0 when nothing was recorded.
  int64_t quantile(double fraction) const {
    if (total_ == 0) return 0;
    const double wanted = std::ceil(std::clamp(fraction, 0.0, 1.0) * static_cast<double>(total_));
    const uint64_t rank = std::max<uint64_t>(1, static_cast<uint64_t>(wanted));
    uint64_t seen = 0;
    for (int i = 0; i < kBuckets; ++i) {
      seen += counts_[i];
      if (seen >= rank) return std::min(upper(i), max_);
    }
    return max_;
  }

  // Number of buckets, the count of one, and the largest value that falls into it.
  static constexpr int buckets() { return kBuckets; }
  uint64_t count(int index) const { return counts_[index]; }
  static int64_t upper(int index) {
    if (index < kSub) return index;
    const int shift = index / kSub - 1;
    const uint64_t base = static_cast<uint64_t>(kSub + index % kSub) << shift;
    return static_cast<int64_t>(base + (uint64_t{1} << shift) - 1);
  }

 private:
  static constexpr int kSubBits = 7;
  static constexpr int kSub = 1 << kSubBits;
  static constexpr int kBuckets = (63 - kSubBits + 1) * kSub;

  static int bucket(uint64_t value) {
    if (value < kSub) return static_cast<int>(value);
    const int shift = 63 - __builtin_clzll(value) - kSubBits;
    return (shift + 1) * kSub + static_cast<int>((value >> shift) - kSub);
  }

  std::vector<uint64_t> counts_;
  uint64_t total_ = 0;
  double sum_ = 0.0;
  int64_t max_ = 0;
};

}  // namespace penstock::load

#endif  // PENSTOCK_LOAD_HISTOGRAM_H_
