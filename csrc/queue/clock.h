// Time as every part of the engine counts it: nanoseconds of the monotonic clock.
#ifndef PENSTOCK_QUEUE_CLOCK_H_
#define PENSTOCK_QUEUE_CLOCK_H_

#include <chrono>
#include <cstdint>

namespace penstock {

inline constexpr int64_t kNever = INT64_MAX;

inline int64_t now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

}  // namespace penstock

#endif  // PENSTOCK_QUEUE_CLOCK_H_
