// The loops over values of the accumulators, compiled for several instruction sets; chosen once, at run time.
//
// All of them take blocks of n values, wherever those lie, with NaN after the last one up to a multiple of
// kLanes. Bins are written for those too. Every instruction set gives the same bits: lane i of kLanes sums
// values i, i + kLanes, ... and the lanes are summed in one order; no multiplication is fused with an
// addition.
#ifndef PENSTOCK_MONITOR_KERNELS_H_
#define PENSTOCK_MONITOR_KERNELS_H_

#include <cstdint>

namespace penstock {

constexpr int64_t kLanes = 16;

// The values of one block that are not NaN.
struct Measured {
  int64_t present = 0;
  int64_t finite = 0;
  int64_t below = 0;  // < low
  int64_t above = 0;  // > high
  // Of the finite ones. `squares` is the sum of squared differences from the mean; it may overflow to
  // infinity, the mean never does. The extremes are +-infinity where there are none; neither is ever -0.
  double mean = 0;
  double squares = 0;
  double minimum = 0;
  double maximum = 0;
};

// Edges as a binary search tree, level by level: 2^l nodes at level l, in order; NaN where there is none.
// At least kLeastDepth levels.
constexpr int kLeastDepth = 5;
template <typename T>
struct Tree {
  const T* nodes = nullptr;
  int depth = 0;
};

// Equal cells over a range; what is outside is in the first or the last. Of two numbers the larger is never
// in the lower cell, whatever roundings do.
constexpr int kMostCells = 4096;
struct Grid {
  double low = 0;
  double per_unit = 0;  // cells
  double last = 0;      // cell; a whole number, below kMostCells
};

template <typename T>
struct Loops {
  void (*measure)(const T* x, int64_t n, T low, T high, Measured* result);
  // bins[i] = how many edges are <= x[i]; 0 for NaN.
  void (*bin)(const T* x, int64_t n, Tree<T> tree, uint16_t* bins);
  // The cell of each value; 0 for NaN. x needs no NaN behind it.
  void (*locate)(const T* x, int64_t n, Grid grid, uint16_t* cells);
  // How many of x are below a value, and how many are not above it. n is below 2^31, and x needs no NaN
  // behind it.
  void (*rank)(const T* x, int64_t n, T value, int64_t* below, int64_t* upto);
  // Notes every value but NaN in the registers: see distinct.h. -0 is 0.
  void (*note)(const T* x, int64_t n, uint8_t* registers);
};

struct Kernels {
  const char* name;
  // Takes apart `count` neighbouring columns, at most kLanes, of n rows of floats, `stride` bytes from one
  // row to the next: into columns, `column_stride` floats apart, filled up with NaN to a multiple of kLanes.
  void (*split)(const char* rows, int64_t stride, int64_t n, int64_t count, float* columns,
                int64_t column_stride);
  Loops<float> floats;
  Loops<double> doubles;
  // Whether floats.locate, and one comparison, take less than floats.bin.
  bool floats_by_cell;
};

// By name: "avx512", "avx2" or "none"; null is the best. Null where this processor has no such thing.
const Kernels* find_kernels(const char* name);

}  // namespace penstock

#endif  // PENSTOCK_MONITOR_KERNELS_H_
