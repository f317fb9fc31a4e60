// Rows that were answered, copied column by column until they are written or indexed.
#ifndef PENSTOCK_MONITOR_LOG_CHUNK_H_
#define PENSTOCK_MONITOR_LOG_CHUNK_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace penstock {

// Consecutive rows of one request.
struct Entry {
  int64_t time_us = 0;  // of the answer, since the epoch
  uint64_t hash = 0;    // of the id as it is kept
  uint64_t number = 0;  // names a request without an id
  int32_t version = 0;  // of the model
  int32_t first = 0;    // row within the request
  int32_t rows = 0;
  int32_t of = 0;  // rows of the whole request
};

// Texts as Arrow lays them.
struct Texts {
  std::vector<int32_t> offsets;
  std::string data;
  std::vector<uint8_t> validity;  // a bit a text; empty where none is missing
  int64_t missing = 0;
};

// A batch is added in three steps: begin() and choose() its rows, add each column, commit(). What was not
// committed is taken back by rollback(). One thread at a time. Memory is kept from one use to the next.
class Chunk {
 public:
  // Bytes of a row's value in each column; 0 where it is a text.
  explicit Chunk(const std::vector<int64_t>& widths);

  int64_t rows() const { return rows_; }
  size_t size_bytes() const;
  const std::vector<Entry>& entries() const { return entries_; }
  // Of the entries, as Arrow lays texts.
  const std::vector<int32_t>& id_offsets() const { return id_offsets_; }
  const std::string& id_data() const { return id_data_; }
  const std::string& values(size_t column) const { return columns_[column].bytes; }

  void begin();
  // Keeps rows of the batch from `row` on, as many as the entry has.
  void choose(const Entry& entry, std::string_view id, int64_t row);
  int64_t chosen_rows() const { return chosen_rows_; }

  // Each takes the chosen rows of a column of the whole batch.
  void add_values(size_t column, const char* data, int64_t stride);
  // Texts as a BYTES tensor lays them; from the first that is not well formed on they are missing.
  void add_prefixed(size_t column, const char* data, size_t size_bytes, int64_t batch_rows);
  // Where texts are Python objects the caller walks: all rows of each run.
  struct Run {
    int64_t row;
    int64_t rows;
  };
  const std::vector<Run>& runs() const { return runs_; }
  void add_text(size_t column, std::string_view text);  // of a null data(): missing

  void commit();
  void rollback();
  void clear();

  // Of all rows, well-formed UTF-8 of bounded length.
  Texts texts(size_t column) const;
  // Ids row by row: the id, with "/" and the row where the request has more than one. Those without an id
  // are named by their number after `prefix`.
  Texts row_ids(std::string_view prefix) const;

 private:
  // What one batch added to a column of texts.
  struct Block {
    int64_t rows;
    size_t end;
  };
  struct Column {
    int64_t width;
    std::string bytes;
    std::vector<Block> blocks;
  };

  std::vector<Column> columns_;
  std::vector<Entry> entries_;
  std::vector<int32_t> id_offsets_;
  std::string id_data_;
  int64_t rows_ = 0;

  // Of the batch that is being added.
  std::vector<Run> runs_;
  size_t committed_entries_ = 0;
  int64_t chosen_rows_ = 0;
};

}  // namespace penstock

#endif  // PENSTOCK_MONITOR_LOG_CHUNK_H_
