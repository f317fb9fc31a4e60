// Finds answered rows by the id of their request.
#ifndef PENSTOCK_MONITOR_LOG_INDEX_H_
#define PENSTOCK_MONITOR_LOG_INDEX_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "monitor/log/chunk.h"

namespace penstock {

// What a label's id names: "id", or "id/3" for a row of a request of several.
struct Found {
  int64_t entry = -1;
  int64_t row = -1;  // counted over all entries
};

// Entries in their order, and their hashes in another. At most 2^31 rows, and bytes of ids. Not changed once
// built; any thread may look.
class Index {
 public:
  struct Place {
    int64_t time_us;
    int32_t version;
    int32_t begin;  // counted over all entries
    int32_t first;
    int32_t of;
  };

  // Entries without an id are not found, but their rows count.
  Index(const std::vector<Entry>& entries, const std::vector<int32_t>& id_offsets, std::string id_data);
  // Of both one after the other.
  Index(const Index& older, const Index& newer);

  int64_t rows() const { return rows_; }
  const std::vector<Place>& places() const { return places_; }
  size_t size_bytes() const;

  // Where an id is there more than once it names the newest.
  Found find(std::string_view id) const;

  // The hashes of the ids, in order.
  const std::vector<uint64_t>& hashes() const { return hashes_; }

 private:
  void build(const std::vector<uint64_t>& hashes);
  int64_t end_of(size_t entry) const;
  std::string_view id_of(size_t entry) const;
  // The newest entry of the id that has the row, or that is a request of one row where `row` is -1.
  Found find(std::string_view id, int64_t row) const;

  std::vector<Place> places_;
  int64_t rows_ = 0;
  std::vector<int32_t> id_offsets_;
  std::string id_data_;
  std::vector<uint64_t> hashes_;
  std::vector<uint32_t> order_;  // the entry of each hash
};

// Splits "id/3" at its last slash: the id, and the row, or -1 where it does not end in a row.
int64_t split_row(std::string_view id, std::string_view* request);

}  // namespace penstock

#endif  // PENSTOCK_MONITOR_LOG_INDEX_H_
