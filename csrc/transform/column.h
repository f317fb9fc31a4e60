// Raw columns of a batch as they lie in somebody else's memory: Arrow, numpy, or a tensor of a request.
#ifndef PENSTOCK_TRANSFORM_COLUMN_H_
#define PENSTOCK_TRANSFORM_COLUMN_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace penstock {

enum class Layout : uint8_t {
  kBits,  // booleans, one bit each, least significant first
  kBool,  // booleans, one byte each
  kInt8,
  kInt16,
  kInt32,
  kInt64,
  kUint8,
  kUint16,
  kUint32,
  kUint64,
  kHalf,
  kFloat,
  kDouble,
  kText32,      // 32-bit offsets into bytes
  kText64,      // 64-bit offsets into bytes
  kTextView,    // Arrow's 16-byte views, with their data buffers
  kTextRefs,    // an array of std::string_view; a null data() is missing
  kDictionary,  // integer codes into another column
};

// `length` values; nothing is owned and nothing is copied. Whoever made the view keeps the memory alive and
// unchanged while a program runs over it.
struct ColumnView {
  Layout layout = Layout::kFloat;
  int64_t length = 0;

  // Numbers and codes: value 0, and the bytes from one value to the next (which may be negative or zero).
  // kBits: the bitmap, with `bit_offset` the bit of value 0. kText32, kText64: the bytes. kTextView: view 0.
  // kTextRefs: text 0.
  const void* values = nullptr;
  int64_t stride = 0;
  int64_t bit_offset = 0;

  // kText32, kText64: where value 0 begins; value i ends where value i + 1 begins.
  const void* offsets = nullptr;
  // kTextView: Arrow's variadic data buffers.
  const void* const* buffers = nullptr;

  // Arrow's validity bitmap, null where every value is there; `validity_offset` is the bit of value 0.
  const uint8_t* validity = nullptr;
  int64_t validity_offset = 0;

  // kDictionary: the layout of the codes (an integer one) and what they point into (numbers or text). A code
  // outside the dictionary is refused before a program sees it.
  Layout codes = Layout::kInt32;
  const ColumnView* dictionary = nullptr;
};

}  // namespace penstock

#endif  // PENSTOCK_TRANSFORM_COLUMN_H_
