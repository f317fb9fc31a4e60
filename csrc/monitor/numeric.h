// What is counted of one column of numbers.
#ifndef PENSTOCK_MONITOR_NUMERIC_H_
#define PENSTOCK_MONITOR_NUMERIC_H_

#include <cstdint>
#include <vector>

#include "monitor/distinct.h"
#include "monitor/kernels.h"

namespace penstock {

// Rows of a block: what the accumulators work on at once, and what the moments are merged by.
constexpr int64_t kBlockRows = 512;

struct NumericCounts {
  int64_t missing = 0;
  int64_t infinite = 0;
  int64_t finite = 0;
  int64_t below = 0;
  int64_t above = 0;
  double mean = 0;
  double squares = 0;
  double minimum = 0;
  double maximum = 0;
  std::vector<int64_t> histogram;
  std::vector<uint8_t> registers;  // kRegisterBytes
};

// One thread at a time.
class Numeric {
 public:
  // `edges` increase strictly; `low` and `high` are the range of the reference (-infinity and infinity:
  // none).
  Numeric(const std::vector<double>& edges, double low, double high, const Kernels* kernels);

  // One block of n values, at most kBlockRows; aligned and padded as kernels.h says.
  void add(const float* x, int64_t n);
  void add(const double* x, int64_t n);

  const NumericCounts& counts() const { return counts_; }
  void reset();

 private:
  template <typename T>
  struct Bounds {
    T low, high;
    std::vector<T> nodes;
  };

  template <typename T>
  void add_block(const T* x, int64_t n, const Loops<T>& loops, const Bounds<T>& bounds);

  const Kernels* kernels_;
  int depth_;
  // Comparing a float with a float of these gives what comparing it with the double would.
  Bounds<float> floats_;
  Bounds<double> doubles_;
  NumericCounts counts_;
};

}  // namespace penstock

#endif  // PENSTOCK_MONITOR_NUMERIC_H_
