// The most frequent of any number of texts, in bounded memory: Misra and Gries, 1982.
#ifndef PENSTOCK_MONITOR_FREQUENT_H_
#define PENSTOCK_MONITOR_FREQUENT_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace penstock {

// Of n texts a count is at most n / (kKept + 1) below the truth, and never above it. One thread at a time.
class Frequent {
 public:
  static constexpr int kKept = 64;
  // Longer texts are kept as their beginning and a digest of the whole.
  static constexpr size_t kLongest = 128;

  struct Item {
    std::string text;
    int64_t count = 0;
  };

  // Counts a text so many times; `hash` is of its bytes, and two texts of one hash are one.
  void add(std::string_view text, uint64_t hash, int64_t count);

  // In no order.
  std::vector<Item> items() const;

 private:
  int size_ = 0;
  uint64_t hashes_[kKept] = {};
  int64_t counts_[kKept] = {};
  std::string texts_[kKept];
};

}  // namespace penstock

#endif  // PENSTOCK_MONITOR_FREQUENT_H_
