// Which target answers a model name and version. Fronts read it once per request, deployments publish to it.
#ifndef PENSTOCK_QUEUE_ROUTES_H_
#define PENSTOCK_QUEUE_ROUTES_H_

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

#include "queue/target.h"
#include "wire/status.h"

namespace penstock {

struct VersionRoute {
  std::shared_ptr<Target> target;  // null while the version is not ready
  std::string reason;              // why not
};

struct ModelRoute {
  std::shared_ptr<Target> active;  // what requests without a version get; null while there is none
  std::string reason;
  std::map<int64_t, VersionRoute> versions;  // every version that is known
};

using RouteTable = std::map<std::string, ModelRoute, std::less<>>;

// The published table is immutable: a reader keeps a snapshot and looks at generation(), one atomic load, to
// learn that there is a newer one. Thread-safe.
class Routes {
 public:
  void publish(RouteTable table) {
    auto fresh = std::make_shared<const RouteTable>(std::move(table));
    std::lock_guard<std::mutex> guard(mutex_);
    table_ = std::move(fresh);
    generation_.fetch_add(1, std::memory_order_release);
  }
  std::shared_ptr<const RouteTable> table() const {
    std::lock_guard<std::mutex> guard(mutex_);
    return table_;
  }
  uint64_t generation() const { return generation_.load(std::memory_order_acquire); }

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<const RouteTable> table_ = std::make_shared<const RouteTable>();
  std::atomic<uint64_t> generation_{0};
};

// A reader's snapshot, for one thread.
class RouteReader {
 public:
  explicit RouteReader(std::shared_ptr<const Routes> routes) : routes_(std::move(routes)) { refresh(); }

  // Holds the target that serves (model, version), "" being the active version; else says why there is none.
  Status resolve(std::string_view model, std::string_view version, TargetHold* hold);

 private:
  void refresh() {
    generation_ = routes_->generation();
    table_ = routes_->table();
  }
  Status find(std::string_view model, std::string_view version, std::shared_ptr<Target> const** target) const;

  std::shared_ptr<const Routes> routes_;
  std::shared_ptr<const RouteTable> table_;
  uint64_t generation_ = 0;
};

}  // namespace penstock

#endif  // PENSTOCK_QUEUE_ROUTES_H_
