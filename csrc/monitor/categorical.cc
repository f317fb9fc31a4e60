#include "monitor/categorical.h"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <utility>

#include "columns/values.h"
#include "monitor/distinct.h"
#include "transform/hash.h"

namespace penstock {
namespace {

Table make_table(std::vector<std::string> categories) {
  Table table;
  table.codes.resize(categories.size());
  std::iota(table.codes.begin(), table.codes.end(), 0);
  table.texts = std::move(categories);
  return table;
}

bool is_valid(const ColumnView& column, int64_t row) {
  const int64_t bit = column.validity_offset + row;
  return column.validity == nullptr || (column.validity[bit >> 3] >> (bit & 7) & 1) != 0;
}

// Texts are looked up so many at a time.
constexpr int64_t kTexts = 256;

// Rows [first, first + n) of a column of offsets into bytes.
template <typename Offset>
void read_offsets(const ColumnView& column, int64_t first, int64_t n, std::string_view* texts) {
  const char* data = column.values == nullptr ? "" : static_cast<const char*>(column.values);
  const char* offsets = static_cast<const char*>(column.offsets);
  for (int64_t row = first; row < first + n; ++row) {
    Offset ends[2];
    std::memcpy(ends, offsets + row * static_cast<int64_t>(sizeof(Offset)), sizeof ends);
    texts[row - first] = std::string_view(data + ends[0], static_cast<size_t>(ends[1] - ends[0]));
  }
}

// The same of any column of text; a null data() is missing, and only that.
void read_texts(const ColumnView& column, int64_t first, int64_t n, std::string_view* texts) {
  if (column.layout == Layout::kText32) {
    read_offsets<int32_t>(column, first, n, texts);
  } else if (column.layout == Layout::kText64) {
    read_offsets<int64_t>(column, first, n, texts);
  } else {
    for (int64_t i = 0; i < n; ++i) {
      texts[i] = is_missing(column, first + i) ? std::string_view() : text_at(column, first + i);
      if (texts[i].data() == nullptr && !is_missing(column, first + i)) texts[i] = "";
    }
    return;
  }
  if (column.validity == nullptr) return;
  for (int64_t i = 0; i < n; ++i) {
    if (!is_valid(column, first + i)) texts[i] = std::string_view();
  }
}

// Adds one to the count of each code; returns how many are missing.
template <typename Code>
int64_t count_codes(const ColumnView& column, int64_t rows, int64_t* counts) {
  const char* at = static_cast<const char*>(column.values);
  int64_t missing = 0;
  for (int64_t row = 0; row < rows; ++row, at += column.stride) {
    if (!is_valid(column, row)) {
      ++missing;
      continue;
    }
    Code code;
    std::memcpy(&code, at, sizeof code);
    ++counts[code];
  }
  return missing;
}

int64_t count_codes(const ColumnView& column, int64_t rows, int64_t* counts) {
  switch (column.codes) {
    case Layout::kInt8:
      return count_codes<int8_t>(column, rows, counts);
    case Layout::kUint8:
      return count_codes<uint8_t>(column, rows, counts);
    case Layout::kInt16:
      return count_codes<int16_t>(column, rows, counts);
    case Layout::kUint16:
      return count_codes<uint16_t>(column, rows, counts);
    case Layout::kInt32:
      return count_codes<int32_t>(column, rows, counts);
    case Layout::kUint32:
      return count_codes<uint32_t>(column, rows, counts);
    default:
      return count_codes<int64_t>(column, rows, counts);
  }
}

}  // namespace

Categorical::Categorical(std::vector<std::string> categories) : lookup_(make_table(categories)) {
  counts_.counts.resize(categories.size());
  counts_.registers.resize(kRegisterBytes);
}

void Categorical::reset() {
  counts_.missing = 0;
  counts_.unseen = 0;
  counts_.top = Frequent();
  std::fill(counts_.counts.begin(), counts_.counts.end(), 0);
  std::fill(counts_.registers.begin(), counts_.registers.end(), 0);
}

void Categorical::add_texts(const std::string_view* texts, int64_t n, const int64_t* weights) {
  int32_t codes[kTexts];
  lookup_.find_all(texts, n, Readable(), codes);
  for (int64_t i = 0; i < n; ++i) {
    const int64_t count = weights == nullptr ? 1 : weights[i];
    if (texts[i].data() == nullptr) {
      counts_.missing += count;
    } else if (codes[i] >= 0) {
      counts_.counts[static_cast<size_t>(codes[i])] += count;
    } else {
      const uint64_t hash = xxh64(texts[i].data(), texts[i].size(), 0);
      counts_.unseen += count;
      counts_.top.add(texts[i], hash, count);
      note_hash(hash, counts_.registers.data());
    }
  }
}

void Categorical::add_dictionary(const ColumnView& column, int64_t rows) {
  of_code_.assign(static_cast<size_t>(column.dictionary->length), 0);
  counts_.missing += count_codes(column, rows, of_code_.data());
  std::string_view texts[kTexts];
  int64_t weights[kTexts];
  int64_t n = 0;
  for (int64_t code = 0; code < column.dictionary->length; ++code) {
    if (of_code_[static_cast<size_t>(code)] == 0) continue;
    read_texts(*column.dictionary, code, 1, texts + n);
    weights[n] = of_code_[static_cast<size_t>(code)];
    if (++n == kTexts) {
      add_texts(texts, n, weights);
      n = 0;
    }
  }
  add_texts(texts, n, weights);
}

void Categorical::add(const ColumnView& column, int64_t rows) {
  // A dictionary much longer than the batch is not worth going through.
  if (column.layout == Layout::kDictionary && column.dictionary->length <= 4 * rows + 64) {
    add_dictionary(column, rows);
    return;
  }
  std::string_view texts[kTexts];
  for (int64_t row = 0; row < rows; row += kTexts) {
    const int64_t n = std::min(kTexts, rows - row);
    read_texts(column, row, n, texts);
    add_texts(texts, n, nullptr);
  }
}

}  // namespace penstock
