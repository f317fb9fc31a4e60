// The queue under threads: whatever is submitted, withdrawn, late, refused or left over when it closes is
// answered exactly once, with a status that fits, and lets go of its target.
#include <atomic>
#include <chrono>
#include <map>
#include <mutex>
#include <thread>

#include "queue/queue.h"
#include "tests/fuzz.h"

namespace penstock::fuzz {
namespace {

struct Tally {
  std::atomic<int64_t> submitted{0};
  std::atomic<int64_t> answered{0};
  std::array<std::atomic<int64_t>, kCodeCount> codes{};
};

// Lives until both its maker and its answer are done with it: so that a late withdraw() is safe.
class TestRequest : public Request {
 public:
  TestRequest(Tally* tally, std::vector<float> values, bool with_gil)
      : tally_(tally), values_(std::move(values)), with_gil_(with_gil) {
    bound.inputs.push_back(
        {reinterpret_cast<const uint8_t*>(values_.data()), values_.size() * sizeof(float)});
    bound.outputs.push_back(0);
  }
  void deliver(const BatchOutputs& outputs, int64_t first_row) override {
    const OutputColumn& column = outputs.columns[0];
    const auto* got = reinterpret_cast<const float*>(column.data) + first_row;
    for (int64_t i = 0; i < bound.rows; ++i) CHECK(got[i] == values_[static_cast<size_t>(i)] + 1);
    answer(Code::kOk);
  }
  void fail(const Status& status) override {
    CHECK(!status.ok() && !status.message.empty());
    CHECK(status.code != Code::kCancelled || withdrawn());
    CHECK(status.code != Code::kDeadlineExceeded || deadline_ns != kNever);
    answer(status.code);
  }
  bool needs_gil() const override { return with_gil_; }

  void let_go() {
    if (owners_.fetch_sub(1) == 1) delete this;
  }

 private:
  void answer(Code code) {
    CHECK(!answered_.exchange(true));
    CHECK(target.get() == nullptr);
    tally_->codes[static_cast<size_t>(code)].fetch_add(1);
    tally_->answered.fetch_add(1);
    let_go();
  }

  Tally* const tally_;
  const std::vector<float> values_;
  const bool with_gil_;
  std::atomic<int> owners_{2};
  std::atomic<bool> answered_{false};
};

Signature one_column() {
  Signature signature;
  signature.inputs.push_back({"x", DataType::kFp32, {-1}});
  signature.outputs.push_back({"y", DataType::kFp32, {-1}});
  return signature;
}

// y = x + 1 where it comes in; now and then it cannot.
class AddOne : public Runner {
 public:
  bool run(const std::vector<BatchInput>& inputs, int64_t rows, BufferPool* pool,
           RunOutputs* outputs) const override {
    if (runs_.fetch_add(1) % 16 == 0) return false;
    const auto* x = reinterpret_cast<const float*>(inputs[0].buffer.data());
    outputs->buffers.push_back(pool->take(inputs[0].size_bytes));
    auto* y = reinterpret_cast<float*>(outputs->buffers[0].data());
    for (int64_t i = 0; i < rows; ++i) y[i] = x[i] + 1;
    OutputColumn column;
    column.data = outputs->buffers[0].data();
    column.size_bytes = inputs[0].size_bytes;
    column.shape = {rows};
    column.row_bytes = sizeof(float);
    outputs->columns.push_back(column);
    return true;
  }

 private:
  mutable std::atomic<uint64_t> runs_{0};
};

void check_answers(const std::vector<BatchInput>& inputs, const std::vector<OutputColumn>& outputs,
                   int64_t rows) {
  const auto* x = reinterpret_cast<const float*>(inputs[0].buffer.data());
  const auto* y = reinterpret_cast<const float*>(outputs[0].data);
  for (int64_t i = 0; i < rows; ++i) CHECK(y[i] == x[i] + 1);
}

// Leaves some batches to executors.
class Watcher : public BatchObserver {
 public:
  Observed observe(const std::vector<BatchInput>& inputs, const std::vector<OutputColumn>& outputs,
                   int64_t rows) noexcept override {
    check_answers(inputs, outputs, rows);
    constexpr Observed kTurns[] = {Observed::kSeen, Observed::kNotSeen, Observed::kTell};
    return kTurns[calls_.fetch_add(1) % 3];
  }

 private:
  std::atomic<uint64_t> calls_{0};
};

// What was answered without an executor still has its rows and its answers.
void observe(const Batch& batch) {
  CHECK(batch.request_count() == 0 && batch.rows() >= 1);
  CHECK(batch.target().observer() != nullptr);
  check_answers(batch.inputs(), batch.outputs().columns, batch.rows());
  if (!batch.target().wants_ids()) return;
  int64_t rows = 0;
  for (const auto& [id, count] : batch.answered_ids()) rows += count;
  CHECK(rows == batch.rows());
}

// y = x + 1 for a whole batch.
void complete(Batch* batch) {
  const BatchInput& input = batch->inputs()[0];
  CHECK(input.size_bytes == static_cast<size_t>(batch->rows()) * sizeof(float));
  std::vector<float> values(static_cast<size_t>(batch->rows()));
  std::memcpy(values.data(), input.buffer.data(), input.size_bytes);
  for (float& value : values) value += 1;
  BatchOutputs outputs;
  OutputColumn column;
  column.data = reinterpret_cast<const uint8_t*>(values.data());
  column.size_bytes = input.size_bytes;
  column.shape = {batch->rows()};
  column.row_bytes = sizeof(float);
  outputs.columns.push_back(column);
  batch->complete(&outputs);
}

void run(std::unique_ptr<Batch> batch, Random* random, int64_t max_batch_rows) {
  if (!batch->outputs().columns.empty()) return observe(*batch);
  CHECK(batch->rows() >= 1 && batch->request_count() >= 1);
  CHECK(batch->rows() <= max_batch_rows || batch->request_count() == 1);
  if (random->chance(0.2)) std::this_thread::sleep_for(std::chrono::microseconds(random->below(500)));
  if (random->chance(0.05)) return;  // forgotten: its requests are answered all the same
  if (random->chance(0.05)) return batch->fail({Code::kInternal, "inference failed", "on purpose"});
  if (batch->request_count() > 1 && random->chance(0.1)) {
    for (auto& part : batch->split()) {
      part->gather(std::make_shared<BufferPool>().get());
      if (random->chance(0.9)) complete(part.get());
    }
    CHECK(batch->request_count() == 0);
    return;
  }
  complete(batch.get());
}

struct Deployment {
  std::shared_ptr<Queue> queue;
  std::mutex mutex;
  std::shared_ptr<Target> target;

  std::shared_ptr<Target> current() {
    std::lock_guard<std::mutex> guard(mutex);
    return target;
  }
  std::shared_ptr<Target> swap(std::shared_ptr<Target> fresh) {
    std::lock_guard<std::mutex> guard(mutex);
    target.swap(fresh);
    return fresh;
  }
};

void submit_some(Deployment* deployment, Tally* tally, Random* random, std::vector<TestRequest*>* mine) {
  std::vector<Request*> batch;
  for (uint64_t i = random->below(8); i > 0; --i) {
    const int64_t rows = random->chance(0.02) ? random->between(1, 200) : random->between(1, 4);
    std::vector<float> values(static_cast<size_t>(rows));
    for (float& value : values) value = static_cast<float>(random->below(1000));
    TargetHold hold = TargetHold::of(deployment->current());
    if (!hold) continue;  // retired between the look and the hold
    auto* request = new TestRequest(tally, std::move(values), random->chance(0.3));
    request->target = std::move(hold);
    request->bound.rows = rows;
    request->arrival_ns = now_ns();
    request->priority = static_cast<uint8_t>(random->below(3));
    if (random->chance(0.5)) request->deadline_ns = now_ns() + random->between(-1000, 2'000'000);
    if (random->chance(0.05)) request->withdraw();
    batch.push_back(request);
    mine->push_back(request);
    tally->submitted.fetch_add(1);
  }
  deployment->queue->submit(batch.data(), batch.size());
  while (mine->size() > 64) {
    const size_t at = random->below(mine->size());
    if (random->chance(0.3)) (*mine)[at]->withdraw();
    (*mine)[at]->let_go();
    (*mine)[at] = mine->back();
    mine->pop_back();
  }
}

// One life of a queue, from its first request to the close() that answers the last.
void live(Random* random, Tally* tally) {
  QueueSettings settings;
  settings.max_batch_rows = random->between(1, 64);
  settings.max_queue_rows = random->between(1, 512);
  settings.latency_slo_ns = random->between(100'000, 20'000'000);
  settings.promote_after_ns = random->between(1, 2'000'000);
  settings.executors = static_cast<int32_t>(random->between(1, 3));
  Deployment deployment;
  deployment.queue = std::make_shared<Queue>(settings);
  const bool native = random->chance(0.5);
  const bool observed = random->chance(0.7);
  const bool wants_ids = random->chance(0.5);
  const auto make_target = [&](int64_t version) {
    const auto runner = native ? std::make_shared<AddOne>() : nullptr;
    const auto observer = observed ? std::make_shared<Watcher>() : nullptr;
    auto target = std::make_shared<Target>("model", version, one_column(), deployment.queue, runner, observer,
                                           wants_ids);
    for (int64_t rows = 1; native && rows < 64; rows *= 2) target->learn(rows, 5000);
    return target;
  };
  deployment.target = make_target(1);

  std::atomic<bool> stopping{false};
  std::vector<std::thread> executors, clients;
  for (int32_t i = 0; i < settings.executors; ++i) {
    executors.emplace_back([&, seed = random->bits()] {
      Random own(seed);
      while (auto batch = deployment.queue->next()) run(std::move(batch), &own, settings.max_batch_rows);
    });
  }
  for (int i = 0; i < 2; ++i) {
    clients.emplace_back([&, seed = random->bits()] {
      Random own(seed);
      std::vector<TestRequest*> mine;
      while (!stopping.load()) {
        submit_some(&deployment, tally, &own, &mine);
        if (own.chance(0.3)) std::this_thread::sleep_for(std::chrono::microseconds(own.below(300)));
      }
      for (TestRequest* request : mine) request->let_go();
    });
  }
  for (int64_t version = 2; version < 6; ++version) {
    std::this_thread::sleep_for(std::chrono::microseconds(random->below(20'000)));
    CHECK(deployment.queue->waiting_rows() >= 0);
    const std::shared_ptr<Target> old = deployment.swap(make_target(version));
    old->retire();
    CHECK(!TargetHold::of(old));
    CHECK(old->wait_drained(20'000'000'000));
    CHECK(old->holds() == 0);
  }
  // Closed with clients still at it, or after them.
  const bool early = random->chance(0.5);
  if (early) deployment.queue->close();
  stopping.store(true);
  for (std::thread& client : clients) client.join();
  deployment.queue->close();
  for (std::thread& executor : executors) executor.join();
  CHECK(deployment.queue->waiting_rows() == 0);
  CHECK(deployment.target->holds() == 0);
  CHECK(tally->submitted.load() == tally->answered.load());
}

}  // namespace
}  // namespace penstock::fuzz

int main(int argc, char** argv) {
  const penstock::fuzz::Options options(argc, argv);
  penstock::fuzz::Random random(options.seed);
  penstock::fuzz::Tally tally;
  const int64_t deadline = options.deadline_ns();
  while (penstock::now_ns() < deadline) penstock::fuzz::live(&random, &tally);
  std::printf("%lld requests:", static_cast<long long>(tally.answered.load()));
  for (size_t code = 0; code < tally.codes.size(); ++code) {
    if (const auto count = tally.codes[code].load())
      std::printf(" %lld of code %zu", static_cast<long long>(count), code);
  }
  std::printf("\n");
  for (const penstock::Code code :
       {penstock::Code::kOk, penstock::Code::kCancelled, penstock::Code::kDeadlineExceeded,
        penstock::Code::kResourceExhausted, penstock::Code::kInternal}) {
    CHECK(options.seconds < 5 || tally.codes[static_cast<size_t>(code)].load() > 0);
  }
  return 0;
}
