#include "transform/lookup.h"

#include <array>
#include <cstring>
#include <stdexcept>
#include <string>
#include <unordered_set>
#include <utility>

namespace penstock {
namespace {

struct Words {
  uint64_t low;
  uint64_t high;
};

template <typename T>
uint64_t read(const char* p) {
  T value;
  std::memcpy(&value, p, sizeof value);
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
  if constexpr (sizeof(T) == 4) value = __builtin_bswap32(value);
  if constexpr (sizeof(T) == 8) value = __builtin_bswap64(value);
#endif
  return value;
}

inline uint64_t mix(uint64_t a, uint64_t b) {
  const auto product = static_cast<unsigned __int128>(a) * b;
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

constexpr uint64_t kFirst = 0x9e3779b97f4a7c15;
constexpr uint64_t kSecond = 0xd6e8feb86659fd93;

// Up to 16 bytes, as they stand, the rest zero. Reads no byte beyond the text.
inline Words short_words(const char* p, size_t length) {
  if (length >= 8) {
    const uint64_t tail = read<uint64_t>(p + length - 8);
    return {read<uint64_t>(p), length == 8 ? 0 : tail >> (8 * (16 - length))};
  }
  if (length >= 4) {
    return {read<uint32_t>(p) | read<uint32_t>(p + length - 4) << (8 * (length - 4)), 0};
  }
  if (length == 0) return {0, 0};
  const size_t middle = length / 2, last = length - 1;
  return {
      read<uint8_t>(p) | read<uint8_t>(p + middle) << (8 * middle) | read<uint8_t>(p + last) << (8 * last),
      0};
}

// The same, where 16 bytes may be read: no branch on the length.
inline Words readable_words(const char* p, size_t length) {
  const uint64_t low = ~uint64_t{0} >> (8 * (length < 8 ? 8 - length : 0) & 63);
  const uint64_t high = length <= 8 ? 0 : ~uint64_t{0} >> (8 * (16 - length));
  return {length == 0 ? 0 : read<uint64_t>(p) & low, read<uint64_t>(p + 8) & high};
}

Words long_words(const char* p, size_t length) {
  uint64_t low = kFirst, high = kSecond;
  const char* const last = p + length - 16;
  for (; p < last; p += 16) {
    low = mix(low ^ read<uint64_t>(p), kFirst);
    high = mix(high ^ read<uint64_t>(p + 8), kSecond);
  }
  return {mix(low ^ read<uint64_t>(last), kFirst), mix(high ^ read<uint64_t>(last + 8), kSecond)};
}

inline uint64_t hash_words(const Words& words, size_t length, uint64_t seed) {
  return mix(words.low ^ kFirst ^ length, words.high ^ seed);
}

// Small tables can afford to be sparse, and to be built several times.
constexpr size_t kSmall = 1024;
constexpr uint64_t kSeeds = 32;

uint64_t capacity_for(size_t count) {
  uint64_t capacity = 4;
  while (capacity < (count <= kSmall ? 4 : 2) * count) capacity *= 2;
  return capacity;
}

inline uint64_t bits_of(double number) {
  number += 0.0;  // -0 is 0
  uint64_t bits;
  std::memcpy(&bits, &number, sizeof bits);
  return bits;
}

void check_code(int32_t code, const char* what) {
  if (code < kRefuse) {
    throw std::invalid_argument(std::string(what) + ": expected a code of -2 or more, got " +
                                std::to_string(code));
  }
}

}  // namespace

Lookup::Lookup(Table table) : text_(table.text), missing_(table.missing), unknown_(table.unknown) {
  const size_t count = text_ ? table.texts.size() : table.numbers.size();
  if (table.codes.size() != count) {
    throw std::invalid_argument("expected " + std::to_string(count) + " codes, got " +
                                std::to_string(table.codes.size()));
  }
  check_code(missing_, "missing");
  check_code(unknown_, "unknown");
  for (const int32_t code : table.codes) check_code(code, "codes");
  mask_ = capacity_for(count) - 1;
  if (text_) {
    texts_ = std::move(table.texts);
    std::unordered_set<std::string_view> seen;
    for (const std::string& text : texts_) {
      if (text.size() > UINT32_MAX) throw std::invalid_argument("a category is longer than 4 GiB");
      if (!seen.insert(text).second) throw std::invalid_argument("category \"" + text + "\" repeats");
    }
    place_well(count, [&] { return place_texts(table.codes); });
  } else {
    std::unordered_set<double> seen;
    for (const double number : table.numbers) {
      if (number != number)
        throw std::invalid_argument("a category is NaN; expected `missing` to say its code");
      if (!seen.insert(number).second) {
        throw std::invalid_argument("category " + std::to_string(number) + " repeats");
      }
    }
    place_well(count, [&] { return place_numbers(table.numbers, table.codes); });
  }
}

template <typename Place>
void Lookup::place_well(size_t count, Place place) {
  uint64_t best = 0;
  size_t fewest = SIZE_MAX;
  for (uint64_t i = 0; i < (count <= kSmall ? kSeeds : 1) && fewest > 0; ++i) {
    seed_ = kSecond + i * kFirst;
    const size_t collisions = place();
    if (collisions < fewest) {
      fewest = collisions;
      best = seed_;
    }
  }
  if (seed_ != best) {
    seed_ = best;
    place();
  }
}

size_t Lookup::place_texts(const std::vector<int32_t>& codes) {
  text_slots_.assign(mask_ + 1, {});
  size_t collisions = 0;
  for (size_t i = 0; i < texts_.size(); ++i) {
    const char* text = texts_[i].data();
    const size_t length = texts_[i].size();
    const Words words = length <= 16 ? short_words(text, length) : long_words(text, length);
    uint64_t at = hash_words(words, length, seed_) & mask_;
    collisions += text_slots_[at].text != nullptr;
    while (text_slots_[at].text != nullptr) at = (at + 1) & mask_;
    text_slots_[at] = {words.low, words.high, text, static_cast<uint32_t>(length), codes[i]};
  }
  return collisions;
}

size_t Lookup::place_numbers(const std::vector<double>& numbers, const std::vector<int32_t>& codes) {
  number_slots_.assign(mask_ + 1, {});
  size_t collisions = 0;
  for (size_t i = 0; i < numbers.size(); ++i) {
    const uint64_t bits = bits_of(numbers[i]);
    uint64_t at = mix(bits ^ kFirst, seed_) & mask_;
    collisions += number_slots_[at].taken;
    while (number_slots_[at].taken) at = (at + 1) & mask_;
    number_slots_[at] = {bits, codes[i], true};
  }
  return collisions;
}

inline int32_t Lookup::find(std::string_view text, const Readable& readable) const {
  const size_t length = text.size();
  Words words;
  if (__builtin_expect(length > 16, 0)) {
    words = long_words(text.data(), length);
  } else if (readable.holds_16(text.data())) {
    words = readable_words(text.data(), length);
  } else {
    words = short_words(text.data(), length);
  }
  for (uint64_t at = hash_words(words, length, seed_) & mask_;; at = (at + 1) & mask_) {
    const TextSlot& slot = text_slots_[at];
    if (slot.low == words.low && slot.high == words.high && slot.length == length && slot.text != nullptr &&
        (length <= 16 || std::memcmp(slot.text, text.data(), length) == 0)) {
      return slot.code;
    }
    if (slot.text == nullptr) return kUnknown;
  }
}

inline int32_t Lookup::find(double number) const {
  const uint64_t bits = bits_of(number);
  for (uint64_t at = mix(bits ^ kFirst, seed_) & mask_;; at = (at + 1) & mask_) {
    const NumberSlot& slot = number_slots_[at];
    if (slot.bits == bits && slot.taken) return slot.code;
    if (!slot.taken) return kUnknown;
  }
}

void Lookup::find_all(const std::string_view* texts, int64_t count, const Readable& readable,
                      int32_t* codes) const {
  for (int64_t i = 0; i < count; ++i) {
    codes[i] = texts[i].data() == nullptr ? missing_ : find(texts[i], readable);
  }
}

int32_t Lookup::find_from(uint64_t at, uint64_t low, uint64_t high, size_t length) const {
  for (;; at = (at + 1) & mask_) {
    const TextSlot& slot = text_slots_[at];
    if (slot.text == nullptr) return kUnknown;
    if (slot.low == low && slot.high == high && slot.length == length) return slot.code;
  }
}

template <typename Offset>
void Lookup::find_short(const char* data, const Offset* offsets, int64_t count, int32_t* codes) const {
  static constexpr std::array<char, 32> kKept = {-1, -1, -1, -1, -1, -1, -1, -1,
                                                 -1, -1, -1, -1, -1, -1, -1, -1};
  const TextSlot* const slots = text_slots_.data();
  const uint64_t mask = mask_, seed = seed_;
  for (int64_t i = 0; i < count; ++i) {
    const char* text = data + offsets[i];
    const auto length = static_cast<size_t>(offsets[i + 1] - offsets[i]);
    const char* kept = kKept.data() + 16 - length;
    const Words words = {read<uint64_t>(text) & read<uint64_t>(kept),
                         read<uint64_t>(text + 8) & read<uint64_t>(kept + 8)};
    const uint64_t at = hash_words(words, length, seed) & mask;
    const TextSlot& slot = slots[at];
    const uint64_t differs = (slot.low ^ words.low) | (slot.high ^ words.high) | (slot.length ^ length);
    const bool found = differs == 0 && slot.text != nullptr;
    codes[i] = __builtin_expect(found, 1) ? slot.code : find_from(at, words.low, words.high, length);
  }
}
template void Lookup::find_short(const char*, const int32_t*, int64_t, int32_t*) const;
template void Lookup::find_short(const char*, const int64_t*, int64_t, int32_t*) const;

template <typename T>
void Lookup::find_all(const T* numbers, int64_t count, int32_t* codes) const {
  for (int64_t i = 0; i < count; ++i) {
    codes[i] = numbers[i] != numbers[i] ? missing_ : find(static_cast<double>(numbers[i]));
  }
}
template void Lookup::find_all(const float*, int64_t, int32_t*) const;
template void Lookup::find_all(const double*, int64_t, int32_t*) const;

}  // namespace penstock
