// Rows of several requests as contiguous columns, with the requests that they came from.
#ifndef PENSTOCK_QUEUE_BATCH_H_
#define PENSTOCK_QUEUE_BATCH_H_

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "queue/buffer_pool.h"
#include "queue/policy.h"
#include "queue/request.h"
#include "queue/runner.h"
#include "queue/target.h"

namespace penstock {

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
  // Runs the gathered batch with the runner of its target and answers it; what it gave stays with it, and the
  // ids of the requests where they are wanted. False, and nothing was answered, when that cannot be.
  bool run(BufferPool* pool);
  // Shows the answered batch to the observer of its target; false when there is something left for an
  // executor to do.
  bool observe();
  // Of an answered batch that an executor gets: it was seen, and is only to be told of.
  bool is_seen() const { return is_seen_; }
  // What run() gave.
  const RunOutputs& outputs() const { return outputs_; }
  const std::vector<std::pair<std::string, int64_t>>& answered_ids() const { return answered_ids_; }
  // Gives the requests back, unanswered.
  std::vector<Request*> release();

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
  RunOutputs outputs_;
  std::vector<std::pair<std::string, int64_t>> answered_ids_;  // and the rows of each
  bool is_seen_ = false;
};

}  // namespace penstock

#endif  // PENSTOCK_QUEUE_BATCH_H_
