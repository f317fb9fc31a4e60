// The native front: listens, and answers gRPC from its own threads.
#ifndef PENSTOCK_FRONT_FRONT_H_
#define PENSTOCK_FRONT_FRONT_H_

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "front/loop.h"
#include "front/settings.h"
#include "queue/routes.h"
#include "wire/status.h"

namespace penstock {

// start() once, by one thread; the others by any thread. All without the GIL.
class Front {
 public:
  Front(FrontSettings settings, std::shared_ptr<const Routes> routes);
  ~Front();

  // Reads the TLS files, listens and starts the threads. kInvalidArgument: a TLS file; kUnavailable: the
  // address, with the reason.
  Status start();
  const std::string& host() const { return shared_->settings.host; }
  uint16_t port() const { return port_; }

  // Takes no new connections and streams, and waits until the calls that are open are answered. False when
  // `timeout_ns` passed or stop() came first.
  bool drain(int64_t timeout_ns);
  // Closes every connection and ends the threads; a drain() that waits returns. Idempotent.
  void stop();

  FrontCounters& counters() { return shared_->counters; }
  FailureLog& failures() { return shared_->failures; }

 private:
  Status listen(bool reuse_port, int* listener);

  const std::shared_ptr<FrontShared> shared_;
  uint16_t port_ = 0;
  std::vector<std::unique_ptr<Loop>> loops_;
  std::mutex stop_mutex_;
  std::condition_variable stopped_;
  bool stopping_ = false;
};

}  // namespace penstock

#endif  // PENSTOCK_FRONT_FRONT_H_
