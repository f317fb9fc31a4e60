// Runs batches without Python: what a target has whose pipeline is compiled from end to end.
#ifndef PENSTOCK_QUEUE_RUNNER_H_
#define PENSTOCK_QUEUE_RUNNER_H_

#include <cstdint>
#include <vector>

#include "queue/buffer_pool.h"
#include "wire/infer_response.h"

namespace penstock {

// One gathered input. Numbers are row-major at `buffer`; BYTES are the length-prefixed elements, end to end.
struct BatchInput {
  BufferPool::Buffer buffer;
  size_t size_bytes = 0;
  std::vector<int64_t> shape;  // shape[0] is the rows of the batch when the model is batched
};

// What a run gave, in the order of the signature, and the memory that it lies in.
struct RunOutputs {
  std::vector<OutputColumn> columns;
  std::vector<BufferPool::Buffer> buffers;
};

// Immutable; any thread, never the GIL.
class Runner {
 public:
  virtual ~Runner() = default;
  // False where it cannot run such inputs: an executor says why. Throws std::bad_alloc.
  virtual bool run(const std::vector<BatchInput>& inputs, int64_t rows, BufferPool* pool,
                   RunOutputs* outputs) const = 0;
};

}  // namespace penstock

#endif  // PENSTOCK_QUEUE_RUNNER_H_
