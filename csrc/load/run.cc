#include "load/run.h"

#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <utility>

namespace penstock::load {
namespace {

constexpr int64_t kTickNs = 10'000'000;
constexpr int64_t kFirstPauseNs = 10'000'000;
constexpr int kMaxAttempts = 5;
constexpr int kEvents = 64;

}  // namespace

Run::Run(Plan plan)
    : plan_(std::move(plan)), random_(plan_.seed), gap_s_(plan_.rate_per_s > 0.0 ? plan_.rate_per_s : 1.0) {
  epoll_fd_ = epoll_create1(EPOLL_CLOEXEC);
  timer_fd_ = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.ptr = nullptr;
  if (epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, timer_fd_, &event) != 0) {
    connection_error_ = "cannot make the epoll set: too many open files?";
    phase_ = Phase::kEnded;
    return;
  }
  const int64_t now = monotonic_ns();
  begin_ns_ = now;
  lanes_.resize(static_cast<size_t>(plan_.connections));
  for (auto& lane : lanes_) {
    lane.connection = std::make_unique<Connection>(plan_, tally_, epoll_fd_);
    lane.attempts = 1;
    lane.connection->open(now);
  }
}

Run::~Run() {
  lanes_.clear();
  if (timer_fd_ >= 0) ::close(timer_fd_);
  if (epoll_fd_ >= 0) ::close(epoll_fd_);
}

bool Run::advance(int64_t budget_ns) {
  const int64_t until = monotonic_ns() + budget_ns;
  while (phase_ != Phase::kEnded) {
    const int64_t now = monotonic_ns();
    if (now >= next_tick_ns_) tick(now);
    if (phase_ == Phase::kSending && open_loop()) send_arrivals(now);
    if (phase_ == Phase::kSending && exhausted(now)) phase_ = Phase::kDraining;
    if (phase_ == Phase::kDraining && !in_flight()) end(now);
    if (phase_ == Phase::kEnded || now >= until) break;
    wait(until, now);
  }
  return phase_ == Phase::kEnded;
}

void Run::tick(int64_t now) {
  next_tick_ns_ = now + kTickNs;
  for (auto& lane : lanes_) tend(lane, now);
  const bool all_given_up =
      std::all_of(lanes_.begin(), lanes_.end(), [](const Lane& lane) { return lane.given_up; });
  if (all_given_up) {
    if (plan_.max_requests > 0) tally_.unsent += static_cast<uint64_t>(plan_.max_requests - issued_);
    return end(now);
  }
  if (phase_ == Phase::kConnecting) {
    const bool late = now - begin_ns_ > plan_.timeout_ns;
    const bool settled = std::none_of(lanes_.begin(), lanes_.end(), [](const Lane& lane) {
      return lane.connection->state() == Connection::State::kConnecting && lane.attempts == 1;
    });
    if (connected_ && (settled || late)) {
      begin_sending(now);
    } else if (late) {
      tally_.unsent = static_cast<uint64_t>(plan_.max_requests);
      return end(now);
    }
  }
  if (phase_ == Phase::kSending && !open_loop()) {
    for (auto& lane : lanes_) fill(*lane.connection, now);
  }
}

void Run::tend(Lane& lane, int64_t now) {
  Connection& connection = *lane.connection;
  if (lane.given_up) return;
  if (connection.answers() != lane.answers_seen) {
    lane.answers_seen = connection.answers();
    lane.attempts = 1;
  }
  switch (connection.state()) {
    case Connection::State::kReady:
      lane.was_ready = connected_ = true;
      connection.expire(now - plan_.timeout_ns, now);
      connection.flush();
      break;
    case Connection::State::kConnecting:
      if (now - connection.opened_ns() > plan_.timeout_ns) {
        connection.close("no HTTP/2 settings before the timeout");
        connection_error_ = connection.last_error();
      }
      break;
    case Connection::State::kClosed:
      connection_error_ = connection.last_error();
      if (lane.attempts >= kMaxAttempts) {
        lane.given_up = true;
      } else if (lane.reopen_ns == 0) {
        lane.reopen_ns = now + (kFirstPauseNs << lane.attempts);
      } else if (now >= lane.reopen_ns) {
        lane.reopen_ns = 0;
        ++lane.attempts;
        if (lane.was_ready) ++tally_.reconnects;
        connection.open(now);
      }
      break;
  }
}

void Run::begin_sending(int64_t now) {
  begin_ns_ = arrival_ns_ = now;
  phase_ = Phase::kSending;
  if (open_loop()) draw_arrival();
}

void Run::draw_arrival() { arrival_ns_ += static_cast<int64_t>(gap_s_(random_) * 1e9); }

bool Run::exhausted(int64_t now) const {
  if (plan_.max_requests > 0 && issued_ >= plan_.max_requests) return true;
  const int64_t at = open_loop() ? arrival_ns_ : now;
  return plan_.max_ns > 0 && at - begin_ns_ >= plan_.max_ns;
}

void Run::fill(Connection& connection, int64_t now) {
  while (!exhausted(now) && connection.can_start()) connection.start(issued_++, now, now);
  connection.flush();
}

void Run::send_arrivals(int64_t now) {
  while (arrival_ns_ <= now && !exhausted(now)) {
    Connection* connection = free_connection();
    if (connection != nullptr) {
      connection->start(issued_++, arrival_ns_, now);
      started_.push_back(connection);
    } else if (now - arrival_ns_ > plan_.timeout_ns) {
      tally_.never_sent(now - arrival_ns_);
      ++issued_;
    } else {
      break;
    }
    draw_arrival();
  }
  for (Connection* connection : started_) connection->flush();
  started_.clear();
  if (!exhausted(now) && arrival_ns_ > now) arm_timer(arrival_ns_);
}

Connection* Run::free_connection() {
  for (size_t i = 0; i < lanes_.size(); ++i) {
    next_lane_ = (next_lane_ + 1) % lanes_.size();
    Connection* connection = lanes_[next_lane_].connection.get();
    if (connection->can_start()) return connection;
  }
  return nullptr;
}

bool Run::in_flight() const {
  return std::any_of(lanes_.begin(), lanes_.end(),
                     [](const Lane& lane) { return lane.connection->in_flight() > 0; });
}

void Run::end(int64_t now) {
  if (phase_ != Phase::kConnecting) tally_.elapsed_ns = now - begin_ns_;
  phase_ = Phase::kEnded;
}

void Run::arm_timer(int64_t at_ns) {
  if (at_ns == timer_at_ns_) return;
  timer_at_ns_ = at_ns;
  itimerspec spec{};
  spec.it_value.tv_sec = at_ns / 1'000'000'000;
  spec.it_value.tv_nsec = at_ns % 1'000'000'000;
  timerfd_settime(timer_fd_, TFD_TIMER_ABSTIME, &spec, nullptr);
}

void Run::wait(int64_t until_ns, int64_t now) {
  const int64_t wait_ns = std::max<int64_t>(0, std::min(until_ns, next_tick_ns_) - now);
  std::array<epoll_event, kEvents> events;
  const int count = epoll_wait(epoll_fd_, events.data(), kEvents, static_cast<int>(wait_ns / 1'000'000 + 1));
  for (int i = 0; i < count; ++i) {
    auto* connection = static_cast<Connection*>(events[static_cast<size_t>(i)].data.ptr);
    if (connection == nullptr) {
      uint64_t expirations = 0;
      if (::read(timer_fd_, &expirations, sizeof expirations) < 0) continue;
      continue;
    }
    connection->handle(events[static_cast<size_t>(i)].events);
    if (phase_ == Phase::kConnecting) next_tick_ns_ = 0;
    if (phase_ == Phase::kSending && !open_loop()) {
      fill(*connection, monotonic_ns());
    } else {
      connection->flush();
    }
  }
}

}  // namespace penstock::load
