// A transform in front of a model, both compiled: raw columns in, answers out.
#ifndef PENSTOCK_TRANSFORM_RUNNER_H_
#define PENSTOCK_TRANSFORM_RUNNER_H_

#include <memory>
#include <utility>
#include <vector>

#include "queue/runner.h"
#include "transform/program.h"

namespace penstock {

// Cannot run rows that the transform refuses, nor what the model cannot run.
class TransformRunner : public Runner {
 public:
  // `layouts`: of each raw column; kTextRefs for length-prefixed texts. `outputs`: of the program. `fills`:
  // which input of the model each output fills, as a matrix.
  TransformRunner(std::shared_ptr<const Program> program, std::vector<Layout> layouts,
                  std::vector<OutputSpec> outputs, std::vector<size_t> fills,
                  std::shared_ptr<const Runner> model)
      : program_(std::move(program)),
        layouts_(std::move(layouts)),
        outputs_(std::move(outputs)),
        fills_(std::move(fills)),
        model_(std::move(model)) {}

  bool run(const std::vector<BatchInput>& inputs, int64_t rows, BufferPool* pool,
           RunOutputs* outputs) const override;

 private:
  const std::shared_ptr<const Program> program_;
  const std::vector<Layout> layouts_;
  const std::vector<OutputSpec> outputs_;
  const std::vector<size_t> fills_;
  const std::shared_ptr<const Runner> model_;
};

}  // namespace penstock

#endif  // PENSTOCK_TRANSFORM_RUNNER_H_
