#include "columns/values.h"

#include <cmath>
#include <cstring>
#include <limits>

namespace penstock {
namespace {

template <typename T>
T read(const void* base, int64_t offset_bytes = 0) {
  T value;
  std::memcpy(&value, static_cast<const char*>(base) + offset_bytes, sizeof(T));
  return value;
}

bool bit(const void* bits, int64_t index) {
  return static_cast<const uint8_t*>(bits)[index >> 3] >> (index & 7) & 1;
}

bool is_valid(const ColumnView& view, int64_t row) {
  return view.validity == nullptr || bit(view.validity, view.validity_offset + row);
}

double half_to_double(uint16_t half) {
  const int exponent = half >> 10 & 31;
  const int fraction = half & 1023;
  const double sign = half >> 15 ? -1.0 : 1.0;
  if (exponent == 31) {
    return fraction == 0 ? sign * std::numeric_limits<double>::infinity()
                         : std::numeric_limits<double>::quiet_NaN();
  }
  return sign * (exponent == 0 ? std::ldexp(fraction, -24) : std::ldexp(fraction + 1024, exponent - 25));
}

int64_t code_at(const ColumnView& view, int64_t row) {
  ColumnView codes = view;
  codes.layout = view.codes;
  return integer_at(codes, row);
}

template <typename T>
int64_t first_outside(const ColumnView& view, uint64_t count) {
  const char* at = static_cast<const char*>(view.values);
  // One pass without a branch finds whether there is one; which row matters only then. A negative code is a
  // large unsigned one.
  uint64_t largest = 0;
  if (view.validity == nullptr) {
    for (int64_t row = 0; row < view.length; ++row) {
      const auto code = static_cast<uint64_t>(static_cast<int64_t>(read<T>(at, row * view.stride)));
      largest = code > largest ? code : largest;
    }
    if (view.length == 0 || largest < count) return -1;
  }
  for (int64_t row = 0; row < view.length; ++row) {
    const auto code = static_cast<uint64_t>(static_cast<int64_t>(read<T>(at, row * view.stride)));
    if (code >= count && is_valid(view, row)) return row;
  }
  return -1;
}

}  // namespace

void view_missing(ColumnType type, int64_t length, Arena* arena, ColumnView* view) {
  *view = ColumnView();
  view->length = length;
  const size_t size_bytes = type == ColumnType::kString ? 4 * (length + 1) : length / 8 + 8;
  const void* zeros = arena->allocate_zeroed(size_bytes);
  view->validity = static_cast<const uint8_t*>(zeros);
  view->values = zeros;
  if (type == ColumnType::kString) {
    view->layout = Layout::kText32;
    view->offsets = zeros;
  } else {
    view->layout = Layout::kInt64;
  }
}

bool is_missing(const ColumnView& view, int64_t row) {
  if (!is_valid(view, row)) return true;
  switch (view.layout) {
    case Layout::kDictionary:
      return is_missing(*view.dictionary, code_at(view, row));
    case Layout::kTextRefs:
      return read<std::string_view>(view.values, row * view.stride).data() == nullptr;
    case Layout::kHalf:
    case Layout::kFloat:
    case Layout::kDouble:
      return std::isnan(number_at(view, row));
    default:
      return false;
  }
}

std::string_view text_at(const ColumnView& view, int64_t row) {
  const char* data = static_cast<const char*>(view.values);
  switch (view.layout) {
    case Layout::kText32: {
      const auto begin = read<int32_t>(view.offsets, row * 4);
      return {data + begin, static_cast<size_t>(read<int32_t>(view.offsets, row * 4 + 4) - begin)};
    }
    case Layout::kText64: {
      const auto begin = read<int64_t>(view.offsets, row * 8);
      return {data + begin, static_cast<size_t>(read<int64_t>(view.offsets, row * 8 + 8) - begin)};
    }
    case Layout::kTextView: {
      const char* at = data + row * 16;
      const auto size = read<int32_t>(at);
      if (size <= 12) return {at + 4, static_cast<size_t>(size)};
      const auto* buffer = static_cast<const char*>(view.buffers[read<int32_t>(at, 8)]);
      return {buffer + read<int32_t>(at, 12), static_cast<size_t>(size)};
    }
    case Layout::kTextRefs:
      return read<std::string_view>(data, row * view.stride);
    case Layout::kDictionary:
      return text_at(*view.dictionary, code_at(view, row));
    default:
      return {};
  }
}

double number_at(const ColumnView& view, int64_t row) {
  switch (view.layout) {
    case Layout::kHalf:
      return half_to_double(read<uint16_t>(view.values, row * view.stride));
    case Layout::kFloat:
      return read<float>(view.values, row * view.stride);
    case Layout::kDouble:
      return read<double>(view.values, row * view.stride);
    case Layout::kUint64:
      return static_cast<double>(read<uint64_t>(view.values, row * view.stride));
    case Layout::kDictionary:
      return number_at(*view.dictionary, code_at(view, row));
    default:
      return static_cast<double>(integer_at(view, row));
  }
}

int64_t integer_at(const ColumnView& view, int64_t row) {
  const void* data = view.values;
  const int64_t at = row * view.stride;
  switch (view.layout) {
    case Layout::kBits:
      return bit(data, view.bit_offset + row);
    case Layout::kBool:
      return read<uint8_t>(data, at) != 0;
    case Layout::kInt8:
      return read<int8_t>(data, at);
    case Layout::kInt16:
      return read<int16_t>(data, at);
    case Layout::kInt32:
      return read<int32_t>(data, at);
    case Layout::kInt64:
      return read<int64_t>(data, at);
    case Layout::kUint8:
      return read<uint8_t>(data, at);
    case Layout::kUint16:
      return read<uint16_t>(data, at);
    case Layout::kUint32:
      return read<uint32_t>(data, at);
    case Layout::kUint64:
      return static_cast<int64_t>(read<uint64_t>(data, at));
    case Layout::kDictionary:
      return integer_at(*view.dictionary, code_at(view, row));
    default:
      return 0;
  }
}

int64_t first_code_outside(const ColumnView& view, int64_t count) {
  const auto limit = static_cast<uint64_t>(count);
  switch (view.layout) {
    case Layout::kInt8:
      return first_outside<int8_t>(view, limit);
    case Layout::kInt16:
      return first_outside<int16_t>(view, limit);
    case Layout::kInt32:
      return first_outside<int32_t>(view, limit);
    case Layout::kInt64:
      return first_outside<int64_t>(view, limit);
    case Layout::kUint8:
      return first_outside<uint8_t>(view, limit);
    case Layout::kUint16:
      return first_outside<uint16_t>(view, limit);
    case Layout::kUint32:
      return first_outside<uint32_t>(view, limit);
    default:
      return first_outside<uint64_t>(view, limit);
  }
}

int64_t first_inexact(const ColumnView& view) {
  constexpr int64_t kExact = int64_t{1} << 53;
  const bool is_unsigned = (view.dictionary == nullptr ? view : *view.dictionary).layout == Layout::kUint64;
  for (int64_t row = 0; row < view.length; ++row) {
    if (is_missing(view, row)) continue;
    const int64_t value = integer_at(view, row);
    const bool small = is_unsigned ? static_cast<uint64_t>(value) <= static_cast<uint64_t>(kExact)
                                   : value >= -kExact && value <= kExact;
    if (!small) return row;
  }
  return -1;
}

int64_t scale_times(int64_t factor, Arena* arena, ColumnView* view) {
  constexpr int64_t kNotATime = std::numeric_limits<int64_t>::min();
  auto* scaled = static_cast<int64_t*>(arena->allocate(8 * (view->length + 1)));
  for (int64_t row = 0; row < view->length; ++row) {
    const int64_t value = is_missing(*view, row) ? kNotATime : integer_at(*view, row);
    if (value == kNotATime) {
      scaled[row] = kNotATime;
    } else if (__builtin_mul_overflow(value, factor, &scaled[row])) {
      return row;
    }
  }
  view->layout = Layout::kInt64;
  view->dictionary = nullptr;
  view->values = scaled;
  view->stride = 8;
  return -1;
}

int64_t view_prefixed(const void* data, int64_t size_bytes, int64_t length, Arena* arena, ColumnView* view) {
  *view = ColumnView();
  // Each text takes four bytes at least: a count that cannot be is refused before memory is taken for it.
  if (length < 0 || length > size_bytes / 4) length = size_bytes / 4;
  auto* texts = static_cast<std::string_view*>(arena->allocate(sizeof(std::string_view) * (length + 1)));
  const char* at = static_cast<const char*>(data);
  int64_t left = size_bytes;
  int64_t count = 0;
  for (; count < length && left >= 4; ++count) {
    const auto size = static_cast<int64_t>(read<uint32_t>(at));
    if (size > left - 4) return -1;
    texts[count] = {at + 4, static_cast<size_t>(size)};
    at += 4 + size;
    left -= 4 + size;
  }
  if (left != 0) return -1;
  view->layout = Layout::kTextRefs;
  view->length = count;
  view->values = texts;
  view->stride = sizeof(std::string_view);
  return count;
}

}  // namespace penstock
