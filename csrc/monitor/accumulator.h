// Everything that is counted of the columns of one model: batches in, counts out.
#ifndef PENSTOCK_MONITOR_ACCUMULATOR_H_
#define PENSTOCK_MONITOR_ACCUMULATOR_H_

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "monitor/categorical.h"
#include "monitor/numeric.h"
#include "transform/column.h"

namespace penstock {

// How one column is counted.
struct FeatureLayout {
  bool numeric = true;
  std::vector<double> edges;  // of numbers; increase strictly, at most 65,535
  double low = 0;             // of numbers: the range of the reference
  double high = 0;
  std::vector<std::string> categories;  // of texts
};

// What was counted, all columns at one moment. As many as layouts, one of the two in each.
struct FeatureCounts {
  NumericCounts numeric;
  CategoricalCounts categorical;
};

struct Counts {
  int64_t rows = 0;
  std::vector<FeatureCounts> features;
};

// Any thread may call anything; a mutex is held meanwhile, for as long as one batch takes.
class Accumulator {
 public:
  // Throws std::invalid_argument where categories repeat. `kernels` is not null.
  Accumulator(const std::vector<FeatureLayout>& layouts, const Kernels* kernels);
  ~Accumulator();

  // Chooses the edges of all columns of numbers from rows [0, rows), as edges.h says, in place of those of
  // the layouts, and counts those rows. The first thing that is counted. Returns the edges; none of texts.
  std::vector<std::vector<double>> fit(const ColumnView* columns, int64_t rows, int bins);

  // Counts rows [0, rows) of all columns: one view for each layout, numbers or texts as it says. Neighbours
  // in one row-major matrix of floats are read together. The numbers of little batches are copied and counted
  // with those that follow, many rows at once, at the latest when counts are read: a few columns with every
  // batch, so that none takes long.
  void update(const ColumnView* columns, int64_t rows);

  Counts counts();
  void reset();

  // Counts, then resets, without a batch in between.
  Counts take();

 private:
  struct Feature {
    std::unique_ptr<Numeric> numeric;
    std::unique_ptr<Categorical> categorical;
  };
  struct Blocks;
  // Numbers that wait, of one column or of neighbours in a matrix: rows one after the other.
  struct Waiting {
    size_t first;
    size_t count;
    Layout layout;
    size_t row_bytes;
    std::vector<char> rows;
  };

  Counts read() const;
  void clear();
  size_t neighbours(const ColumnView* columns, size_t first) const;
  bool wait(const ColumnView* columns, int64_t rows);
  void count_waiting();
  void begin_due();
  void count_due(int64_t values);
  void add_numbers(size_t first, size_t count, const ColumnView& column, int64_t rows);
  void add_floats(size_t first, size_t count, const ColumnView& column, int64_t rows);
  void add_doubles(Numeric* numeric, const ColumnView& column, int64_t rows);
  // A block of rows, padded: where they lie, or copied.
  const double* doubles_at(const ColumnView& column, int64_t row, int64_t n);
  void measure(Numeric* numeric, const ColumnView& column, int64_t rows);

  std::mutex mutex_;
  int64_t rows_ = 0;
  std::vector<Feature> features_;
  const Kernels* kernels_;
  std::unique_ptr<Blocks> blocks_;
  std::vector<Waiting> waiting_;
  int64_t waiting_rows_ = 0;
  // Many rows that waited: columns up to `due_column_` of those at `due_` are counted.
  std::vector<Waiting> due_numbers_;
  int64_t due_rows_ = 0;
  size_t due_ = 0;
  size_t due_column_ = 0;
  int64_t credit_ = 0;  // values that may be counted now
};

}  // namespace penstock

#endif  // PENSTOCK_MONITOR_ACCUMULATOR_H_
