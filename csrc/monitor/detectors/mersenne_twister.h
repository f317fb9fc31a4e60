// The random numbers of Python's `random.Random(seed)`: what river draws its samples with.
// Matsumoto, Nishimura 1998; seeded by their init_by_array, as CPython does.
#ifndef PENSTOCK_MONITOR_DETECTORS_MERSENNE_TWISTER_H_
#define PENSTOCK_MONITOR_DETECTORS_MERSENNE_TWISTER_H_

#include <cstdint>

namespace penstock {

class MersenneTwister {
 public:
  explicit MersenneTwister(uint64_t seed);

  // 32 random bits.
  uint32_t draw() {
    if (next_ == kWords) twist();
    uint32_t y = words_[next_++];
    y ^= y >> 11;
    y ^= y << 7 & 0x9d2c5680u;
    y ^= y << 15 & 0xefc60000u;
    return y ^ y >> 18;
  }

  // An integer from [0, n) as `random.Random._randbelow` gives it; n from 1 on.
  uint32_t below(uint32_t n) {
    const int shift = __builtin_clz(n);
    uint32_t r = draw() >> shift;
    while (r >= n) r = draw() >> shift;
    return r;
  }

  bool sound() const { return next_ >= 0 && next_ <= kWords; }

  template <class Archive>
  void visit(Archive& archive) {
    archive(next_);
    for (int i = 0; i < kWords; i += 2) {
      uint64_t pair = static_cast<uint64_t>(words_[i + 1]) << 32 | words_[i];
      archive(pair);
      words_[i] = static_cast<uint32_t>(pair);
      words_[i + 1] = static_cast<uint32_t>(pair >> 32);
    }
  }

 private:
  static constexpr int kWords = 624;

  void twist();

  uint32_t words_[kWords];
  int64_t next_ = kWords;
};

}  // namespace penstock

#endif  // PENSTOCK_MONITOR_DETECTORS_MERSENNE_TWISTER_H_
