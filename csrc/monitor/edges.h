// Where bins begin: chosen from values so that about as many lie in each, without sorting all of them.
//
// The rule is that of src/penstock/monitor/edges.py, and so are the edges, bit for bit.
#ifndef PENSTOCK_MONITOR_EDGES_H_
#define PENSTOCK_MONITOR_EDGES_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "monitor/kernels.h"

namespace penstock {

struct Edges {
  std::vector<double> edges;       // increase strictly; none is -0
  std::vector<int64_t> histogram;  // of the values that they were chosen from: NaN is in no bin
};

// Keeps its memory from column to column, about 15 bytes a value of the longest. One thread at a time.
class EdgeChooser {
 public:
  // `kernels` is not null.
  explicit EdgeChooser(const Kernels* kernels) : kernels_(kernels) {}

  // Chooses edges for at most `bins` bins from n values, at most 2^31, of which so many are finite. NaN and
  // infinities choose nothing.
  Edges choose(const double* x, int64_t n, int64_t finite, int bins);

 private:
  // A value at a place in the order of all, and how many are below it, and not above it.
  struct Quantile {
    double value;
    int64_t below;
    int64_t upto;
  };

  // Memory of one depth of the search.
  struct Level {
    std::vector<double> keys;       // of each value, where they are searched by those
    std::vector<uint16_t> cells;    // of each value
    std::vector<uint32_t> counts;   // of each cell
    std::vector<uint8_t> wanted;    // cells that hold a rank
    std::vector<uint32_t> indices;  // values in those
    std::vector<uint32_t> ends;     // of each wanted cell in `values`, while it is filled
    std::vector<double> values;     // of wanted cells, cell by cell
  };

  const double* only_finite(const double* x, int64_t n, int64_t* lowest, int64_t* highest);
  bool find_few(const double* x, int64_t n, int bins, Edges* found);
  void find_many(const double* x, int64_t n, int bins, Edges* found);

  // The values at `ranks`, which do not decrease, of x: n values, below which there are `base` others. By
  // keys: where differences of magnitude are too large for equal cells.
  void select(const double* x, int64_t n, int64_t base, const std::vector<int64_t>& ranks, size_t depth,
              bool by_keys, std::vector<Quantile>* found);
  void sort(const double* x, int64_t n, int64_t base, const std::vector<int64_t>& ranks,
            std::vector<Quantile>* found);
  Quantile pick(const double* x, int64_t n, int64_t base, int64_t rank) const;
  void part(const double* x, int64_t n, int64_t base, double middle, const std::vector<int64_t>& ranks,
            size_t depth, std::vector<Quantile>* found);
  void search(const double* x, const double* keys, int64_t n, int64_t base, const Grid& grid,
              const std::vector<int64_t>& ranks, size_t depth, std::vector<Quantile>* found);

  const Kernels* kernels_;
  std::vector<double> finite_, sample_, sorted_;
  std::vector<Level> levels_;
};

// By the best instructions that there are.
Edges choose_edges(const double* x, int64_t n, int bins);

}  // namespace penstock

#endif  // PENSTOCK_MONITOR_EDGES_H_
