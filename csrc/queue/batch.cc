#include "queue/batch.h"

#include <chrono>
#include <cstring>
#include <new>
#include <utility>

namespace penstock {

Batch::Batch(TargetHold target, std::vector<Request*> requests, int64_t rows, BatchDecision decision)
    : target_(std::move(target)),
      requests_(std::move(requests)),
      rows_(rows),
      started_ns_(now_ns()),
      decision_(decision) {}

Batch::~Batch() { fail({Code::kInternal, "inference failed", "the batch was not answered"}); }

void Batch::gather(BufferPool* pool) {
  started_ns_ = now_ns();
  const Signature& signature = target_->signature();
  inputs_.resize(signature.inputs.size());
  size_t variable = 0;
  for (size_t i = 0; i < inputs_.size(); ++i) {
    BatchInput& input = inputs_[i];
    const TensorSpec& spec = signature.inputs[i];
    for (const Request* request : requests_) input.size_bytes += request->bound.inputs[i].size_bytes;
    input.buffer = pool->take(input.size_bytes);
    uint8_t* out = input.buffer.data();
    for (const Request* request : requests_) {
      const BoundInput& from = request->bound.inputs[i];
      if (from.size_bytes > 0) std::memcpy(out, from.data, from.size_bytes);
      out += from.size_bytes;
    }
    input.shape = spec.shape;
    for (size_t d = 0; d < spec.shape.size(); ++d) {
      if (signature.batched && d == 0) {
        input.shape[0] = rows_;
      } else if (spec.shape[d] < 0) {
        input.shape[d] = requests_.front()->bound.variable_dims[variable++];
      }
    }
  }
}

void Batch::record(int64_t end_ns) {
  const double execution_ns = static_cast<double>(end_ns - started_ns_);
  target_->record([&](TargetStatistics* statistics) {
    statistics->batches += 1;
    statistics->decisions[static_cast<size_t>(decision_.reason)] += 1;
    statistics->execution_s.add(execution_ns * 1e-9);
    statistics->batch_rows.add(static_cast<double>(rows_));
    for (const Request* request : requests_) {
      statistics->queue_s.add(static_cast<double>(started_ns_ - request->arrival_ns) * 1e-9);
      statistics->request_s.add(static_cast<double>(end_ns - request->arrival_ns) * 1e-9);
    }
  });
}

void Batch::complete(BatchOutputs* outputs) {
  outputs->signature = &target_->signature();
  outputs->model = target_->model();
  outputs->version = target_->version_text();
  const int64_t end_ns = now_ns();
  record(end_ns);
  // What a run without an executor took says nothing of those with one.
  if (decision_.reason != BatchReason::kAtOnce) {
    target_->learn(rows_, static_cast<double>(end_ns - started_ns_));
  }
  target_->record([&](TargetStatistics* statistics) {
    statistics->rows += static_cast<uint64_t>(rows_);
    statistics->last_inference_ms = std::chrono::duration_cast<std::chrono::milliseconds>(
                                        std::chrono::system_clock::now().time_since_epoch())
                                        .count();
  });
  std::vector<Request*> requests = std::move(requests_);
  requests_.clear();
  for (const bool with_gil : {false, true}) {
    int64_t row = 0;
    for (Request*& request : requests) {
      const int64_t first = row;
      // A request that was answered in the first pass is gone: its rows are kept in first_rows_.
      if (!with_gil) {
        row += request->bound.rows;
        first_rows_.push_back(first);
        if (request->needs_gil()) continue;
      } else if (request == nullptr) {
        continue;
      }
      const TargetHold hold = std::move(request->target);
      hold->count(Code::kOk);
      request->deliver(*outputs, first_rows_[static_cast<size_t>(&request - requests.data())]);
      request = nullptr;
    }
  }
}

bool Batch::run(BufferPool* pool) {
  try {
    if (!target_->runner()->run(inputs_, rows_, pool, &outputs_)) return false;
    if (target_->wants_ids()) {
      for (const Request* request : requests_) {
        answered_ids_.emplace_back(request->client_id(), request->bound.rows);
      }
    }
  } catch (const std::bad_alloc&) {
    return false;
  }
  BatchOutputs answer;
  answer.columns = outputs_.columns;
  complete(&answer);
  return true;
}

bool Batch::observe() {
  BatchObserver* observer = target_->observer();
  const Observed observed =
      observer == nullptr ? Observed::kSeen : observer->observe(inputs_, outputs_.columns, rows_);
  is_seen_ = observed != Observed::kNotSeen;
  return observed == Observed::kSeen;
}

std::vector<Request*> Batch::release() {
  std::vector<Request*> requests = std::move(requests_);
  requests_.clear();
  return requests;
}

std::vector<std::unique_ptr<Batch>> Batch::split() {
  const auto middle = requests_.begin() + static_cast<std::ptrdiff_t>(requests_.size() / 2);
  std::vector<std::unique_ptr<Batch>> halves;
  for (std::vector<Request*> half :
       {std::vector<Request*>(requests_.begin(), middle), std::vector<Request*>(middle, requests_.end())}) {
    int64_t rows = 0;
    for (const Request* request : half) rows += request->bound.rows;
    const BatchReason reason = half.size() == 1 ? BatchReason::kAlone : decision_.reason;
    halves.push_back(std::make_unique<Batch>(TargetHold::share(target_), std::move(half), rows,
                                             BatchDecision{rows, reason, 0}));
  }
  requests_.clear();
  return halves;
}

void Batch::fail(const Status& status) {
  if (requests_.empty()) return;
  record(now_ns());
  std::vector<Request*> requests = std::move(requests_);
  requests_.clear();
  for (const bool with_gil : {false, true}) {
    for (Request*& request : requests) {
      if (request == nullptr || request->needs_gil() != with_gil) continue;
      const TargetHold hold = std::move(request->target);
      hold->count(status.code);
      request->fail(status);
      request = nullptr;
    }
  }
}

}  // namespace penstock
