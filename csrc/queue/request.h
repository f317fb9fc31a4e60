// One admitted request. A front or the Python API makes it; the queue answers it exactly once.
#ifndef PENSTOCK_QUEUE_REQUEST_H_
#define PENSTOCK_QUEUE_REQUEST_H_

#include <atomic>
#include <cstdint>
#include <string_view>

#include "queue/clock.h"
#include "queue/target.h"
#include "wire/infer_request.h"
#include "wire/infer_response.h"

namespace penstock {

class Request {
 public:
  Request() = default;
  Request(const Request&) = delete;
  Request& operator=(const Request&) = delete;
  virtual ~Request() = default;

  // Exactly one of these is called, once, by any thread. After it the queue does not touch the request, which
  // may be gone.
  virtual void deliver(const BatchOutputs& outputs, int64_t first_row) = 0;
  virtual void fail(const Status& status) = 0;
  // True when answering takes the GIL: such requests are answered by executors only, after all others.
  virtual bool needs_gil() const { return false; }
  // What the client calls it, empty where it does not. Valid until the answer.
  virtual std::string_view client_id() const { return {}; }

  // Set before submit(), not changed after.
  TargetHold target;
  BoundRequest bound;
  int64_t arrival_ns = 0;
  int64_t deadline_ns = kNever;
  uint8_t priority = 0;

  // Any thread, at any time before the answer: nobody waits for it any more. It is dropped before it runs,
  // or its answer is discarded by who made it.
  void withdraw() { withdrawn_.store(true, std::memory_order_relaxed); }
  bool withdrawn() const { return withdrawn_.load(std::memory_order_relaxed); }

 protected:
  // Makes an answered request as good as new; its memory is kept.
  void reset() {
    target.reset();
    bound.clear();
    deadline_ns = kNever;
    priority = 0;
    withdrawn_.store(false, std::memory_order_relaxed);
  }

 private:
  friend class Queue;
  std::atomic<bool> withdrawn_{false};
  int64_t due_ns_ = 0;
};

}  // namespace penstock

#endif  // PENSTOCK_QUEUE_REQUEST_H_
