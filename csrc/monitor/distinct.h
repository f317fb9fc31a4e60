// HyperLogLog registers: of all hashes that fall into a register, the largest rank of one.
//
// P. Flajolet, E. Fusy, O. Gandouet, F. Meunier, "HyperLogLog", AofA 2007. The estimate is made in
// src/penstock/monitor/distinct.py. Registers merge by the larger of each.
#ifndef PENSTOCK_MONITOR_DISTINCT_H_
#define PENSTOCK_MONITOR_DISTINCT_H_

#include <cstdint>
#include <cstring>

namespace penstock {

constexpr int kRegisterBits = 10;
constexpr int64_t kRegisters = int64_t{1} << kRegisterBits;
// What is allocated: vector code reads eight bytes at a time.
constexpr int64_t kRegisterBytes = kRegisters + 64;

constexpr uint64_t kHashFirst = 0x9e3779b97f4a7c15;
constexpr uint64_t kHashSecond = 0xd6e8feb86659fd93;

// The hash of a number; a float and the double equal to it have the same. -0 is 0.
inline uint64_t hash_number(double x) {
  x += 0.0;
  uint64_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  bits *= kHashFirst;
  bits ^= bits >> 32;
  return bits * kHashSecond;
}

inline void note_hash(uint64_t hash, uint8_t* registers) {
  // A bit past the last one stops the count.
  const uint64_t rest = hash << kRegisterBits | uint64_t{1} << (kRegisterBits - 1);
  const auto rank = static_cast<uint8_t>(__builtin_clzll(rest) + 1);
  uint8_t* kept = registers + (hash >> (64 - kRegisterBits));
  if (rank > *kept) *kept = rank;
}

// Of many hashes none can be told beforehand to raise its register, so nothing branches on it.
inline void raise(uint64_t hash, uint8_t* registers) {
  const uint64_t rest = hash << kRegisterBits | uint64_t{1} << (kRegisterBits - 1);
  uint8_t* kept = registers + (hash >> (64 - kRegisterBits));
  const auto rank = static_cast<uint8_t>(__builtin_clzll(rest) + 1);
  *kept = *kept < rank ? rank : *kept;
}

}  // namespace penstock

#endif  // PENSTOCK_MONITOR_DISTINCT_H_
