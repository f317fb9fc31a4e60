// A forest that answers requests by itself: one matrix in, scores and labels out.
#ifndef PENSTOCK_FOREST_RUNNER_H_
#define PENSTOCK_FOREST_RUNNER_H_

#include <memory>
#include <utility>
#include <vector>

#include "forest/forest.h"
#include "queue/runner.h"

namespace penstock {

class ForestRunner : public Runner {
 public:
  // `labels` tells for each output of the signature whether it is the label or the scores.
  ForestRunner(std::shared_ptr<const Forest> forest, std::vector<bool> labels)
      : forest_(std::move(forest)), labels_(std::move(labels)) {}

  bool run(const std::vector<BatchInput>& inputs, int64_t rows, BufferPool* pool,
           RunOutputs* outputs) const override;

 private:
  const std::shared_ptr<const Forest> forest_;
  const std::vector<bool> labels_;
};

}  // namespace penstock

#endif  // PENSTOCK_FOREST_RUNNER_H_
