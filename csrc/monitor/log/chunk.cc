#include "monitor/log/chunk.h"

#include <algorithm>
#include <charconv>
#include <cstring>

#include "monitor/log/texts.h"

namespace penstock {
namespace {

constexpr uint32_t kMissing = 0xFFFFFFFF;
constexpr size_t kPrefix = sizeof(uint32_t);

uint32_t length_at(const char* data) {
  uint32_t length;
  std::memcpy(&length, data, sizeof(length));
  return length;
}

void append_prefixed(std::string_view text, std::string* out) {
  text = text.data() == nullptr ? text : cut(text, kLongestText);
  const uint32_t length = text.data() == nullptr ? kMissing : static_cast<uint32_t>(text.size());
  out->append(reinterpret_cast<const char*>(&length), sizeof(length));
  out->append(text);
}

// Steps over prefixed texts; null once they are not well formed.
class Reader {
 public:
  Reader(const char* data, size_t size_bytes) : next_(data), end_(data + size_bytes) {}

  std::string_view next() {
    if (static_cast<size_t>(end_ - next_) < kPrefix) return stop();
    const uint32_t length = length_at(next_);
    next_ += kPrefix;
    if (length == kMissing) return {};
    if (length > static_cast<size_t>(end_ - next_)) return stop();
    const std::string_view text(next_, length);
    next_ += length;
    return text;
  }

 private:
  std::string_view stop() {
    next_ = end_;
    return {};
  }

  const char* next_;
  const char* const end_;
};

class TextsBuilder {
 public:
  explicit TextsBuilder(int64_t rows) : rows_(rows) {
    texts_.offsets.reserve(static_cast<size_t>(rows) + 1);
    texts_.offsets.push_back(0);
  }

  std::string* data() { return &texts_.data; }

  void end() { texts_.offsets.push_back(static_cast<int32_t>(texts_.data.size())); }

  void missing() {
    if (texts_.validity.empty()) texts_.validity.assign(static_cast<size_t>(rows_ + 7) / 8, 0xFF);
    const size_t row = texts_.offsets.size() - 1;
    texts_.validity[row / 8] &= static_cast<uint8_t>(~(1u << (row % 8)));
    ++texts_.missing;
    end();
  }

  Texts take() { return std::move(texts_); }

 private:
  const int64_t rows_;
  Texts texts_;
};

template <int kWidth>
void copy_strided(const char* data, int64_t stride, int64_t rows, char* out) {
  for (int64_t row = 0; row < rows; ++row) std::memcpy(out + row * kWidth, data + row * stride, kWidth);
}

}  // namespace

Chunk::Chunk(const std::vector<int64_t>& widths) : id_offsets_{0} {
  for (const int64_t width : widths) columns_.push_back({width, {}, {}});
}

size_t Chunk::size_bytes() const {
  size_t bytes = entries_.size() * sizeof(Entry) + id_offsets_.size() * sizeof(int32_t) + id_data_.size();
  for (const Column& column : columns_) bytes += column.bytes.size() + column.blocks.size() * sizeof(Block);
  return bytes;
}

void Chunk::begin() {
  runs_.clear();
  chosen_rows_ = 0;
}

void Chunk::choose(const Entry& entry, std::string_view id, int64_t row) {
  entries_.push_back(entry);
  id_data_.append(id);
  id_offsets_.push_back(static_cast<int32_t>(id_data_.size()));
  chosen_rows_ += entry.rows;
  if (!runs_.empty() && runs_.back().row + runs_.back().rows == row) {
    runs_.back().rows += entry.rows;
  } else {
    runs_.push_back({row, entry.rows});
  }
}

void Chunk::add_values(size_t column, const char* data, int64_t stride) {
  const int64_t width = columns_[column].width;
  std::string* bytes = &columns_[column].bytes;
  for (const Run& run : runs_) {
    const char* from = data + run.row * stride;
    if (stride == width) {
      bytes->append(from, static_cast<size_t>(run.rows * width));
      continue;
    }
    const size_t size = bytes->size();
    bytes->resize(size + static_cast<size_t>(run.rows * width));
    char* out = bytes->data() + size;
    if (width == 4) {
      copy_strided<4>(from, stride, run.rows, out);
    } else if (width == 8) {
      copy_strided<8>(from, stride, run.rows, out);
    } else {
      for (int64_t row = 0; row < run.rows; ++row) {
        std::memcpy(out + row * width, from + row * stride, static_cast<size_t>(width));
      }
    }
  }
}

void Chunk::add_prefixed(size_t column, const char* data, size_t size_bytes, int64_t batch_rows) {
  std::string* bytes = &columns_[column].bytes;
  const bool whole = chosen_rows_ == batch_rows;
  if (whole && size_bytes <= static_cast<size_t>(batch_rows) * kLongestText) {
    bytes->append(data, size_bytes);
    return;
  }
  Reader reader(data, size_bytes);
  int64_t row = 0;
  for (const Run& run : runs_) {
    for (; row < run.row; ++row) reader.next();
    for (; row < run.row + run.rows; ++row) append_prefixed(reader.next(), bytes);
  }
}

void Chunk::add_text(size_t column, std::string_view text) { append_prefixed(text, &columns_[column].bytes); }

void Chunk::commit() {
  for (Column& column : columns_) {
    if (column.width == 0) column.blocks.push_back({chosen_rows_, column.bytes.size()});
  }
  rows_ += chosen_rows_;
  committed_entries_ = entries_.size();
}

void Chunk::rollback() {
  const auto batches = static_cast<std::ptrdiff_t>(committed_entries_);
  entries_.resize(static_cast<size_t>(batches));
  id_offsets_.resize(static_cast<size_t>(batches) + 1);
  id_data_.resize(static_cast<size_t>(id_offsets_.back()));
  for (Column& column : columns_) {
    if (column.width > 0) {
      column.bytes.resize(static_cast<size_t>(rows_ * column.width));
      continue;
    }
    // A block may have been pushed for some columns before memory ran out.
    int64_t rows = 0;
    size_t kept = 0;
    while (kept < column.blocks.size() && rows < rows_) rows += column.blocks[kept++].rows;
    column.blocks.resize(kept);
    column.bytes.resize(kept == 0 ? 0 : column.blocks.back().end);
  }
  begin();
}

void Chunk::clear() {
  for (Column& column : columns_) {
    column.bytes.clear();
    column.blocks.clear();
  }
  entries_.clear();
  id_offsets_.assign(1, 0);
  id_data_.clear();
  rows_ = 0;
  committed_entries_ = 0;
  begin();
}

Texts Chunk::texts(size_t column) const {
  TextsBuilder builder(rows_);
  const std::string& bytes = columns_[column].bytes;
  size_t begin = 0;
  for (const Block& block : columns_[column].blocks) {
    Reader reader(bytes.data() + begin, block.end - begin);
    for (int64_t row = 0; row < block.rows; ++row) {
      const std::string_view text = reader.next();
      if (text.data() == nullptr) {
        builder.missing();
        continue;
      }
      append_clean(cut(text, kLongestText), builder.data());
      builder.end();
    }
    begin = block.end;
  }
  return builder.take();
}

Texts Chunk::row_ids(std::string_view prefix) const {
  TextsBuilder builder(rows_);
  std::string id;
  char digits[24];
  const auto append_number = [&](uint64_t number, std::string* out) {
    out->append(digits, std::to_chars(digits, digits + sizeof(digits), number).ptr);
  };
  for (size_t i = 0; i < entries_.size(); ++i) {
    const Entry& entry = entries_[i];
    id.assign(id_data_, static_cast<size_t>(id_offsets_[i]),
              static_cast<size_t>(id_offsets_[i + 1] - id_offsets_[i]));
    if (id.empty()) {
      id.assign(prefix);
      append_number(entry.number, &id);
    }
    for (int32_t row = entry.first; row < entry.first + entry.rows; ++row) {
      builder.data()->append(id);
      if (entry.of > 1) {
        builder.data()->push_back('/');
        append_number(static_cast<uint64_t>(row), builder.data());
      }
      builder.end();
    }
  }
  return builder.take();
}

}  // namespace penstock
