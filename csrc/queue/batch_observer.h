// Sees what was answered without Python: monitoring's side of a runner.
#ifndef PENSTOCK_QUEUE_BATCH_OBSERVER_H_
#define PENSTOCK_QUEUE_BATCH_OBSERVER_H_

#include <cstdint>
#include <vector>

#include "queue/runner.h"

namespace penstock {

enum class Observed : uint8_t {
  kSeen,     // and that is all
  kTell,     // seen; an executor is to tell the observer of the version so
  kNotSeen,  // an executor is to show it to the observer of the version
};

// Any thread, never the GIL.
class BatchObserver {
 public:
  virtual ~BatchObserver() = default;
  // Takes in rows that were answered: inputs and outputs in the order of the signature.
  virtual Observed observe(const std::vector<BatchInput>& inputs, const std::vector<OutputColumn>& outputs,
                           int64_t rows) noexcept = 0;
};

}  // namespace penstock

#endif  // PENSTOCK_QUEUE_BATCH_OBSERVER_H_
