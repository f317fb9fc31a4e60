// A histogram over fixed bounds, as Prometheus wants it: counts that can be added up across processes.
#ifndef PENSTOCK_QUEUE_HISTOGRAM_H_
#define PENSTOCK_QUEUE_HISTOGRAM_H_

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

namespace penstock {

// Upper bounds in seconds, four a decade from 10 µs to 10 s.
inline constexpr std::array<double, 25> kSecondsBounds = {
    1e-5,  1.8e-5, 3.2e-5, 5.6e-5, 1e-4, 1.8e-4, 3.2e-4, 5.6e-4, 1e-3, 1.8e-3, 3.2e-3, 5.6e-3, 0.01,
    0.018, 0.032,  0.056,  0.1,    0.18, 0.32,   0.56,   1.0,    1.8,  3.2,    5.6,    10.0};
// Upper bounds in rows: powers of two.
inline constexpr std::array<double, 17> kRowsBounds = {1,   2,    4,    8,    16,   32,    64,    128,  256,
                                                       512, 1024, 2048, 4096, 8192, 16384, 32768, 65536};

// Not synchronised. A value belongs to the first bound that it does not exceed.
template <size_t N>
class Histogram {
 public:
  explicit Histogram(const std::array<double, N>& bounds) : bounds_(&bounds) {}

  void add(double value) {
    const auto it = std::lower_bound(bounds_->begin(), bounds_->end(), value);
    ++counts_[static_cast<size_t>(it - bounds_->begin())];
    sum_ += value;
  }

  const std::array<double, N>& bounds() const { return *bounds_; }
  const std::array<uint64_t, N + 1>& counts() const { return counts_; }
  double sum() const { return sum_; }

 private:
  const std::array<double, N>* bounds_;
  std::array<uint64_t, N + 1> counts_{};
  double sum_ = 0;
};

using SecondsHistogram = Histogram<kSecondsBounds.size()>;
using RowsHistogram = Histogram<kRowsBounds.size()>;

}  // namespace penstock

#endif  // PENSTOCK_QUEUE_HISTOGRAM_H_
