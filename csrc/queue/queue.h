// The queue of one deployment: collects requests from every front and from Python, and hands out batches.
//
// Order: by priority, then earliest deadline, then arrival; see policy.h. Requests share a batch only when
// they hold the same target and agree in every variable dimension but the rows.
#ifndef PENSTOCK_QUEUE_QUEUE_H_
#define PENSTOCK_QUEUE_QUEUE_H_

#include <array>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "queue/batch.h"
#include "queue/policy.h"
#include "queue/request.h"

namespace penstock {

struct QueueSettings {
  int64_t max_batch_rows = 256;
  int64_t max_queue_rows = 4096;
  int64_t latency_slo_ns = 20'000'000;
  int64_t promote_after_ns = 500'000'000;
  int32_t executors = 1;
};

inline constexpr int32_t kLevels = 3;

class Queue : public Intake {
 public:
  explicit Queue(QueueSettings settings);
  ~Queue() override;

  // Refuses with kResourceExhausted what would exceed max_queue_rows; a request larger than the whole queue
  // is taken when nothing else waits. What a target can run without Python is run here when it is little and
  // nothing waits: see runs_at_once().
  void submit(Request* const* requests, size_t count) override;

  // Runs what can be run without Python, and blocks until there is a batch that cannot, or an answered one
  // that the observer in Python is to see or to be told of; null once the queue is closed. For executors,
  // without the GIL.
  std::unique_ptr<Batch> next();

  // Memory for batches that are gathered outside next().
  BufferPool* pool() const { return pool_.get(); }

  // Answers all that waits with kUnavailable and lets the executors go. Idempotent.
  void close();

  int64_t waiting_rows() const;
  const QueueSettings& settings() const { return settings_; }

 private:
  // Requests that may share a batch.
  struct Group {
    const Target* target;
    std::vector<int64_t> variable_dims;
    std::array<std::deque<Request*>, kLevels> levels;  // each by due time, then arrival
    std::array<int64_t, kLevels> oldest_ns{};          // no request of the level came earlier
    int64_t rows = 0;

    bool empty() const { return levels[0].empty() && levels[1].empty() && levels[2].empty(); }
    // The level that is served next; the group is not empty.
    int32_t head_level() const;
  };

  struct Dropped {
    Request* request;
    Status status;
  };

  // All of these are called with mutex_ held.
  bool admit(Request* request, int64_t now, Status* refusal);
  Group& group_of(const Request& request);
  static void insert(Group* group, int32_t level, Request* request);
  void promote(Group* group, int64_t now);
  // A cost that has become wrong is corrected by runs only: after some drops in a row that rest on it, a
  // request is let through.
  bool drop_if_useless(Request* request, const CostEstimate& cost, int64_t now);
  void purge(int64_t now);
  Group* most_urgent();
  std::unique_ptr<Batch> compose(Group* group, int64_t now);
  void remove_rows(Group* group, const Request& request);

  void answer_dropped(std::unique_lock<std::mutex>* lock);

  // False when the requests are to wait for an executor instead.
  bool run_at_once(Request* const* requests, size_t count);
  // False, and nothing was answered, when that cannot be.
  bool gather_and_run(Batch* batch);
  // Null when there is none that was answered long enough ago.
  std::unique_ptr<Batch> answered_batch(int64_t now);

  const QueueSettings settings_;
  const std::shared_ptr<BufferPool> pool_;
  mutable std::mutex mutex_;
  std::condition_variable ready_;
  std::vector<std::unique_ptr<Group>> groups_;
  std::vector<Dropped> dropped_;  // off the queue, to be answered by an executor
  // Batches that were answered without an executor and are to be observed by one, some at a time.
  std::deque<std::unique_ptr<Batch>> answered_;
  int64_t observe_at_ns_ = 0;  // when the first of them is
  bool observed_last_ = false;
  int64_t rows_ = 0;
  int32_t foretold_drops_ = 0;  // since the last batch: deadlines that had not passed but would have
  int32_t idle_ = 0;            // executors that wait in next()
  bool closed_ = false;
};

}  // namespace penstock

#endif  // PENSTOCK_QUEUE_QUEUE_H_
