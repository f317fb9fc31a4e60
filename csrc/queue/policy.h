// The batch policy: what an idle executor runs next. Pure functions, no clock, no lock, no allocation.
//
// Work-conserving: an executor that is idle while rows wait always gets some, so batching costs a lone
// request nothing. What is decided is how many:
//   - Everything that waits, up to max_batch_rows, when its cost fits.
//   - A batch holds up what arrives while it runs, which then waits for its own batch: two batches of half
//   the
//     objective each keep the slowest within it. So the cap is the rows that run in half of latency_slo_ms.
//   - When the backlog is such that slices of that size could not clear it within the objective, the
//   objective
//     is lost already and throughput is what shortens the queue: the cap is max_batch_rows.
//   - A request that has a deadline limits its own batch to what still meets it.
#ifndef PENSTOCK_QUEUE_POLICY_H_
#define PENSTOCK_QUEUE_POLICY_H_

#include <cstdint>

#include "queue/cost_model.h"

namespace penstock {

// What the policy sees of the requests that may share the next batch.
struct PolicyState {
  int64_t now_ns = 0;
  int64_t waiting_rows = 0;  // at least 1
  int64_t head_rows = 1;     // rows of the most urgent request
  int64_t oldest_arrival_ns = 0;
  int64_t head_deadline_ns = 0;  // kNever when it has none
  int32_t executors = 1;         // of the deployment, busy or not
  int64_t max_batch_rows = 256;
  int64_t latency_slo_ns = 20'000'000;
  CostEstimate cost;
};

enum class BatchReason : uint8_t {
  kAll,         // everything that waits
  kMaxRows,     // as many as a batch may hold
  kLatency,     // as many as keep the latency objective
  kThroughput,  // as many as a batch may hold: the objective cannot be kept, the queue is to be shortened
  kDeadline,    // as many as let the most urgent request meet its deadline
  kAlone,       // the most urgent request fills a batch or more by itself
  kAtOnce,      // what came is run where it came in: that takes less than to hand it to an executor
};

const char* batch_reason_name(BatchReason reason);

// The decision, on record: how many rows at most, why, and what it is expected to take.
struct BatchDecision {
  int64_t max_rows = 1;
  BatchReason reason = BatchReason::kAll;
  double expected_ns = 0;
};

BatchDecision decide_batch(const PolicyState& state) noexcept;

// True when rows that came while nothing waited are to be run by the thread that they came in on, which waits
// for them. Only for what runs without Python.
bool runs_at_once(int64_t rows, int64_t max_batch_rows, const CostEstimate& cost) noexcept;

// True when a request of `rows` that starts now would miss its deadline: it is answered instead of run.
bool misses_deadline(int64_t now_ns, int64_t deadline_ns, int64_t rows, int64_t max_batch_rows,
                     const CostEstimate& cost) noexcept;

// How urgent a request is; smaller is served first. Requests are ordered by level, then by due time.
struct Urgency {
  int32_t level;
  int64_t due_ns;
};

// A request without a deadline is due this long after it came: earliest-deadline-first then cannot starve it.
inline constexpr int64_t kUndatedPatienceNs = 5'000'000'000;

// A request of a lower priority rises a level to the highest once it has waited `promote_after_ns` for each
// level below it: a stream of urgent requests cannot starve it.
Urgency urgency_of(int32_t priority, int64_t arrival_ns, int64_t deadline_ns, int64_t now_ns,
                   int64_t promote_after_ns) noexcept;

}  // namespace penstock

#endif  // PENSTOCK_QUEUE_POLICY_H_
