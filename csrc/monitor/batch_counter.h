// Counts the answers of a compiled model on the thread that gave them.
#ifndef PENSTOCK_MONITOR_BATCH_COUNTER_H_
#define PENSTOCK_MONITOR_BATCH_COUNTER_H_

#include <atomic>
#include <cstdint>
#include <limits>
#include <memory>
#include <mutex>
#include <vector>

#include "monitor/accumulator.h"
#include "queue/batch_observer.h"

namespace penstock {

// Where a feature lies among the tensors of a model.
struct FeaturePlace {
  bool is_output = false;
  size_t tensor = 0;               // in the order of the signature
  size_t first_byte = 0;           // of row 0; not of texts
  size_t row_bytes = 0;            // from one row to the next; not of texts
  Layout layout = Layout::kFloat;  // kTextRefs: length-prefixed texts
};

// Any thread may call anything.
class BatchCounter : public BatchObserver {
 public:
  // Counts from here on: one place for each layout of the accumulator. Tells once `full_rows` were seen.
  void count(std::shared_ptr<Accumulator> accumulator, std::vector<FeaturePlace> places, int64_t full_rows);

  // Others want the rows too, whom only an executor can show them: nothing is seen here meanwhile.
  void hand_on(bool others) { hands_on_.store(others, std::memory_order_relaxed); }

  // Rows that were seen since the last call; never more than have been counted.
  int64_t take_rows();

  Observed observe(const std::vector<BatchInput>& inputs, const std::vector<OutputColumn>& outputs,
                   int64_t rows) noexcept override;

 private:
  struct Counting {
    std::shared_ptr<Accumulator> accumulator;
    std::vector<FeaturePlace> places;
    int64_t full_rows = std::numeric_limits<int64_t>::max();
  };

  std::shared_ptr<const Counting> counting() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return counting_;
  }

  std::mutex mutex_;
  std::shared_ptr<const Counting> counting_;
  std::atomic<bool> hands_on_{false};
  std::atomic<int64_t> rows_{0};
};

}  // namespace penstock

#endif  // PENSTOCK_MONITOR_BATCH_COUNTER_H_
