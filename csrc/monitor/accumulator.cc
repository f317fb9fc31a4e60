#include "monitor/accumulator.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "columns/values.h"

namespace penstock {
namespace {

// Columns of a matrix that are read together: a line of cache.
constexpr size_t kTogether = kLanes;

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

template <typename T>
void read_values(const ColumnView& column, int64_t first, int64_t n, double* out) {
  const char* at = static_cast<const char*>(column.values) + first * column.stride;
  for (int64_t i = 0; i < n; ++i, at += column.stride) {
    T value;
    std::memcpy(&value, at, sizeof value);
    out[i] = static_cast<double>(value);
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
  for (size_t i = 0; i < features_.size();) {
    const ColumnView& column = columns[i];
    if (features_[i].numeric == nullptr) {
      features_[i++].categorical->add(column, rows);
    } else if (column.layout == Layout::kFloat && column.validity == nullptr) {
      size_t count = 1;
      while (count < kTogether && i + count < features_.size() && features_[i + count].numeric != nullptr &&
             is_neighbour(columns[i + count - 1], columns[i + count])) {
        ++count;
      }
      add_floats(i, count, columns, rows);
      i += count;
    } else {
      add_doubles(features_[i++].numeric.get(), column, rows);
    }
  }
}

void Accumulator::add_floats(size_t first, size_t count, const ColumnView* columns, int64_t rows) {
  float* block = blocks_->floats;
  const int64_t stride = columns[first].stride;
  for (int64_t row = 0; row < rows; row += kBlockRows) {
    const int64_t n = std::min(kBlockRows, rows - row);
    const char* at = static_cast<const char*>(columns[first].values) + row * stride;
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
  double* block = blocks_->doubles;
  for (int64_t row = 0; row < rows; row += kBlockRows) {
    const int64_t n = std::min(kBlockRows, rows - row);
    const int64_t whole = padded(n);
    read_numbers(column, row, n, block);
    std::fill(block + n, block + whole, kNan);
    numeric->add(block, n);
  }
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
  for (Feature& feature : features_) {
    if (feature.numeric != nullptr) {
      feature.numeric->reset();
    } else {
      feature.categorical->reset();
    }
  }
}

Counts Accumulator::counts() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return read();
}

void Accumulator::reset() {
  const std::lock_guard<std::mutex> lock(mutex_);
  clear();
}

Counts Accumulator::take() {
  const std::lock_guard<std::mutex> lock(mutex_);
  Counts found = read();
  clear();
  return found;
}

}  // namespace penstock
