#include "monitor/detectors/mersenne_twister.h"

#include <algorithm>

namespace penstock {

MersenneTwister::MersenneTwister(uint64_t seed) {
  const uint32_t key[2] = {static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)};
  const uint32_t length = key[1] != 0 ? 2 : 1;
  words_[0] = 19650218u;
  for (uint32_t i = 1; i < kWords; i++) words_[i] = 1812433253u * (words_[i - 1] ^ words_[i - 1] >> 30) + i;
  uint32_t i = 1, j = 0;
  const auto advance = [&] {
    if (++i < kWords) return;
    words_[0] = words_[kWords - 1];
    i = 1;
  };
  for (int k = 0; k < kWords; k++) {
    words_[i] = (words_[i] ^ (words_[i - 1] ^ words_[i - 1] >> 30) * 1664525u) + key[j] + j;
    advance();
    j = (j + 1) % length;
  }
  for (int k = 1; k < kWords; k++) {
    words_[i] = (words_[i] ^ (words_[i - 1] ^ words_[i - 1] >> 30) * 1566083941u) - i;
    advance();
  }
  words_[0] = 0x80000000u;
}

void MersenneTwister::twist() {
  constexpr int kAhead = 397;
  const auto mix = [](uint32_t high, uint32_t low, uint32_t far) {
    const uint32_t y = (high & 0x80000000u) | (low & 0x7fffffffu);
    return far ^ y >> 1 ^ (y & 1 ? 0x9908b0dfu : 0u);
  };
  for (int i = 0; i < kWords - kAhead; i++) words_[i] = mix(words_[i], words_[i + 1], words_[i + kAhead]);
  for (int i = kWords - kAhead; i < kWords - 1; i++) {
    words_[i] = mix(words_[i], words_[i + 1], words_[i + kAhead - kWords]);
  }
  words_[kWords - 1] = mix(words_[kWords - 1], words_[0], words_[kAhead - 1]);
  next_ = 0;
}

}  // namespace penstock
