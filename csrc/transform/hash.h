// The hash of kHash and kHashSign: XXH64, the same on every machine and in every version of Penstock.
//
// A value is hashed as these bytes, with the seed of the instruction (as an unsigned 64-bit number):
//   text         its bytes (UTF-8)
//   int, float   a whole number from -2^63 to 2^63 - 1: eight bytes, two's complement, little-endian,
//   whatever its
//                type (so -0.0 is 0); any other number: the eight bytes of the double, little-endian
//   missing      the one byte 0xFF, which no UTF-8 text has
// A cross of several values hashes the first with the seed and each next one with the hash before it as its
// seed. The bucket is the hash modulo the number of buckets; the sign is +1 where the hash's highest bit is
// 0, else -1. So `xxhash.xxh64(text, seed).intdigest() % buckets` of other libraries gives the same bucket.
#ifndef PENSTOCK_TRANSFORM_HASH_H_
#define PENSTOCK_TRANSFORM_HASH_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace penstock {

// XXH64 of the specification (github.com/Cyan4973/xxHash, doc/xxhash_spec.md).
uint64_t xxh64(const void* data, size_t size_bytes, uint64_t seed);

// Of one value, as said above. Missing is as in a register: a null data(), INT64_MIN, NaN.
uint64_t hash_value(std::string_view text, uint64_t seed);
uint64_t hash_value(int64_t number, uint64_t seed);
uint64_t hash_value(double number, uint64_t seed);

}  // namespace penstock

#endif  // PENSTOCK_TRANSFORM_HASH_H_
