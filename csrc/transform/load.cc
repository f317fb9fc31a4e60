// Columns into registers: kLoad, kLookup, and the lookups of text and numbers that are registers already.
#include <algorithm>
#include <cstring>

#include "transform/lookup.h"
#include "transform/processor.h"
#include "transform/step.h"

namespace penstock {
namespace {

bool bit_at(const uint8_t* bits, int64_t index) { return (bits[index >> 3] >> (index & 7)) & 1; }

// Up to 64 bits from `index` on; reads only the bytes that they lie in.
uint64_t bits_at(const uint8_t* bits, int64_t index, int64_t count) {
  uint64_t word = 0;
  if (count < 64) {
    for (int64_t i = 0; i < count; ++i) word |= static_cast<uint64_t>(bit_at(bits, index + i)) << i;
    return word;
  }
  const uint8_t* p = bits + (index >> 3);
  for (int i = 0; i < 8; ++i) word |= static_cast<uint64_t>(p[i]) << (8 * i);
  const int shift = static_cast<int>(index & 7);
  return shift == 0 ? word : word >> shift | static_cast<uint64_t>(p[8]) << (64 - shift);
}

template <typename T>
void blank(uint64_t missing, int64_t count, T* out) {
  if constexpr (std::is_arithmetic_v<T>) {
    if (count == 64) {
      for (uint64_t i = 0; i < 64; ++i) out[i] = missing >> i & 1 ? missing_value<T>() : out[i];
      return;
    }
  }
  for (; missing != 0; missing &= missing - 1) out[__builtin_ctzll(missing)] = missing_value<T>();
}

template <typename T>
void blank_invalid(const ColumnView& column, int64_t first, int64_t n, T* out) {
  if (column.validity == nullptr) return;
  for (int64_t i = 0; i < n; i += 64) {
    const int64_t count = n - i < 64 ? n - i : 64;
    const uint64_t all = count == 64 ? ~uint64_t{0} : (uint64_t{1} << count) - 1;
    const uint64_t missing = ~bits_at(column.validity, column.validity_offset + first + i, count) & all;
    if (missing != 0) blank(missing, count, out + i);
  }
}

// IEEE 754 binary16.
float half_to_float(uint16_t half) {
  const uint32_t sign = static_cast<uint32_t>(half & 0x8000) << 16;
  const uint32_t exponent = (half >> 10) & 31, fraction = half & 1023;
  uint32_t bits;
  if (exponent == 31) {
    bits = sign | 0x7f800000 | fraction << 13;
  } else if (exponent != 0) {
    bits = sign | (exponent + 112) << 23 | fraction << 13;
  } else {
    const float small = static_cast<float>(fraction) * 0x1p-24f;
    std::memcpy(&bits, &small, sizeof bits);
    bits |= sign;
  }
  float result;
  std::memcpy(&result, &bits, sizeof result);
  return result;
}

struct Half {
  uint16_t bits;
};
struct Boolean {
  uint8_t byte;
};

// A raw value in the type of a register. Raw integers have no missing but INT64_MIN, which is NaT.
template <typename T, typename Raw>
T from_raw(Raw raw) {
  if constexpr (std::is_same_v<Raw, Half>) {
    return convert<T>(half_to_float(raw.bits));
  } else if constexpr (std::is_same_v<Raw, Boolean>) {
    return static_cast<T>(raw.byte != 0);
  } else if constexpr (std::is_floating_point_v<Raw>) {
    return convert<T>(raw);
  } else if constexpr (std::is_same_v<Raw, uint64_t> && std::is_same_v<T, int64_t>) {
    return raw > static_cast<uint64_t>(std::numeric_limits<int64_t>::max()) ? missing_value<T>()
                                                                            : static_cast<T>(raw);
  } else {
    return static_cast<T>(raw);
  }
}

template <typename T, typename Raw>
void load_strided(const ColumnView& column, int64_t first, int64_t n, T* out) {
  const auto* p = static_cast<const std::byte*>(column.values) + first * column.stride;
  if (column.stride == sizeof(Raw)) {
    for (int64_t i = 0; i < n; ++i) {
      Raw raw;
      std::memcpy(&raw, p + i * static_cast<int64_t>(sizeof raw), sizeof raw);
      out[i] = from_raw<T>(raw);
    }
    return;
  }
  for (int64_t i = 0; i < n; ++i, p += column.stride) {
    Raw raw;
    std::memcpy(&raw, p, sizeof raw);
    out[i] = from_raw<T>(raw);
  }
}

template <typename T>
void load_numbers(const ColumnView& column, int64_t first, int64_t n, T* out);

// The positions in the dictionary, -1 where the value is missing.
void load_positions(const ColumnView& column, int64_t first, int64_t n, int64_t* positions) {
  ColumnView codes = column;
  codes.layout = column.codes;
  load_numbers<int64_t>(codes, first, n, positions);
  for (int64_t i = 0; i < n; ++i) {
    if (positions[i] < 0) positions[i] = -1;
  }
}

template <typename T>
void load_dictionary_numbers(const ColumnView& column, int64_t first, int64_t n, T* out) {
  int64_t positions[kBlockRows];
  load_positions(column, first, n, positions);
  for (int64_t i = 0; i < n; ++i) {
    out[i] = missing_value<T>();
    if (positions[i] >= 0) load_numbers<T>(*column.dictionary, positions[i], 1, out + i);
  }
}

template <typename T>
void load_numbers(const ColumnView& column, int64_t first, int64_t n, T* out) {
  switch (column.layout) {
    case Layout::kBits: {
      const auto* bits = static_cast<const uint8_t*>(column.values);
      for (int64_t i = 0; i < n; ++i) {
        out[i] = static_cast<T>(bit_at(bits, column.bit_offset + first + i));
      }
      break;
    }
    case Layout::kBool:
      load_strided<T, Boolean>(column, first, n, out);
      break;
    case Layout::kInt8:
      load_strided<T, int8_t>(column, first, n, out);
      break;
    case Layout::kInt16:
      load_strided<T, int16_t>(column, first, n, out);
      break;
    case Layout::kInt32:
      load_strided<T, int32_t>(column, first, n, out);
      break;
    case Layout::kInt64:
      load_strided<T, int64_t>(column, first, n, out);
      break;
    case Layout::kUint8:
      load_strided<T, uint8_t>(column, first, n, out);
      break;
    case Layout::kUint16:
      load_strided<T, uint16_t>(column, first, n, out);
      break;
    case Layout::kUint32:
      load_strided<T, uint32_t>(column, first, n, out);
      break;
    case Layout::kUint64:
      load_strided<T, uint64_t>(column, first, n, out);
      break;
    case Layout::kHalf:
      load_strided<T, Half>(column, first, n, out);
      break;
    case Layout::kFloat:
      load_strided<T, float>(column, first, n, out);
      break;
    case Layout::kDouble:
      load_strided<T, double>(column, first, n, out);
      break;
    case Layout::kDictionary:
      load_dictionary_numbers<T>(column, first, n, out);
      return;  // validity is seen to
    default:
      return;  // text: refused before a run
  }
  blank_invalid(column, first, n, out);
}

std::string_view text_of(const char* data, int64_t begin, int64_t end) {
  return {data == nullptr ? "" : data + begin, static_cast<size_t>(end - begin)};
}

template <typename Offset>
void load_offset_texts(const ColumnView& column, int64_t first, int64_t n, std::string_view* out) {
  const auto* data = static_cast<const char*>(column.values);
  const auto* offsets = static_cast<const Offset*>(column.offsets) + first;
  for (int64_t i = 0; i < n; ++i) out[i] = text_of(data, offsets[i], offsets[i + 1]);
}

void load_text_views(const ColumnView& column, int64_t first, int64_t n, std::string_view* out) {
  const auto* view = static_cast<const char*>(column.values) + 16 * first;
  for (int64_t i = 0; i < n; ++i, view += 16) {
    int32_t words[4];  // length, then the text itself or: prefix, buffer, offset
    std::memcpy(words, view, sizeof words);
    const char* text =
        words[0] <= 12 ? view + 4 : static_cast<const char*>(column.buffers[words[2]]) + words[3];
    out[i] = {text, static_cast<size_t>(words[0])};
  }
}

void load_texts(const ColumnView& column, int64_t first, int64_t n, std::string_view* out) {
  switch (column.layout) {
    case Layout::kText32:
      load_offset_texts<int32_t>(column, first, n, out);
      break;
    case Layout::kText64:
      load_offset_texts<int64_t>(column, first, n, out);
      break;
    case Layout::kTextView:
      // A view under a null may hold anything.
      for (int64_t i = 0; i < n; ++i) {
        out[i] = {};
        if (column.validity == nullptr || bit_at(column.validity, column.validity_offset + first + i)) {
          load_text_views(column, first + i, 1, out + i);
        }
      }
      return;
    case Layout::kTextRefs:
      std::memcpy(static_cast<void*>(out), static_cast<const std::string_view*>(column.values) + first,
                  static_cast<size_t>(n) * sizeof *out);
      break;
    case Layout::kDictionary: {
      int64_t positions[kBlockRows];
      load_positions(column, first, n, positions);
      for (int64_t i = 0; i < n; ++i) {
        out[i] = {};
        if (positions[i] >= 0) load_texts(*column.dictionary, positions[i], 1, out + i);
      }
      return;
    }
    default:
      return;  // numbers: refused before a run
  }
  blank_invalid(column, first, n, out);
}

// Where texts of a column may be read 16 bytes at a time.
Readable readable_of(const ColumnView& column) {
  const auto begin = reinterpret_cast<uintptr_t>(column.values);
  switch (column.layout) {
    case Layout::kText32:
      return {begin, static_cast<uintptr_t>(static_cast<const int32_t*>(column.offsets)[column.length])};
    case Layout::kText64:
      return {begin, static_cast<uintptr_t>(static_cast<const int64_t*>(column.offsets)[column.length])};
    case Layout::kTextView:
      return {begin, static_cast<uintptr_t>(16 * column.length)};
    default:
      return {};
  }
}

constexpr int64_t kLine = 64;

// Inlined by force: to a compiler a function that only prefetches does nothing, and so do calls of it.
__attribute__((always_inline)) inline void prefetch(const char* begin, int64_t bytes) {
  for (int64_t at = 0; at < bytes; at += kLine) __builtin_prefetch(begin + at);
}

template <typename Offset>
__attribute__((always_inline)) inline void prefetch_offset_texts(const ColumnView& column, int64_t first,
                                                                 int64_t n) {
  const auto* offsets = static_cast<const Offset*>(column.offsets) + first;
  // These offsets came with the call before this one.
  const auto bytes = std::min<int64_t>(offsets[n] - offsets[0], n * kLine);
  prefetch(static_cast<const char*>(column.values) + offsets[0], bytes);
  const int64_t more = std::min(n, column.length - first - n);
  prefetch(reinterpret_cast<const char*>(offsets + n), (more + 1) * static_cast<int64_t>(sizeof(Offset)));
}

template <typename T>
void load(const Step& step, Block* block) {
  T* out = block->at<T>(step.dst);
  const ColumnView& column = block->columns[step.integers[0]];
  if constexpr (std::is_same_v<T, std::string_view>) {
    load_texts(column, block->first, block->rows, out);
    if (step.lookup == nullptr) return;
    int32_t codes[kBlockRows];
    step.lookup->find_all(out, block->rows, readable_of(column), codes);
    for (int64_t i = 0; i < block->rows; ++i) {
      if (codes[i] != Lookup::kUnknown) out[i] = {};
    }
  } else {
    load_numbers<T>(column, block->first, block->rows, out);
  }
}

// Codes below kNoCode are what a lookup leaves to say: unknown, or refuse.
void settle(const Step& step, Block* block, int32_t* codes) {
  int32_t lowest = 0;
  for (int64_t i = 0; i < block->rows; ++i) lowest = codes[i] < lowest ? codes[i] : lowest;
  if (lowest >= kNoCode) return;
  uint64_t unknown = 0;
  for (int64_t i = 0; i < block->rows; ++i) {
    if (codes[i] >= kNoCode) continue;
    if (codes[i] == Lookup::kUnknown) {
      codes[i] = step.lookup->unknown();
      unknown += codes[i] != kRefuse;
    }
    if (codes[i] == kRefuse) {
      block->refuse(block->first + i, step.index);
      codes[i] = kNoCode;
    }
  }
  block->unknown[step.index] += unknown;
}

template <typename T>
void find(const Step& step, Block* block) {
  const T* in = block->at<T>(step.src[0]);
  int32_t* codes = block->at<int32_t>(step.dst);
  if constexpr (std::is_same_v<T, std::string_view>) {
    step.lookup->find_all(in, block->rows, {}, codes);
  } else {
    step.lookup->find_all(in, block->rows, codes);
  }
  settle(step, block, codes);
}

template <typename T>
void codes_of(const ColumnView& column, const Lookup& lookup, int64_t first, int64_t n, int32_t* codes) {
  alignas(T) std::byte memory[kBlockRows * sizeof(T)];  // left as it is: one row needs one value
  T* values = reinterpret_cast<T*>(memory);
  if constexpr (std::is_same_v<T, std::string_view>) {
    load_texts(column, first, n, values);
    lookup.find_all(values, n, readable_of(column), codes);
  } else {
    load_numbers<T>(column, first, n, values);
    lookup.find_all(values, n, codes);
  }
}

// Where every text of a block is short and 16 bytes of each may be read, texts need not be looked at singly.
template <typename Offset>
bool find_short(const ColumnView& column, const Lookup& lookup, int64_t first, int64_t n, int32_t* codes) {
  using Unsigned = std::make_unsigned_t<Offset>;
  const auto* offsets = static_cast<const Offset*>(column.offsets) + first;
  const auto bytes = static_cast<Unsigned>(static_cast<const Offset*>(column.offsets)[column.length]);
  if (column.values == nullptr || bytes < 16) return false;
  Unsigned largest = 0, longest = 0;
  for (int64_t i = 0; i < n; ++i) {
    const auto begin = static_cast<Unsigned>(offsets[i]);
    const auto length = static_cast<Unsigned>(offsets[i + 1]) - begin;
    largest = begin > largest ? begin : largest;
    longest = length > longest ? length : longest;
  }
  if (largest > bytes - 16 || longest > 16) return false;
  lookup.find_short(static_cast<const char*>(column.values), offsets, n, codes);
  return true;
}

void blank_codes(const ColumnView& column, int64_t first, int64_t n, int32_t missing, int32_t* codes) {
  if (column.validity == nullptr) return;
  for (int64_t i = 0; i < n; ++i) {
    if (!bit_at(column.validity, column.validity_offset + first + i)) codes[i] = missing;
  }
}

void lookup(const Step& step, Block* block) {
  const ColumnView& column = block->columns[step.integers[0]];
  int32_t* codes = block->at<int32_t>(step.dst);
  const std::vector<int32_t>& remap = block->remaps[step.index];
  if (!remap.empty()) {
    int64_t positions[kBlockRows];
    load_positions(column, block->first, block->rows, positions);
    const int32_t missing = step.lookup->missing();
    for (int64_t i = 0; i < block->rows; ++i) {
      codes[i] = positions[i] < 0 ? missing : remap[static_cast<size_t>(positions[i])];
    }
  } else if ((column.layout == Layout::kText32 &&
              find_short<int32_t>(column, *step.lookup, block->first, block->rows, codes)) ||
             (column.layout == Layout::kText64 &&
              find_short<int64_t>(column, *step.lookup, block->first, block->rows, codes))) {
    blank_codes(column, block->first, block->rows, step.lookup->missing(), codes);
  } else if (step.lookup->text()) {
    codes_of<std::string_view>(column, *step.lookup, block->first, block->rows, codes);
  } else {
    codes_of<double>(column, *step.lookup, block->first, block->rows, codes);
  }
  settle(step, block, codes);
}

}  // namespace

void prefetch_column(const ColumnView& column, int64_t first, int64_t n) {
  n = std::min(n, column.length - first);
  if (n <= 0) return;
  switch (column.layout == Layout::kDictionary ? column.codes : column.layout) {
    case Layout::kText32:
      return prefetch_offset_texts<int32_t>(column, first, n);
    case Layout::kText64:
      return prefetch_offset_texts<int64_t>(column, first, n);
    case Layout::kTextView:
      return prefetch(static_cast<const char*>(column.values) + 16 * first, 16 * n);
    case Layout::kTextRefs: {
      const auto* texts = static_cast<const std::string_view*>(column.values) + first;
      for (int64_t i = 0; i < n; ++i) __builtin_prefetch(texts[i].data());
      const int64_t more = std::min(n, column.length - first - n);
      return prefetch(reinterpret_cast<const char*>(texts + n), more * static_cast<int64_t>(sizeof *texts));
    }
    default: {
      // Strided values are the rows of a matrix, which the columns beside this one bring in.
      if (column.stride < 1 || column.stride > 8) return;
      return prefetch(static_cast<const char*>(column.values) + first * column.stride, n * column.stride);
    }
  }
}

bool holds_text(const ColumnView& column) {
  const ColumnView& values = column.layout == Layout::kDictionary ? *column.dictionary : column;
  return values.layout >= Layout::kText32 && values.layout <= Layout::kTextRefs;
}

void remap_dictionary(const ColumnView& dictionary, const Lookup& lookup, std::vector<int32_t>* codes) {
  codes->resize(static_cast<size_t>(dictionary.length));
  for (int64_t first = 0; first < dictionary.length; first += kBlockRows) {
    const int64_t n = std::min(kBlockRows, dictionary.length - first);
    if (lookup.text()) {
      codes_of<std::string_view>(dictionary, lookup, first, n, codes->data() + first);
    } else {
      codes_of<double>(dictionary, lookup, first, n, codes->data() + first);
    }
  }
}

Kernel load_kernel(Op op, Kind dst) {
  if (op == Op::kLookup) return dst == Kind::kCode ? vectorized<lookup>() : nullptr;
  switch (dst) {
    case Kind::kFloat:
      return vectorized<load<float>>();
    case Kind::kDouble:
      return vectorized<load<double>>();
    case Kind::kInt:
      return vectorized<load<int64_t>>();
    case Kind::kText:
      return load<std::string_view>;
    default:
      return nullptr;
  }
}

Kernel find_kernel(Op op, Kind src) {
  if (op == Op::kFindText) return src == Kind::kText ? find<std::string_view> : nullptr;
  if (src == Kind::kFloat) return find<float>;
  return src == Kind::kDouble ? find<double> : nullptr;
}

}  // namespace penstock
