// One loaded version of a model, as fronts and queues see it.
//
// A request holds the target that it was bound to from admission to answer, so a swap never changes the model
// under a request, and the version can be closed when the last hold is gone: retire(), then wait_drained().
// Thread-safe throughout.
#ifndef PENSTOCK_QUEUE_TARGET_H_
#define PENSTOCK_QUEUE_TARGET_H_

#include <array>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "queue/batch_observer.h"
#include "queue/cost_model.h"
#include "queue/histogram.h"
#include "queue/policy.h"
#include "wire/refusal.h"
#include "wire/signature.h"
#include "wire/status.h"

namespace penstock {

class Request;
class Runner;

// Where requests of a deployment go.
class Intake {
 public:
  virtual ~Intake() = default;
  // Takes `count` requests, each with its target held. Every one is answered exactly once, possibly before
  // this returns. Any thread; never waits for a batch and never takes the GIL.
  virtual void submit(Request* const* requests, size_t count) = 0;
};

inline constexpr size_t kReasonCount = 7;

// How often requests were refused for one reason.
struct RefusalCount {
  Refusal refusal;
  uint64_t count = 0;
};

// What a target did since it was loaded.
struct TargetStatistics {
  std::array<uint64_t, kCodeCount> requests{};     // by answer
  std::array<uint64_t, kReasonCount> decisions{};  // batches by BatchReason
  uint64_t rows = 0;                               // answered kOk
  uint64_t batches = 0;
  int64_t last_inference_ms = 0;                 // since the epoch, 0 before the first
  SecondsHistogram queue_s{kSecondsBounds};      // from arrival to the start of the batch
  SecondsHistogram execution_s{kSecondsBounds};  // a batch
  SecondsHistogram request_s{kSecondsBounds};    // from arrival to the answer
  RowsHistogram batch_rows{kRowsBounds};
  CostEstimate cost;
  std::vector<RefusalCount> refusals;  // those that happened, by input, then by reason
};

class Target {
 public:
  // A `runner` answers requests without Python; null where there is none. `observer` sees what it answers,
  // and `wants_ids` says that it may want to know what clients call their requests.
  Target(std::string model, int64_t version, Signature signature, std::shared_ptr<Intake> intake,
         std::shared_ptr<const Runner> runner = nullptr, std::shared_ptr<BatchObserver> observer = nullptr,
         bool wants_ids = false);

  const std::string& model() const { return model_; }
  int64_t version() const { return version_; }
  // No other target of this process has or had it.
  uint64_t serial() const { return serial_; }
  const std::string& version_text() const { return version_text_; }
  const Signature& signature() const { return signature_; }
  const std::shared_ptr<Intake>& intake() const { return intake_; }
  const Runner* runner() const { return runner_.get(); }
  BatchObserver* observer() const { return observer_.get(); }
  bool wants_ids() const { return wants_ids_; }

  // No new holds from here on; those that exist go on.
  void retire();
  // True when no hold is left; false when `timeout_ns` passed first.
  bool wait_drained(int64_t timeout_ns);
  int64_t holds() const { return holds_.load(std::memory_order_acquire); }

  void count(Code code) { requests_[static_cast<size_t>(code)].fetch_add(1, std::memory_order_relaxed); }
  // Counts a request that was answered kInvalidArgument before it was queued.
  void refuse(Refusal refusal) {
    count(Code::kInvalidArgument);
    count_refusal(refusal);
  }
  // Counts why a request was refused, and not its answer. Input and reason are in range.
  void count_refusal(Refusal refusal) {
    refusals_[refusal_cell(refusal)].fetch_add(1, std::memory_order_relaxed);
  }
  void learn(int64_t rows, double ns);
  CostEstimate cost() const;

  // Calls `record` with the statistics, which no one else sees meanwhile.
  template <typename Record>
  void record(Record record) {
    std::lock_guard<std::mutex> guard(statistics_mutex_);
    record(&statistics_);
  }
  TargetStatistics statistics() const;

 private:
  friend class TargetHold;
  bool acquire();
  void release();
  size_t refusal_cell(Refusal refusal) const {
    const size_t row =
        refusal.input == Refusal::kNoInput ? signature_.inputs.size() : static_cast<size_t>(refusal.input);
    return row * kRefusalReasonCount + static_cast<size_t>(refusal.reason);
  }

  const std::string model_;
  const int64_t version_;
  const uint64_t serial_;
  const std::string version_text_;
  const Signature signature_;
  const std::shared_ptr<Intake> intake_;
  const std::shared_ptr<const Runner> runner_;
  const std::shared_ptr<BatchObserver> observer_;
  const bool wants_ids_;

  std::atomic<int64_t> holds_{0};
  std::atomic<bool> retired_{false};
  std::mutex drain_mutex_;
  std::condition_variable drained_;

  std::array<std::atomic<uint64_t>, kCodeCount> requests_{};
  std::vector<std::atomic<uint64_t>> refusals_;  // a row an input, and one for none; a column a reason
  mutable std::mutex statistics_mutex_;
  TargetStatistics statistics_;
  CostModel cost_;
};

// Keeps a target from being closed. Movable, not copyable.
class TargetHold {
 public:
  TargetHold() = default;
  // Empty when the target is retired.
  static TargetHold of(const std::shared_ptr<Target>& target) {
    TargetHold hold;
    if (target->acquire()) hold.target_ = target;
    return hold;
  }
  // One more hold beside an existing one; never empty.
  static TargetHold share(const TargetHold& other) {
    TargetHold hold;
    other.target_->holds_.fetch_add(1, std::memory_order_relaxed);
    hold.target_ = other.target_;
    return hold;
  }
  TargetHold(TargetHold&& other) noexcept : target_(std::move(other.target_)) { other.target_.reset(); }
  TargetHold& operator=(TargetHold&& other) noexcept {
    if (this != &other) {
      reset();
      target_ = std::move(other.target_);
      other.target_.reset();
    }
    return *this;
  }
  ~TargetHold() { reset(); }

  void reset() {
    if (target_) target_->release();
    target_.reset();
  }
  explicit operator bool() const { return target_ != nullptr; }
  Target* operator->() const { return target_.get(); }
  Target* get() const { return target_.get(); }
  const std::shared_ptr<Target>& shared() const { return target_; }

 private:
  std::shared_ptr<Target> target_;
};

}  // namespace penstock

#endif  // PENSTOCK_QUEUE_TARGET_H_
