#include "queue/queue.h"

#include <algorithm>
#include <chrono>
#include <new>
#include <utility>

namespace penstock {
namespace {

constexpr size_t kKeptGroups = 8;
constexpr size_t kMostAnswered = 256;
constexpr size_t kManyAnswered = kMostAnswered / 2;
constexpr int64_t kObserveAfterNs = 20'000'000;
constexpr int32_t kForetoldDropsInARow = 16;

void answer(Request* request, const Status& status) {
  const TargetHold hold = std::move(request->target);
  hold->count(status.code);
  request->fail(status);
}

Status expired() { return {Code::kDeadlineExceeded, "deadline exceeded before the request ran", {}}; }

}  // namespace

int32_t Queue::Group::head_level() const {
  int32_t level = 0;
  while (levels[static_cast<size_t>(level)].empty()) ++level;
  return level;
}

Queue::Queue(QueueSettings settings) : settings_(settings), pool_(std::make_shared<BufferPool>()) {}

Queue::~Queue() { close(); }

int64_t Queue::waiting_rows() const {
  std::lock_guard<std::mutex> guard(mutex_);
  return rows_;
}

Queue::Group& Queue::group_of(const Request& request) {
  for (auto& group : groups_) {
    if (group->target == request.target.get() && group->variable_dims == request.bound.variable_dims)
      return *group;
  }
  if (groups_.size() >= kKeptGroups) {
    groups_.erase(std::remove_if(groups_.begin(), groups_.end(), [](auto& group) { return group->empty(); }),
                  groups_.end());
  }
  auto group = std::make_unique<Group>();
  group->target = request.target.get();
  group->variable_dims = request.bound.variable_dims;
  return *groups_.emplace_back(std::move(group));
}

void Queue::insert(Group* group, int32_t level, Request* request) {
  std::deque<Request*>& line = group->levels[static_cast<size_t>(level)];
  int64_t& oldest = group->oldest_ns[static_cast<size_t>(level)];
  oldest = line.empty() ? request->arrival_ns : std::min(oldest, request->arrival_ns);
  if (line.empty() || line.back()->due_ns_ <= request->due_ns_) {
    line.push_back(request);
  } else {
    const auto later = [](const Request* a, const Request* b) { return a->due_ns_ < b->due_ns_; };
    line.insert(std::upper_bound(line.begin(), line.end(), request, later), request);
  }
}

void Queue::remove_rows(Group* group, const Request& request) {
  group->rows -= request.bound.rows;
  rows_ -= request.bound.rows;
}

bool Queue::drop_if_useless(Request* request, const CostEstimate& cost, int64_t now) {
  const int64_t slice = request->target->signature().batched ? settings_.max_batch_rows : 1;
  if (misses_deadline(now, request->deadline_ns, request->bound.rows, slice, cost)) {
    const bool foretold = now < request->deadline_ns;
    if (!foretold || foretold_drops_++ < kForetoldDropsInARow) {
      dropped_.push_back({request, expired()});
      return true;
    }
  }
  if (request->withdrawn()) {
    dropped_.push_back({request, {Code::kCancelled, "the request was withdrawn", {}}});
    return true;
  }
  return false;
}

// Makes room: takes off the queue what nobody waits for any more.
void Queue::purge(int64_t now) {
  for (auto& group : groups_) {
    for (auto& line : group->levels) {
      const auto useless = [&](Request* request) {
        if (!drop_if_useless(request, CostEstimate{}, now)) return false;
        remove_rows(group.get(), *request);
        return true;
      };
      line.erase(std::remove_if(line.begin(), line.end(), useless), line.end());
    }
  }
}

bool Queue::admit(Request* request, int64_t now, Status* refusal) {
  if (closed_) {
    *refusal = {Code::kUnavailable, "model \"" + request->target->model() + "\" is not ready: unloaded", {}};
    return false;
  }
  if (request->deadline_ns != kNever && now >= request->deadline_ns) {
    *refusal = expired();
    return false;
  }
  const int64_t rows = request->bound.rows;
  if (rows_ > 0 && rows_ + rows > settings_.max_queue_rows) purge(now);
  if (rows_ > 0 && rows_ + rows > settings_.max_queue_rows) {
    *refusal = {Code::kResourceExhausted,
                "queue of model \"" + request->target->model() + "\" is full: " + std::to_string(rows_) +
                    " rows queued, limit " + std::to_string(settings_.max_queue_rows),
                {}};
    return false;
  }
  const Urgency urgency = urgency_of(request->priority, request->arrival_ns, request->deadline_ns, now,
                                     settings_.promote_after_ns);
  request->due_ns_ = urgency.due_ns;
  Group& group = group_of(*request);
  insert(&group, urgency.level, request);
  group.rows += rows;
  rows_ += rows;
  return true;
}

bool Queue::run_at_once(Request* const* requests, size_t count) {
  const Request& first = *requests[0];
  Target* target = first.target.get();
  if (target->runner() == nullptr) return false;
  int64_t rows = 0;
  const int64_t now = now_ns();
  for (size_t i = 0; i < count; ++i) {
    const Request& request = *requests[i];
    if (request.target.get() != target || request.needs_gil() || request.withdrawn() ||
        request.deadline_ns <= now || request.bound.variable_dims != first.bound.variable_dims) {
      return false;
    }
    rows += request.bound.rows;
  }
  const CostEstimate cost = target->cost();
  if (!runs_at_once(rows, settings_.max_batch_rows, cost)) return false;
  {
    std::lock_guard<std::mutex> guard(mutex_);
    if (closed_ || rows_ > 0 || !dropped_.empty() || answered_.size() >= kMostAnswered) return false;
  }
  auto batch = std::make_unique<Batch>(TargetHold::share(first.target),
                                       std::vector<Request*>(requests, requests + count), rows,
                                       BatchDecision{rows, BatchReason::kAtOnce, cost.batch_ns(rows)});
  if (!gather_and_run(batch.get())) {
    batch->release();
    return false;
  }
  if (batch->observe()) return true;
  std::lock_guard<std::mutex> guard(mutex_);
  if (closed_) return true;  // the executors may have gone
  answered_.push_back(std::move(batch));
  if (answered_.size() == 1) observe_at_ns_ = now + kObserveAfterNs;
  if (idle_ > 0 && (answered_.size() == 1 || answered_.size() == kManyAnswered)) ready_.notify_one();
  return true;
}

bool Queue::gather_and_run(Batch* batch) {
  try {
    batch->gather(pool_.get());
  } catch (const std::bad_alloc&) {
    return false;
  }
  return batch->run(pool_.get());
}

std::unique_ptr<Batch> Queue::answered_batch(int64_t now) {
  if (answered_.empty() || (now < observe_at_ns_ && !closed_ && answered_.size() < kManyAnswered)) {
    return nullptr;
  }
  observe_at_ns_ = 0;  // and so are the others
  std::unique_ptr<Batch> batch = std::move(answered_.front());
  answered_.pop_front();
  return batch;
}

void Queue::submit(Request* const* requests, size_t count) {
  if (count == 0 || run_at_once(requests, count)) return;
  std::vector<Dropped> refused;
  {
    std::lock_guard<std::mutex> guard(mutex_);
    const int64_t now = now_ns();
    for (size_t i = 0; i < count; ++i) {
      Status refusal;
      if (!admit(requests[i], now, &refusal)) refused.push_back({requests[i], std::move(refusal)});
    }
    if (idle_ > 0 && (rows_ > 0 || !dropped_.empty())) {
      if (rows_ > settings_.max_batch_rows && idle_ > 1) {
        ready_.notify_all();
      } else {
        ready_.notify_one();
      }
    }
  }
  for (const Dropped& drop : refused) answer(drop.request, drop.status);
}

void Queue::promote(Group* group, int64_t now) {
  for (int32_t level = 1; level < kLevels; ++level) {
    auto& line = group->levels[static_cast<size_t>(level)];
    int64_t& oldest = group->oldest_ns[static_cast<size_t>(level)];
    if (line.empty() || now - oldest < level * settings_.promote_after_ns) continue;
    std::vector<Request*> promoted;
    int64_t remaining = kNever;
    const auto rises = [&](Request* request) {
      const Urgency urgency = urgency_of(request->priority, request->arrival_ns, request->deadline_ns, now,
                                         settings_.promote_after_ns);
      if (urgency.level == 0) {
        promoted.push_back(request);
        return true;
      }
      remaining = std::min(remaining, request->arrival_ns);
      return false;
    };
    line.erase(std::remove_if(line.begin(), line.end(), rises), line.end());
    oldest = remaining;
    for (Request* request : promoted) insert(group, 0, request);
  }
}

Queue::Group* Queue::most_urgent() {
  Group* best = nullptr;
  const auto key = [](const Group& group) {
    const int32_t level = group.head_level();
    return std::make_pair(level, group.levels[static_cast<size_t>(level)].front()->due_ns_);
  };
  for (auto& group : groups_) {
    if (group->empty()) continue;
    if (best == nullptr || key(*group) < key(*best)) best = group.get();
  }
  return best;
}

// Null when all that was taken off turned out to be useless.
std::unique_ptr<Batch> Queue::compose(Group* group, int64_t now) {
  auto pop = [group]() {
    auto& line = group->levels[static_cast<size_t>(group->head_level())];
    Request* request = line.front();
    line.pop_front();
    return request;
  };
  auto head = [group]() { return group->levels[static_cast<size_t>(group->head_level())].front(); };

  const CostEstimate cost = head()->target->cost();
  while (!group->empty() && drop_if_useless(head(), cost, now)) remove_rows(group, *pop());
  if (group->empty()) return nullptr;

  const Request* first = head();
  PolicyState state;
  state.now_ns = now;
  state.waiting_rows = group->rows;
  state.head_rows = first->bound.rows;
  state.oldest_arrival_ns = first->arrival_ns;
  state.head_deadline_ns = first->deadline_ns;
  state.executors = settings_.executors;
  state.max_batch_rows = first->target->signature().batched ? settings_.max_batch_rows : 1;
  state.latency_slo_ns = settings_.latency_slo_ns;
  state.cost = cost;
  const BatchDecision decision = decide_batch(state);

  std::vector<Request*> taken;
  taken.reserve(static_cast<size_t>(std::min<int64_t>({decision.max_rows, group->rows, 1024})));
  int64_t rows = 0;
  TargetHold hold = TargetHold::share(first->target);
  while (!group->empty() && rows + head()->bound.rows <= decision.max_rows) {
    Request* request = pop();
    remove_rows(group, *request);
    if (drop_if_useless(request, cost, now)) {
      // The decision was made for the first request; without it another is to be made.
      if (taken.empty()) return nullptr;
      continue;
    }
    rows += request->bound.rows;
    taken.push_back(request);
  }
  foretold_drops_ = 0;
  return std::make_unique<Batch>(std::move(hold), std::move(taken), rows, decision);
}

void Queue::answer_dropped(std::unique_lock<std::mutex>* lock) {
  std::vector<Dropped> dropped;
  dropped.swap(dropped_);
  lock->unlock();
  for (const Dropped& drop : dropped) answer(drop.request, drop.status);
  lock->lock();
}

std::unique_ptr<Batch> Queue::next() {
  std::unique_lock<std::mutex> lock(mutex_);
  for (;;) {
    std::unique_ptr<Batch> batch;
    const int64_t now = now_ns();
    // Neither those who wait nor those who watch wait for the other.
    if (!std::exchange(observed_last_, false) || rows_ == 0) {
      if (auto answered = answered_batch(now)) {
        observed_last_ = true;
        return answered;
      }
    }
    if (!closed_ && rows_ > 0) {
      for (auto& group : groups_) promote(group.get(), now);
      if (Group* group = most_urgent()) batch = compose(group, now);
      // What is left over may keep another executor busy.
      if (batch != nullptr && rows_ > 0 && idle_ > 0) ready_.notify_one();
    }
    if (!dropped_.empty()) answer_dropped(&lock);
    if (batch != nullptr) {
      lock.unlock();
      batch->gather(pool_.get());
      const bool is_answered = batch->target().runner() != nullptr && batch->run(pool_.get());
      if (!is_answered || !batch->observe()) return batch;
      batch.reset();
      lock.lock();
      continue;
    }
    if (closed_) return nullptr;
    if (rows_ > 0 || !dropped_.empty()) continue;
    ++idle_;
    const auto wanted = [this] {
      return closed_ || rows_ > 0 || !dropped_.empty() || answered_.size() >= kManyAnswered;
    };
    if (answered_.empty()) {
      ready_.wait(lock, [&] { return wanted() || !answered_.empty(); });
    } else {
      ready_.wait_for(lock, std::chrono::nanoseconds(observe_at_ns_ - now), wanted);
    }
    --idle_;
  }
}

void Queue::close() {
  std::unique_lock<std::mutex> lock(mutex_);
  closed_ = true;
  for (auto& group : groups_) {
    for (auto& line : group->levels) {
      for (Request* request : line) {
        dropped_.push_back(
            {request,
             {Code::kUnavailable, "model \"" + request->target->model() + "\" is not ready: unloaded", {}}});
      }
      line.clear();
    }
    group->rows = 0;
  }
  rows_ = 0;
  ready_.notify_all();
  answer_dropped(&lock);
}

}  // namespace penstock
