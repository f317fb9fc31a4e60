#include "monitor/accumulator.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <utility>

#include "columns/values.h"
#include "monitor/edges.h"

namespace penstock {
namespace {

// Columns of a matrix that are read together: a line of cache.
constexpr size_t kTogether = kLanes;

// Batches of fewer rows are counted together, when there are many: then what is looked up, the bins of all
// columns, is brought into the nearest cache once for all of them.
constexpr int64_t kFewRows = 256;
constexpr int64_t kManyRows = kBlockRows;
// Columns of these that are counted without a pause.
constexpr size_t kDueTogether = 8;
constexpr int64_t kAllValues = std::numeric_limits<int64_t>::max();

// From one column of a block to the next: were it a power of two, their lines would meet in few sets of the
// cache.
constexpr int64_t kColumnStride = kBlockRows + 2 * kLanes;

constexpr float kNanFloat = std::numeric_limits<float>::quiet_NaN();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

int64_t padded(int64_t n) { return (n + kLanes - 1) / kLanes * kLanes; }

// Whether a column is the next one of the same row-major matrix of floats.
bool is_neighbour(const ColumnView& left, const ColumnView& right) {
  return right.layout == Layout::kFloat && right.validity == nullptr && right.stride == left.stride &&
         static_cast<const char*>(right.values) == static_cast<const char*>(left.values) + sizeof(float);
}

void read_floats(const ColumnView& column, int64_t first, int64_t n, float* out) {
  const char* at = static_cast<const char*>(column.values) + first * column.stride;
  for (int64_t i = 0; i < n; ++i, at += column.stride) std::memcpy(out + i, at, sizeof(float));
}

template <typename T>
void read_values(const ColumnView& column, int64_t first, int64_t n, double* out) {
  const char* at = static_cast<const char*>(column.values) + first * column.stride;
  if (column.stride == sizeof(T)) {
    // What compilers make of a stride that they do not know is no vector code.
    for (int64_t i = 0; i < n; ++i) {
      T value;
      std::memcpy(&value, at + i * static_cast<int64_t>(sizeof(T)), sizeof value);
      out[i] = static_cast<double>(value);
    }
    return;
  }
  for (int64_t i = 0; i < n; ++i, at += column.stride) {
    T value;
    std::memcpy(&value, at, sizeof value);
    out[i] = static_cast<double>(value);
  }
}

// Of one number, in bytes; 0 where numbers do not lie one by one.
size_t size_of(Layout layout) {
  switch (layout) {
    case Layout::kBool:
    case Layout::kInt8:
    case Layout::kUint8:
      return 1;
    case Layout::kInt16:
    case Layout::kUint16:
    case Layout::kHalf:
      return 2;
    case Layout::kInt32:
    case Layout::kUint32:
    case Layout::kFloat:
      return 4;
    case Layout::kInt64:
    case Layout::kUint64:
    case Layout::kDouble:
      return 8;
    default:
      return 0;
  }
}

using Reader = void (*)(const ColumnView& column, int64_t first, int64_t n, double* out);

// Null where values are better read one by one: bits, halves, codes.
Reader reader_of(Layout layout) {
  switch (layout) {
    case Layout::kInt8:
      return read_values<int8_t>;
    case Layout::kInt16:
      return read_values<int16_t>;
    case Layout::kInt32:
      return read_values<int32_t>;
    case Layout::kInt64:
      return read_values<int64_t>;
    case Layout::kUint8:
      return read_values<uint8_t>;
    case Layout::kUint16:
      return read_values<uint16_t>;
    case Layout::kUint32:
      return read_values<uint32_t>;
    case Layout::kUint64:
      return read_values<uint64_t>;
    case Layout::kFloat:
      return read_values<float>;
    case Layout::kDouble:
      return read_values<double>;
    default:
      return nullptr;
  }
}

// Whether values lie as an array of doubles does, none missing but NaN.
bool is_array(const ColumnView& column) {
  return column.layout == Layout::kDouble && column.validity == nullptr && column.stride == sizeof(double) &&
         reinterpret_cast<uintptr_t>(column.values) % alignof(double) == 0;
}

// n numbers from row `first` on; missing is NaN.
void read_numbers(const ColumnView& column, int64_t first, int64_t n, double* out) {
  const Reader read = reader_of(column.layout);
  if (read == nullptr) {
    for (int64_t i = 0; i < n; ++i) {
      out[i] = is_missing(column, first + i) ? kNan : number_at(column, first + i);
    }
    return;
  }
  read(column, first, n, out);
  if (column.validity == nullptr) return;
  for (int64_t i = 0; i < n; ++i) {
    const int64_t bit = column.validity_offset + first + i;
    if ((column.validity[bit >> 3] >> (bit & 7) & 1) == 0) out[i] = kNan;
  }
}

}  // namespace

struct Accumulator::Blocks {
  alignas(64) float floats[kTogether * kColumnStride];
  alignas(64) double doubles[kBlockRows];
};

Accumulator::Accumulator(const std::vector<FeatureLayout>& layouts, const Kernels* kernels)
    : kernels_(kernels), blocks_(new Blocks) {
  for (const FeatureLayout& layout : layouts) {
    Feature feature;
    if (layout.numeric) {
      feature.numeric.reset(new Numeric(layout.edges, layout.low, layout.high, kernels));
    } else {
      feature.categorical.reset(new Categorical(layout.categories));
    }
    features_.push_back(std::move(feature));
  }
}

Accumulator::~Accumulator() = default;

void Accumulator::update(const ColumnView* columns, int64_t rows) {
  const std::lock_guard<std::mutex> lock(mutex_);
  rows_ += rows;
  const bool waits = rows < kFewRows && wait(columns, rows);
  for (size_t i = 0; i < features_.size();) {
    if (features_[i].numeric == nullptr) {
      features_[i].categorical->add(columns[i], rows);
      ++i;
    } else {
      const size_t count = neighbours(columns, i);
      if (!waits) add_numbers(i, count, columns[i], rows);
      i += count;
    }
  }
  if (!waits) return;
  count_due(rows * static_cast<int64_t>(features_.size()));
  if (waiting_rows_ >= kManyRows) begin_due();
}

size_t Accumulator::neighbours(const ColumnView* columns, size_t first) const {
  if (columns[first].layout != Layout::kFloat || columns[first].validity != nullptr) return 1;
  size_t count = 1;
  while (first + count < features_.size() && features_[first + count].numeric != nullptr &&
         is_neighbour(columns[first + count - 1], columns[first + count])) {
    ++count;
  }
  return count;
}

// Copies the numbers of a batch to those that wait; false, and nothing copied, where they are not plain ones.
bool Accumulator::wait(const ColumnView* columns, int64_t rows) {
  size_t group = 0;
  for (size_t i = 0; i < features_.size();) {
    if (features_[i].numeric == nullptr) {
      ++i;
      continue;
    }
    const size_t value_bytes = size_of(columns[i].layout);
    if (value_bytes == 0 || columns[i].validity != nullptr) return false;
    const size_t count = neighbours(columns, i);
    const bool same = group < waiting_.size() && waiting_[group].first == i &&
                      waiting_[group].count == count && waiting_[group].layout == columns[i].layout;
    if (!same) {
      count_waiting();
      waiting_.resize(group);
      waiting_.push_back({i, count, columns[i].layout, count * value_bytes, {}});
    }
    ++group;
    i += count;
  }
  if (group < waiting_.size()) {
    count_waiting();
    waiting_.resize(group);
  }
  for (Waiting& numbers : waiting_) {
    const ColumnView& column = columns[numbers.first];
    const char* from = static_cast<const char*>(column.values);
    if (column.stride == static_cast<int64_t>(numbers.row_bytes)) {
      numbers.rows.insert(numbers.rows.end(), from, from + static_cast<size_t>(rows) * numbers.row_bytes);
      continue;
    }
    for (int64_t row = 0; row < rows; ++row, from += column.stride) {
      numbers.rows.insert(numbers.rows.end(), from, from + numbers.row_bytes);
    }
  }
  waiting_rows_ += rows;
  return true;
}

void Accumulator::count_waiting() {
  begin_due();
  count_due(kAllValues);
}

// What waits is counted from here on; what was due before is counted now.
void Accumulator::begin_due() {
  count_due(kAllValues);
  due_numbers_.swap(waiting_);
  due_rows_ = std::exchange(waiting_rows_, 0);
  due_ = due_column_ = 0;
  credit_ = 0;
  // Most likely the next batches are like these.
  waiting_.resize(due_numbers_.size());
  for (size_t i = 0; i < waiting_.size(); ++i) {
    const Waiting& like = due_numbers_[i];
    waiting_[i].first = like.first;
    waiting_[i].count = like.count;
    waiting_[i].layout = like.layout;
    waiting_[i].row_bytes = like.row_bytes;
    waiting_[i].rows.clear();
  }
}

// Counts at most so many more values of what is due, and those that earlier calls left.
void Accumulator::count_due(int64_t values) {
  if (due_rows_ == 0) return;
  credit_ = values == kAllValues ? kAllValues : credit_ + values;
  while (due_ < due_numbers_.size()) {
    const Waiting& numbers = due_numbers_[due_];
    const size_t count = std::min(kDueTogether, numbers.count - due_column_);
    const int64_t cost = static_cast<int64_t>(count) * due_rows_;
    if (credit_ < cost) return;
    if (credit_ != kAllValues) credit_ -= cost;
    ColumnView column;
    column.layout = numbers.layout;
    column.length = due_rows_;
    column.values = numbers.rows.data() + due_column_ * (numbers.row_bytes / numbers.count);
    column.stride = static_cast<int64_t>(numbers.row_bytes);
    add_numbers(numbers.first + due_column_, count, column, due_rows_);
    due_column_ += count;
    if (due_column_ < numbers.count) continue;
    due_column_ = 0;
    ++due_;
  }
  due_rows_ = 0;
}

// `column` is the first of them.
void Accumulator::add_numbers(size_t first, size_t count, const ColumnView& column, int64_t rows) {
  if (column.layout != Layout::kFloat || column.validity != nullptr) {
    add_doubles(features_[first].numeric.get(), column, rows);
    return;
  }
  ColumnView part = column;
  for (size_t i = 0; i < count; i += kTogether) {
    part.values = static_cast<const char*>(column.values) + i * sizeof(float);
    add_floats(first + i, std::min(kTogether, count - i), part, rows);
  }
}

std::vector<std::vector<double>> Accumulator::fit(const ColumnView* columns, int64_t rows, int bins) {
  const std::lock_guard<std::mutex> lock(mutex_);
  rows_ += rows;
  EdgeChooser chooser(kernels_);
  std::vector<double> values;
  std::vector<std::vector<double>> found(features_.size());
  for (size_t i = 0; i < features_.size(); ++i) {
    const ColumnView& column = columns[i];
    Numeric* numeric = features_[i].numeric.get();
    if (numeric == nullptr) {
      features_[i].categorical->add(column, rows);
      continue;
    }
    const auto* at = static_cast<const double*>(column.values);
    if (!is_array(column)) {
      values.resize(static_cast<size_t>(rows));
      read_numbers(column, 0, rows, values.data());
      at = values.data();
    }
    measure(numeric, column, rows);
    Edges edges = chooser.choose(at, rows, numeric->counts().finite, bins);
    numeric->set_bins(edges.edges, std::move(edges.histogram));
    found[i] = std::move(edges.edges);
  }
  return found;
}

void Accumulator::measure(Numeric* numeric, const ColumnView& column, int64_t rows) {
  const bool floats = column.layout == Layout::kFloat && column.validity == nullptr;
  for (int64_t row = 0; row < rows; row += kBlockRows) {
    const int64_t n = std::min(kBlockRows, rows - row);
    if (floats) {
      read_floats(column, row, n, blocks_->floats);
      std::fill(blocks_->floats + n, blocks_->floats + padded(n), kNanFloat);
      numeric->measure(blocks_->floats, n);
    } else {
      numeric->measure(doubles_at(column, row, n), n);
    }
  }
}

const double* Accumulator::doubles_at(const ColumnView& column, int64_t row, int64_t n) {
  if (n == padded(n) && is_array(column)) return static_cast<const double*>(column.values) + row;
  double* block = blocks_->doubles;
  read_numbers(column, row, n, block);
  std::fill(block + n, block + padded(n), kNan);
  return block;
}

void Accumulator::add_floats(size_t first, size_t count, const ColumnView& column, int64_t rows) {
  float* block = blocks_->floats;
  const int64_t stride = column.stride;
  for (int64_t row = 0; row < rows; row += kBlockRows) {
    const int64_t n = std::min(kBlockRows, rows - row);
    const char* at = static_cast<const char*>(column.values) + row * stride;
    if (count == 1 && stride == sizeof(float)) {
      std::memcpy(block, at, static_cast<size_t>(n) * sizeof(float));
      std::fill(block + n, block + padded(n), kNanFloat);
    } else {
      kernels_->split(at, stride, n, static_cast<int64_t>(count), block, kColumnStride);
    }
    for (size_t j = 0; j < count; ++j) features_[first + j].numeric->add(block + j * kColumnStride, n);
  }
}

void Accumulator::add_doubles(Numeric* numeric, const ColumnView& column, int64_t rows) {
  numeric->begin(rows);
  for (int64_t row = 0; row < rows; row += kBlockRows) {
    const int64_t n = std::min(kBlockRows, rows - row);
    numeric->add(doubles_at(column, row, n), n);
  }
  numeric->end();
}

Counts Accumulator::read() const {
  Counts found;
  found.rows = rows_;
  found.features.resize(features_.size());
  for (size_t i = 0; i < features_.size(); ++i) {
    if (features_[i].numeric != nullptr) {
      found.features[i].numeric = features_[i].numeric->counts();
    } else {
      found.features[i].categorical = features_[i].categorical->counts();
    }
  }
  return found;
}

void Accumulator::clear() {
  rows_ = 0;
  waiting_rows_ = due_rows_ = 0;
  for (Waiting& numbers : waiting_) numbers.rows.clear();
  for (Feature& feature : features_) {
    if (feature.numeric != nullptr) {
      feature.numeric->reset();
    } else {
      feature.categorical->reset();
    }
  }
}

Counts Accumulator::counts() {
  const std::lock_guard<std::mutex> lock(mutex_);
  count_waiting();
  return read();
}

void Accumulator::reset() {
  const std::lock_guard<std::mutex> lock(mutex_);
  clear();
}

Counts Accumulator::take() {
  const std::lock_guard<std::mutex> lock(mutex_);
  count_waiting();
  Counts found = read();
  clear();
  return found;
}

}  // namespace penstock
