// Rows of several requests as contiguous columns, with the requests that they came from.
#ifndef PENSTOCK_QUEUE_BATCH_H_
#define PENSTOCK_QUEUE_BATCH_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "queue/buffer_pool.h"
#include "queue/policy.h"
#include "queue/request.h"
#include "queue/target.h"

namespace penstock {

// One gathered input. Numbers are row-major at `buffer`; BYTES are the length-prefixed elements, end to end.
struct BatchInput {
  BufferPool::Buffer buffer;
  size_t size_bytes = 0;
  std::vector<int64_t> shape;  // shape[0] is the rows of the batch when the model is batched
};

// Owned by the executor that runs it. Answer it with complete() or fail(), once; a batch that goes without
// either answers its requests with kInternal, so that none is lost.
class Batch {
 public:
  Batch(TargetHold target, std::vector<Request*> requests, int64_t rows, BatchDecision decision);
  ~Batch();
  Batch(const Batch&) = delete;
  Batch& operator=(const Batch&) = delete;

  // Copies the rows of all requests together, and starts the clock of the batch. Throws std::bad_alloc.
  void gather(BufferPool* pool);

  Target& target() const { return *target_.get(); }
  int64_t rows() const { return rows_; }
  size_t request_count() const { return requests_.size(); }
  const BatchDecision& decision() const { return decision_; }
  const std::vector<BatchInput>& inputs() const { return inputs_; }
  // In the order of their rows; empty once it is answered.
  const std::vector<Request*>& requests() const { return requests_; }

  // Slices the outputs, encodes and sends each answer, and teaches the target what the batch cost.
  // `outputs` needs its columns only; the rest is filled in. Called without the GIL.
  void complete(BatchOutputs* outputs);
  // Teaches nothing: how long a failure took says little of a success.
  void fail(const Status& status);

  // Takes two or more requests apart into two batches, not gathered yet: what failed together is run again in
  // halves, so that one bad request fails no other and costs few runs. This batch is empty afterwards.
  std::vector<std::unique_ptr<Batch>> split();

 private:
  void record(int64_t end_ns);

  TargetHold target_;
  std::vector<Request*> requests_;
  std::vector<int64_t> first_rows_;
  int64_t rows_;
  int64_t started_ns_;
  BatchDecision decision_;
  std::vector<BatchInput> inputs_;
};

}  // namespace penstock

#endif  // PENSTOCK_QUEUE_BATCH_H_
