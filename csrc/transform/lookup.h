// A table of categories as a hash table, for text or for numbers.
#ifndef PENSTOCK_TRANSFORM_LOOKUP_H_
#define PENSTOCK_TRANSFORM_LOOKUP_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "transform/program.h"

namespace penstock {

// Bytes that may be read whatever a text's length: a text whose 16 first bytes lie in here is read at once.
struct Readable {
  uintptr_t begin = 0;
  uintptr_t bytes = 0;

  bool holds_16(const char* text) const {
    return bytes >= 16 && reinterpret_cast<uintptr_t>(text) - begin <= bytes - 16;
  }
};

// Immutable once made.
class Lookup {
 public:
  // What find_all() gives for a value that is no category.
  static constexpr int32_t kUnknown = INT32_MIN;

  // Throws std::invalid_argument where categories repeat or codes are not as Table says.
  explicit Lookup(Table table);

  bool text() const { return text_; }
  int32_t missing() const { return missing_; }
  int32_t unknown() const { return unknown_; }

  // The codes of categories, kUnknown for what is none, missing() for what is missing: a null data(), NaN.
  void find_all(const std::string_view* texts, int64_t count, const Readable& readable, int32_t* codes) const;
  // The same for texts end to end, each of at most 16 bytes and of each 16 bytes readable; none is missing.
  template <typename Offset>
  void find_short(const char* data, const Offset* offsets, int64_t count, int32_t* codes) const;
  template <typename T>
  void find_all(const T* numbers, int64_t count, int32_t* codes) const;

 private:
  int32_t find(std::string_view text, const Readable& readable) const;
  int32_t find(double number) const;
  int32_t find_from(uint64_t at, uint64_t low, uint64_t high, size_t length) const;

  // Texts of up to 16 bytes are their two words; of longer ones the words are hashes, and `text` is compared.
  struct TextSlot {
    uint64_t low = 0;
    uint64_t high = 0;
    const char* text = nullptr;  // null in a free slot
    uint32_t length = 0;
    int32_t code = kUnknown;
  };
  struct NumberSlot {
    uint64_t bits = 0;
    int32_t code = kUnknown;
    bool taken = false;
  };

  // Puts every category into a free table; how many did not get their first slot.
  size_t place_texts(const std::vector<int32_t>& codes);
  size_t place_numbers(const std::vector<double>& numbers, const std::vector<int32_t>& codes);
  // Keeps the seed, of a few, with the fewest collisions.
  template <typename Place>
  void place_well(size_t count, Place place);

  bool text_;
  int32_t missing_;
  int32_t unknown_;
  uint64_t mask_ = 0;
  uint64_t seed_ = 0;
  std::vector<std::string> texts_;
  std::vector<TextSlot> text_slots_;
  std::vector<NumberSlot> number_slots_;
};

}  // namespace penstock

#endif  // PENSTOCK_TRANSFORM_LOOKUP_H_
