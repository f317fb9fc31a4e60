// What the programs of this folder share: options, random choices, and a check that names its line.
#ifndef PENSTOCK_TESTS_FUZZ_H_
#define PENSTOCK_TESTS_FUZZ_H_

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "queue/clock.h"

// Ends the program; the seed that it printed at its start makes it happen again.
#define CHECK(condition)                                                                 \
  do {                                                                                   \
    if (!(condition)) {                                                                  \
      std::fprintf(stderr, "%s:%d: check failed: %s\n", __FILE__, __LINE__, #condition); \
      std::abort();                                                                      \
    }                                                                                    \
  } while (false)

namespace penstock::fuzz {

// --seconds N --seed S
struct Options {
  double seconds = 20;
  uint64_t seed = 1;

  Options(int argc, char** argv) {
    for (int i = 1; i + 1 < argc; i += 2) {
      if (std::strcmp(argv[i], "--seconds") == 0) seconds = std::atof(argv[i + 1]);
      if (std::strcmp(argv[i], "--seed") == 0) seed = std::strtoull(argv[i + 1], nullptr, 10);
    }
    std::printf("seed %llu, %g s\n", static_cast<unsigned long long>(seed), seconds);
    std::fflush(stdout);
  }
  int64_t deadline_ns() const { return now_ns() + static_cast<int64_t>(seconds * 1e9); }
};

// One thread's random choices.
class Random {
 public:
  explicit Random(uint64_t seed) : engine_(seed) {}

  // In [0, n), n at least 1.
  uint64_t below(uint64_t n) { return engine_() % n; }
  int64_t between(int64_t low, int64_t high) {
    return low + static_cast<int64_t>(below(static_cast<uint64_t>(high - low) + 1));
  }
  bool chance(double share) { return static_cast<double>(engine_() >> 11) * 0x1p-53 < share; }
  uint64_t bits() { return engine_(); }
  template <typename T>
  const T& pick(const std::vector<T>& items) {
    return items[below(items.size())];
  }
  std::string bytes(size_t size) {
    std::string out(size, '\0');
    for (char& c : out) c = static_cast<char>(engine_());
    return out;
  }
  // Small numbers mostly, sometimes those at which code goes wrong.
  uint64_t number() {
    static const std::vector<uint64_t> kEdges = {0,
                                                 1,
                                                 127,
                                                 128,
                                                 255,
                                                 256,
                                                 16383,
                                                 16384,
                                                 INT32_MAX,
                                                 UINT32_MAX,
                                                 UINT32_MAX + 1ull,
                                                 INT64_MAX,
                                                 UINT64_MAX,
                                                 UINT64_MAX - 1,
                                                 1ull << 63,
                                                 1ull << 62};
    return chance(0.7) ? below(8) : pick(kEdges);
  }

 private:
  std::mt19937_64 engine_;
};

// Flips, cuts, doubles and overwrites bytes.
inline void mutate(Random* random, std::string* bytes) {
  const uint64_t times = 1 + random->below(4);
  for (uint64_t i = 0; i < times; ++i) {
    if (bytes->empty()) {
      *bytes = random->bytes(random->below(16));
      continue;
    }
    const size_t at = random->below(bytes->size());
    switch (random->below(6)) {
      case 0:
        (*bytes)[at] = static_cast<char>((*bytes)[at] ^ (1 << random->below(8)));
        break;
      case 1:
        (*bytes)[at] = static_cast<char>(random->bits());
        break;
      case 2:
        bytes->resize(at);
        break;
      case 3:
        bytes->insert(at, random->bytes(1 + random->below(8)));
        break;
      case 4:
        bytes->erase(at, 1 + random->below(8));
        break;
      default:
        bytes->insert(at, bytes->substr(random->below(bytes->size()), random->below(64)));
        break;
    }
  }
}

}  // namespace penstock::fuzz

#endif  // PENSTOCK_TESTS_FUZZ_H_
