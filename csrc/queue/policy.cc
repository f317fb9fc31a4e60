#include "queue/policy.h"

#include <algorithm>

#include "queue/clock.h"

namespace penstock {
namespace {

// About what handing a batch to another thread and its answers back takes, and as many rows as come in
// together when few clients wait: with more of them two threads get further than one.
constexpr double kAtOnceNs = 50'000;
constexpr int64_t kAtOnceRows = 64;

// Rows that run within `budget_ns`, at least 1.
int64_t rows_within(double budget_ns, const CostEstimate& cost, int64_t limit) {
  const double room = budget_ns - cost.base_ns - 3 * cost.spread_ns;
  if (room <= cost.row_ns) return 1;
  const double rows = cost.row_ns > 0 ? room / cost.row_ns : static_cast<double>(limit);
  return rows >= static_cast<double>(limit) ? limit : static_cast<int64_t>(rows);
}

}  // namespace

const char* batch_reason_name(BatchReason reason) {
  switch (reason) {
    case BatchReason::kAll:
      return "all";
    case BatchReason::kMaxRows:
      return "max_rows";
    case BatchReason::kLatency:
      return "latency";
    case BatchReason::kThroughput:
      return "throughput";
    case BatchReason::kDeadline:
      return "deadline";
    case BatchReason::kAlone:
      return "alone";
    case BatchReason::kAtOnce:
      return "at_once";
  }
  return "";
}

BatchDecision decide_batch(const PolicyState& state) noexcept {
  const CostEstimate& cost = state.cost;
  auto decide = [&](int64_t rows, BatchReason reason) {
    return BatchDecision{rows, reason, cost.batch_ns(std::min(rows, state.waiting_rows))};
  };
  if (state.head_rows >= state.max_batch_rows) return decide(state.head_rows, BatchReason::kAlone);

  int64_t rows = std::min(state.waiting_rows, state.max_batch_rows);
  BatchReason reason = rows < state.waiting_rows ? BatchReason::kMaxRows : BatchReason::kAll;
  if (!cost.known) return decide(rows, reason);

  const double slo_ns = static_cast<double>(state.latency_slo_ns);
  const int64_t cap = rows_within(slo_ns / 2, cost, state.max_batch_rows);
  if (cap < rows) {
    // Time to clear the backlog in slices of `cap` by all executors, the last row included.
    const double slices = static_cast<double>((state.waiting_rows + cap - 1) / cap);
    const double rounds = std::max(1.0, slices / state.executors);
    const double waited = static_cast<double>(std::max<int64_t>(0, state.now_ns - state.oldest_arrival_ns));
    if (waited + rounds * cost.careful_ns(cap) <= slo_ns) {
      rows = cap;
      reason = BatchReason::kLatency;
    } else {
      reason = BatchReason::kThroughput;
    }
  }
  if (state.head_deadline_ns != kNever) {
    const double slack = static_cast<double>(state.head_deadline_ns - state.now_ns);
    const int64_t in_time = std::max(state.head_rows, rows_within(slack, cost, state.max_batch_rows));
    if (in_time < rows) {
      rows = in_time;
      reason = BatchReason::kDeadline;
    }
  }
  if (rows < state.head_rows) rows = state.head_rows;
  return decide(rows, reason);
}

bool runs_at_once(int64_t rows, int64_t max_batch_rows, const CostEstimate& cost) noexcept {
  return rows <= std::min(kAtOnceRows, max_batch_rows) && cost.known && cost.batch_ns(rows) <= kAtOnceNs;
}

bool misses_deadline(int64_t now_ns, int64_t deadline_ns, int64_t rows, int64_t max_batch_rows,
                     const CostEstimate& cost) noexcept {
  if (deadline_ns == kNever) return false;
  if (now_ns >= deadline_ns) return true;
  if (!cost.known) return false;
  const int64_t slices = (rows + max_batch_rows - 1) / max_batch_rows;
  const double needed = cost.base_ns * static_cast<double>(slices) + cost.row_ns * static_cast<double>(rows);
  return static_cast<double>(deadline_ns - now_ns) < needed;
}

Urgency urgency_of(int32_t priority, int64_t arrival_ns, int64_t deadline_ns, int64_t now_ns,
                   int64_t promote_after_ns) noexcept {
  const bool promoted = priority > 0 && now_ns - arrival_ns >= priority * promote_after_ns;
  const int64_t due = deadline_ns != kNever ? deadline_ns : arrival_ns + kUndatedPatienceNs;
  return {promoted ? 0 : priority, due};
}

}  // namespace penstock
