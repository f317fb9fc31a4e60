// What is counted of one column of numbers.
#ifndef PENSTOCK_MONITOR_NUMERIC_H_
#define PENSTOCK_MONITOR_NUMERIC_H_

#include <cstdint>
#include <limits>
#include <vector>

#include "monitor/distinct.h"
#include "monitor/kernels.h"

namespace penstock {

// Rows of a block: what the accumulators work on at once, and what the moments are merged by.
constexpr int64_t kBlockRows = 1024;

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

  // Says that so many rows follow, as doubles: with many of them bins are found by a grid, once end() is
  // called.
  void begin(int64_t rows);
  void end();

  // One block of n values, at most kBlockRows; padded as kernels.h says.
  void add(const float* x, int64_t n);
  void add(const double* x, int64_t n);

  // As add, but for the histogram, which set_bins brings with the edges. Returns how many are NaN.
  int64_t measure(const float* x, int64_t n);
  int64_t measure(const double* x, int64_t n);
  void set_bins(const std::vector<double>& edges, std::vector<int64_t> histogram);

  const NumericCounts& counts() const { return counts_; }
  void reset();

 private:
  // Finds bins: at most one edge is in a cell of the grid, so that one comparison tells the bin. Empty where
  // no grid is fine enough.
  template <typename T>
  struct Cells {
    Grid grid;
    struct Cell {
      T edge = std::numeric_limits<T>::quiet_NaN();  // NaN where it has none
      uint32_t bin = 0;                              // of values below its edge
    };
    std::vector<Cell> cells;

    bool empty() const { return cells.empty(); }
  };

  template <typename T>
  struct Bounds {
    T low, high;
    std::vector<T> nodes;
  };

  template <typename T>
  int64_t measure_block(const T* x, int64_t n, const Loops<T>& loops, const Bounds<T>& bounds);
  template <typename T>
  void count_bins(const T* x, int64_t n, const Loops<T>& loops, const Bounds<T>& bounds);
  void count_floats(const float* x, int64_t n);
  void count_cells(const double* x, int64_t n);
  template <typename T>
  Cells<T> make_cells(size_t most, const Loops<T>& loops) const;
  bool make_lookup();
  void merge(const Measured& block);

  const Kernels* kernels_;
  std::vector<double> edges_;
  int depth_;
  bool by_lookup_ = false;
  bool no_lookup_ = false;  // it was tried
  Cells<double> lookup_;
  std::vector<int64_t> lookup_counts_;  // of each cell: of values below its edge, and of the others
  Cells<float> cells_;
  // Comparing a float with a float of these gives what comparing it with the double would.
  Bounds<float> floats_;
  Bounds<double> doubles_;
  NumericCounts counts_;
};

}  // namespace penstock

#endif  // PENSTOCK_MONITOR_NUMERIC_H_
