#include "monitor/frequent.h"

#include <algorithm>
#include <cstdio>
#include <utility>

namespace penstock {
namespace {

std::string shortened(std::string_view text, uint64_t hash) {
  if (text.size() <= Frequent::kLongest) return std::string(text);
  size_t size = Frequent::kLongest - 24;
  // Not within a character of UTF-8.
  while (size > 0 && (static_cast<uint8_t>(text[size]) & 0xc0) == 0x80) --size;
  char digest[24];
  std::snprintf(digest, sizeof digest, "#%016llx", static_cast<unsigned long long>(hash));
  return std::string(text.substr(0, size)) + "\xe2\x80\xa6" + digest;
}

}  // namespace

void Frequent::add(std::string_view text, uint64_t hash, int64_t count) {
  for (int i = 0; i < size_; ++i) {
    if (hashes_[i] == hash) {
      counts_[i] += count;
      return;
    }
  }
  if (size_ == kKept) {
    const int64_t least = std::min(count, *std::min_element(counts_, counts_ + kKept));
    int left = 0;
    for (int i = 0; i < kKept; ++i) {
      if (counts_[i] == least) continue;
      hashes_[left] = hashes_[i];
      counts_[left] = counts_[i] - least;
      if (left != i) texts_[left] = std::move(texts_[i]);
      ++left;
    }
    size_ = left;
    count -= least;
    if (count == 0) return;
  }
  hashes_[size_] = hash;
  counts_[size_] = count;
  texts_[size_] = shortened(text, hash);
  ++size_;
}

std::vector<Frequent::Item> Frequent::items() const {
  std::vector<Item> found;
  for (int i = 0; i < size_; ++i) found.push_back({texts_[i], counts_[i]});
  return found;
}

}  // namespace penstock
