// What a front has to say in the log of each call that it failed: read and written by another thread.
#ifndef PENSTOCK_FRONT_FAILURE_LOG_H_
#define PENSTOCK_FRONT_FAILURE_LOG_H_

#include <cstdint>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "wire/status.h"

namespace penstock {

struct Failure {
  std::string request_id;
  std::string model;
  std::string peer;
  Status status;
};

// Bounded: a flood of failures is counted, not kept. Thread-safe.
class FailureLog {
 public:
  static constexpr size_t kCapacity = 8192;

  void add(Failure failure) {
    std::lock_guard<std::mutex> guard(mutex_);
    if (kept_.size() < kCapacity) {
      kept_.push_back(std::move(failure));
    } else {
      ++dropped_;
    }
  }
  // Takes what is kept; `dropped` is how many more there were since the last call.
  std::vector<Failure> take(uint64_t* dropped) {
    std::vector<Failure> taken;
    std::lock_guard<std::mutex> guard(mutex_);
    taken.swap(kept_);
    *dropped = std::exchange(dropped_, 0);
    return taken;
  }

 private:
  std::mutex mutex_;
  std::vector<Failure> kept_;
  uint64_t dropped_ = 0;
};

}  // namespace penstock

#endif  // PENSTOCK_FRONT_FAILURE_LOG_H_
