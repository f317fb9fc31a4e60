#include "queue/target.h"

#include <chrono>

namespace penstock {
namespace {

std::atomic<uint64_t> next_serial{1};

}  // namespace

Target::Target(std::string model, int64_t version, Signature signature, std::shared_ptr<Intake> intake,
               std::shared_ptr<const Runner> runner, std::shared_ptr<BatchObserver> observer, bool wants_ids)
    : model_(std::move(model)),
      version_(version),
      serial_(next_serial.fetch_add(1, std::memory_order_relaxed)),
      version_text_(std::to_string(version)),
      signature_(std::move(signature)),
      intake_(std::move(intake)),
      runner_(std::move(runner)),
      observer_(std::move(observer)),
      wants_ids_(wants_ids),
      refusals_((signature_.inputs.size() + 1) * kRefusalReasonCount) {}

// acquire() and retire() each write their own word, then read the other's: with sequential consistency at
// least one of them sees the other, so no hold is taken after wait_drained() saw none.
bool Target::acquire() {
  holds_.fetch_add(1, std::memory_order_seq_cst);
  if (!retired_.load(std::memory_order_seq_cst)) return true;
  release();
  return false;
}

void Target::release() {
  if (holds_.fetch_sub(1, std::memory_order_seq_cst) == 1 && retired_.load(std::memory_order_seq_cst)) {
    std::lock_guard<std::mutex> guard(drain_mutex_);
    drained_.notify_all();
  }
}

void Target::retire() { retired_.store(true, std::memory_order_seq_cst); }

bool Target::wait_drained(int64_t timeout_ns) {
  std::unique_lock<std::mutex> lock(drain_mutex_);
  return drained_.wait_for(lock, std::chrono::nanoseconds(timeout_ns),
                           [this] { return holds_.load(std::memory_order_seq_cst) == 0; });
}

void Target::learn(int64_t rows, double ns) {
  std::lock_guard<std::mutex> guard(statistics_mutex_);
  cost_.observe(rows, ns);
}

CostEstimate Target::cost() const {
  std::lock_guard<std::mutex> guard(statistics_mutex_);
  return cost_.estimate();
}

TargetStatistics Target::statistics() const {
  std::lock_guard<std::mutex> guard(statistics_mutex_);
  TargetStatistics copy = statistics_;
  copy.cost = cost_.estimate();
  for (size_t i = 0; i < kCodeCount; ++i) copy.requests[i] = requests_[i].load(std::memory_order_relaxed);
  const int inputs = static_cast<int>(signature_.inputs.size());
  for (int input = 0; input <= inputs; ++input) {
    for (size_t i = 0; i < kRefusalReasonCount; ++i) {
      const Refusal refusal{static_cast<RefusalReason>(i), input < inputs ? input : Refusal::kNoInput};
      const uint64_t count = refusals_[refusal_cell(refusal)].load(std::memory_order_relaxed);
      if (count > 0) copy.refusals.push_back({refusal, count});
    }
  }
  return copy;
}

}  // namespace penstock
