#include "transform/hash.h"

#include <cstring>

#include "transform/step.h"

namespace penstock {
namespace {

constexpr uint64_t kPrime1 = 0x9E3779B185EBCA87, kPrime2 = 0xC2B2AE3D27D4EB4F, kPrime3 = 0x165667B19E3779F9,
                   kPrime4 = 0x85EBCA77C2B2AE63, kPrime5 = 0x27D4EB2F165667C5;

uint64_t rotate(uint64_t x, int bits) { return x << bits | x >> (64 - bits); }

template <typename T>
uint64_t read_little(const uint8_t* p) {
  uint64_t value = 0;
  for (size_t i = 0; i < sizeof(T); ++i) value |= static_cast<uint64_t>(p[i]) << (8 * i);
  return value;
}

uint64_t round_of(uint64_t lane, uint64_t input) { return rotate(lane + input * kPrime2, 31) * kPrime1; }

uint64_t merge(uint64_t hash, uint64_t lane) { return (hash ^ round_of(0, lane)) * kPrime1 + kPrime4; }

void write_little(uint64_t value, uint8_t* p) {
  for (int i = 0; i < 8; ++i) p[i] = static_cast<uint8_t>(value >> (8 * i));
}

uint64_t hash_missing(uint64_t seed) {
  const uint8_t byte = 0xFF;
  return xxh64(&byte, 1, seed);
}

uint64_t hash_bits(uint64_t bits, uint64_t seed) {
  uint8_t bytes[8];
  write_little(bits, bytes);
  return xxh64(bytes, sizeof bytes, seed);
}

template <typename T>
void hash_on(const T* in, int64_t n, uint64_t* hashes) {
  for (int64_t i = 0; i < n; ++i) {
    if constexpr (std::is_same_v<T, float>) {
      hashes[i] = hash_value(static_cast<double>(in[i]), hashes[i]);
    } else {
      hashes[i] = hash_value(in[i], hashes[i]);
    }
  }
}

void hash_rows(const Step& step, const Block& block, uint64_t* hashes) {
  const int64_t n = block.rows;
  for (int64_t i = 0; i < n; ++i) hashes[i] = static_cast<uint64_t>(step.integers[1]);
  for (size_t j = 0; j < step.src.size(); ++j) {
    switch (step.src_kinds[j]) {
      case Kind::kText:
        hash_on(block.at<std::string_view>(step.src[j]), n, hashes);
        break;
      case Kind::kInt:
        hash_on(block.at<int64_t>(step.src[j]), n, hashes);
        break;
      case Kind::kFloat:
        hash_on(block.at<float>(step.src[j]), n, hashes);
        break;
      default:
        hash_on(block.at<double>(step.src[j]), n, hashes);
        break;
    }
  }
}

void bucket(const Step& step, Block* block) {
  uint64_t hashes[kBlockRows];
  hash_rows(step, *block, hashes);
  const auto buckets = static_cast<uint64_t>(step.integers[0]);
  int32_t* codes = block->at<int32_t>(step.dst);
  for (int64_t i = 0; i < block->rows; ++i) codes[i] = static_cast<int32_t>(hashes[i] % buckets);
}

template <typename T>
void sign(const Step& step, Block* block) {
  uint64_t hashes[kBlockRows];
  hash_rows(step, *block, hashes);
  T* out = block->at<T>(step.dst);
  for (int64_t i = 0; i < block->rows; ++i) out[i] = hashes[i] >> 63 ? T{-1} : T{1};
}

}  // namespace

uint64_t xxh64(const void* data, size_t size_bytes, uint64_t seed) {
  const auto* p = static_cast<const uint8_t*>(data);
  const uint8_t* const end = p + size_bytes;
  uint64_t hash = seed + kPrime5;
  if (size_bytes >= 32) {
    uint64_t lanes[4] = {seed + kPrime1 + kPrime2, seed + kPrime2, seed, seed - kPrime1};
    for (; end - p >= 32; p += 32) {
      for (int lane = 0; lane < 4; ++lane) {
        lanes[lane] = round_of(lanes[lane], read_little<uint64_t>(p + 8 * lane));
      }
    }
    hash = rotate(lanes[0], 1) + rotate(lanes[1], 7) + rotate(lanes[2], 12) + rotate(lanes[3], 18);
    for (const uint64_t lane : lanes) hash = merge(hash, lane);
  }
  hash += size_bytes;
  for (; end - p >= 8; p += 8) {
    hash = rotate(hash ^ round_of(0, read_little<uint64_t>(p)), 27) * kPrime1 + kPrime4;
  }
  if (end - p >= 4) {
    hash = rotate(hash ^ read_little<uint32_t>(p) * kPrime1, 23) * kPrime2 + kPrime3;
    p += 4;
  }
  for (; p < end; ++p) hash = rotate(hash ^ *p * kPrime5, 11) * kPrime1;
  hash = (hash ^ hash >> 33) * kPrime2;
  hash = (hash ^ hash >> 29) * kPrime3;
  return hash ^ hash >> 32;
}

uint64_t hash_value(std::string_view text, uint64_t seed) {
  return is_missing(text) ? hash_missing(seed) : xxh64(text.data(), text.size(), seed);
}

uint64_t hash_value(int64_t number, uint64_t seed) {
  return is_missing(number) ? hash_missing(seed) : hash_bits(static_cast<uint64_t>(number), seed);
}

uint64_t hash_value(double number, uint64_t seed) {
  if (is_missing(number)) return hash_missing(seed);
  if (number >= -0x1p63 && number < 0x1p63) {
    const auto whole = static_cast<int64_t>(number);
    if (static_cast<double>(whole) == number) return hash_bits(static_cast<uint64_t>(whole), seed);
  }
  uint64_t bits;
  std::memcpy(&bits, &number, sizeof bits);
  return hash_bits(bits, seed);
}

Kernel hash_kernel(Op op, Kind dst) {
  if (op == Op::kHash) return dst == Kind::kCode ? bucket : nullptr;
  if (dst == Kind::kFloat) return sign<float>;
  return dst == Kind::kDouble ? sign<double> : nullptr;
}

}  // namespace penstock
