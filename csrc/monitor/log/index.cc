#include "monitor/log/index.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "monitor/log/texts.h"
#include "transform/hash.h"

namespace penstock {

Index::Index(const std::vector<Entry>& entries, const std::vector<int32_t>& id_offsets, std::string id_data)
    : id_offsets_(id_offsets), id_data_(std::move(id_data)) {
  std::vector<uint64_t> hashes;
  places_.reserve(entries.size());
  hashes.reserve(entries.size());
  for (const Entry& entry : entries) {
    places_.push_back({entry.time_us, entry.version, static_cast<int32_t>(rows_), entry.first, entry.of});
    hashes.push_back(entry.hash);
    rows_ += entry.rows;
  }
  build(hashes);
}

Index::Index(const Index& older, const Index& newer)
    : places_(older.places_),
      rows_(older.rows_ + newer.rows_),
      id_offsets_(older.id_offsets_),
      id_data_(older.id_data_) {
  const auto rows = static_cast<int32_t>(older.rows_);
  const auto shift = static_cast<int32_t>(id_data_.size());
  const size_t count = places_.size();
  places_.reserve(count + newer.places_.size());
  for (Place place : newer.places_) {
    place.begin += rows;
    places_.push_back(place);
  }
  id_offsets_.reserve(places_.size() + 1);
  for (size_t i = 1; i < newer.id_offsets_.size(); ++i) id_offsets_.push_back(newer.id_offsets_[i] + shift);
  id_data_.append(newer.id_data_);
  std::vector<uint64_t> hashes(places_.size());
  for (size_t i = 0; i < older.hashes_.size(); ++i) hashes[older.order_[i]] = older.hashes_[i];
  for (size_t i = 0; i < newer.hashes_.size(); ++i) hashes[count + newer.order_[i]] = newer.hashes_[i];
  build(hashes);
}

void Index::build(const std::vector<uint64_t>& hashes) {
  std::vector<std::pair<uint64_t, uint32_t>> found;
  found.reserve(places_.size());
  for (size_t i = 0; i < places_.size(); ++i) {
    if (!id_of(i).empty()) found.emplace_back(hashes[i], static_cast<uint32_t>(i));
  }
  std::sort(found.begin(), found.end());
  hashes_.reserve(found.size());
  order_.reserve(found.size());
  for (const auto& [hash, entry] : found) {
    hashes_.push_back(hash);
    order_.push_back(entry);
  }
}

size_t Index::size_bytes() const {
  return places_.size() * sizeof(Place) + id_offsets_.size() * sizeof(int32_t) + id_data_.size() +
         hashes_.size() * (sizeof(uint64_t) + sizeof(uint32_t));
}

int64_t Index::end_of(size_t entry) const {
  return entry + 1 < places_.size() ? places_[entry + 1].begin : rows_;
}

std::string_view Index::id_of(size_t entry) const {
  const auto begin = static_cast<size_t>(id_offsets_[entry]);
  return std::string_view(id_data_).substr(begin, static_cast<size_t>(id_offsets_[entry + 1]) - begin);
}

Found Index::find(std::string_view id) const {
  std::string storage;
  const Found whole = find(kept_id(id, &storage), -1);
  if (whole.entry >= 0) return whole;
  std::string_view request;
  const int64_t row = split_row(id, &request);
  if (row < 0) return {};
  return find(kept_id(request, &storage), row);
}

Found Index::find(std::string_view id, int64_t row) const {
  const uint64_t hash = xxh64(id.data(), id.size(), 0);
  const auto end = std::upper_bound(hashes_.begin(), hashes_.end(), hash);
  for (auto at = end; at != hashes_.begin() && *(at - 1) == hash; --at) {
    const uint32_t i = order_[static_cast<size_t>(at - hashes_.begin()) - 1];
    const Place& place = places_[i];
    if (id_of(i) != id) continue;
    if (row < 0 && place.of == 1) return {i, place.begin};
    const int64_t found = place.begin + row - place.first;
    if (row >= place.first && place.of > 1 && found < end_of(i)) return {i, found};
  }
  return {};
}

int64_t split_row(std::string_view id, std::string_view* request) {
  const size_t slash = id.rfind('/');
  if (slash == std::string_view::npos || slash == 0) return -1;
  const std::string_view digits = id.substr(slash + 1);
  if (digits.empty() || digits.size() > 9 || (digits[0] == '0' && digits.size() > 1)) return -1;
  uint32_t row = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), row);
  if (error != std::errc() || end != digits.data() + digits.size()) return -1;
  *request = id.substr(0, slash);
  return row;
}

}  // namespace penstock
