#include "front/loop.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <random>
#include <utility>

namespace penstock {
namespace {

constexpr int kEventsPerTurn = 256;
constexpr int64_t kTickNs = 250'000'000;
constexpr size_t kReadBytes = 1 << 16;
constexpr size_t kSpares = 2048;      // calls and streams kept for reuse
constexpr size_t kSpareBytes = 4096;  // of a buffer in them

std::string peer_name(const sockaddr_storage& address) {
  char text[INET6_ADDRSTRLEN] = "";
  uint16_t port = 0;
  if (address.ss_family == AF_INET) {
    const auto* v4 = reinterpret_cast<const sockaddr_in*>(&address);
    inet_ntop(AF_INET, &v4->sin_addr, text, sizeof text);
    port = ntohs(v4->sin_port);
  } else {
    const auto* v6 = reinterpret_cast<const sockaddr_in6*>(&address);
    inet_ntop(AF_INET6, &v6->sin6_addr, text, sizeof text);
    port = ntohs(v6->sin6_port);
  }
  return std::string(text) + ":" + std::to_string(port);
}

uint64_t random_seed() {
  std::random_device device;
  return static_cast<uint64_t>(device()) << 32 | device();
}

}  // namespace

Loop::Loop(std::shared_ptr<FrontShared> shared, int listener)
    : shared_(std::move(shared)),
      listener_(listener),
      epoll_(epoll_create1(EPOLL_CLOEXEC)),
      mailbox_(std::make_shared<Mailbox>()),
      routes_(shared_->routes),
      session_memory_(static_cast<size_t>(shared_->settings.max_connections)),
      upstream_(this, shared_->settings.control_socket),
      read_buffer_(kReadBytes),
      now_(now_ns()),
      id_seed_(random_seed()) {
  watch(listener_, this, EPOLLIN, false);
  watch(mailbox_->wake_fd(), nullptr, EPOLLIN, false);
}

Loop::~Loop() {
  stop();
  for (InferCall* call : spare_calls_) delete call;
  for (Stream* stream : spare_streams_) delete stream;
  if (listener_ >= 0) close(listener_);
  close(epoll_);
}

void Loop::start() {
  thread_ = std::thread([this] { run(); });
}

void Loop::drain() {
  draining_.store(true, std::memory_order_release);
  mailbox_->wake();
}

void Loop::stop() {
  if (!thread_.joinable()) return;
  stopping_.store(true, std::memory_order_release);
  mailbox_->wake();
  thread_.join();
}

void Loop::watch(int fd, EventHandler* handler, uint32_t events, bool known) {
  epoll_event event{};
  event.events = events;
  event.data.ptr = handler;
  epoll_ctl(epoll_, known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event);
}

std::string Loop::next_request_id() {
  // A mixed counter: unique in the process, and telling nothing of how many there were.
  uint64_t x = id_seed_ + ++id_count_ * 0x9E3779B97F4A7C15ull;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ull;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBull;
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(x ^ (x >> 31)));
  return text;
}

std::unique_ptr<InferCall, Loop::Recycle> Loop::new_call() {
  InferCall* call;
  if (spare_calls_.empty()) {
    call = new InferCall(mailbox_);
  } else {
    call = spare_calls_.back();
    spare_calls_.pop_back();
  }
  return {call, Recycle{this}};
}

void Loop::recycle(InferCall* call) {
  if (spare_calls_.size() >= kSpares) {
    delete call;
    return;
  }
  call->recycle(kSpareBytes);
  spare_calls_.push_back(call);
}

Stream* Loop::new_stream() {
  if (spare_streams_.empty()) return new Stream;
  Stream* stream = spare_streams_.back();
  spare_streams_.pop_back();
  return stream;
}

void Loop::recycle(Stream* stream) {
  if (spare_streams_.size() >= kSpares) {
    delete stream;
    return;
  }
  stream->recycle(kSpareBytes);
  spare_streams_.push_back(stream);
}

void Loop::mark_dirty(Connection* connection) {
  if (connection->dirty || connection->closed()) return;
  connection->dirty = true;
  dirty_.push_back(connection);
}

void Loop::read_again(Connection* connection) {
  if (connection->again) return;
  connection->again = true;
  again_.push_back(connection);
}

void Loop::mark_dirty(Upstream* upstream) { upstream->dirty = true; }

void Loop::forget(Connection* connection) { dead_.push_back(connection); }

// False when no client waits, or none can be taken now.
bool Loop::accept_one() {
  FrontCounters& counters = shared_->counters;
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  const int fd =
      accept4(listener_, reinterpret_cast<sockaddr*>(&address), &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (fd < 0) {
    // Out of descriptors: the next tick tries again, instead of this turn for ever.
    if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
      watch(listener_, this, 0, true);
      accepting_ = false;
    }
    return errno == ECONNABORTED;
  }
  if (counters.connections.load(std::memory_order_relaxed) >= shared_->settings.max_connections) {
    counters.connections_refused.fetch_add(1, std::memory_order_relaxed);
    close(fd);
    return true;
  }
  const int one = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
  std::unique_ptr<Transport> transport = shared_->tls ? shared_->tls->wrap(fd) : plain_transport(fd);
  if (transport == nullptr) return true;
  auto* connection = new Connection(this, std::move(transport), peer_name(address));
  connection->next = connections_;
  if (connections_ != nullptr) connections_->previous = connection;
  connections_ = connection;
  counters.connections.fetch_add(1, std::memory_order_relaxed);
  counters.connections_total.fetch_add(1, std::memory_order_relaxed);
  return true;
}

void Loop::on_events(uint32_t) {
  for (int i = 0; i < kEventsPerTurn && accept_one(); ++i) continue;
}

void Loop::answer_calls(bool woken) {
  std::vector<InferCall*> answered = mailbox_->take(woken);
  owed_ -= answered.size();
  answered_here_ = !woken;
  for (InferCall* call : answered) {
    if (call->stream != nullptr) call->stream->connection->answer(call);
    recycle(call);
  }
}

// Calls of one queue go in together: one lock and one wake-up a turn.
void Loop::submit_calls() {
  while (!submitted_.empty()) {
    // Kept by a copy: the last request to hold the target may be answered in submit().
    const std::shared_ptr<Intake> intake = submitted_.front()->target->intake();
    batch_.clear();
    size_t kept = 0;
    for (InferCall* call : submitted_) {
      if (call->target->intake() == intake) {
        batch_.push_back(call);
      } else {
        submitted_[kept++] = call;
      }
    }
    submitted_.resize(kept);
    owed_ += batch_.size();
    intake->submit(batch_.data(), batch_.size());
  }
}

// The control plane's side and the clients' side make each other dirty: until neither has anything to send.
void Loop::flush_dirty() {
  do {
    if (std::exchange(upstream_.dirty, false)) upstream_.flush();
    std::vector<Connection*> dirty;
    dirty.swap(dirty_);
    for (Connection* connection : dirty) {
      connection->dirty = false;
      if (!connection->closed()) connection->flush();
    }
  } while (upstream_.dirty || !dirty_.empty());
}

void Loop::reap() {
  while (!dead_.empty()) {
    std::vector<Connection*> dead;
    dead.swap(dead_);
    for (Connection* connection : dead) {
      if (connection->previous != nullptr) connection->previous->next = connection->next;
      if (connection->next != nullptr) connection->next->previous = connection->previous;
      if (connections_ == connection) connections_ = connection->next;
      dirty_.erase(std::remove(dirty_.begin(), dirty_.end(), connection), dirty_.end());
      again_.erase(std::remove(again_.begin(), again_.end(), connection), again_.end());
      shared_->counters.connections.fetch_sub(1, std::memory_order_relaxed);
      delete connection;
    }
  }
}

// Sends what there is to send and deletes what was closed: until neither leaves anything of the other to do.
void Loop::settle() {
  do {
    flush_dirty();
    reap();
  } while (upstream_.dirty || !dirty_.empty() || !dead_.empty());
}

void Loop::begin_drain() {
  drain_begun_ = true;
  // Clients that the system has greeted already may have sent a call.
  for (int i = 0; i < 4096 && accept_one(); ++i) continue;
  close(listener_);
  listener_ = -1;
  for (Connection* connection = connections_; connection != nullptr;) {
    Connection* next = connection->next;
    connection->drain();
    connection = next;
  }
}

void Loop::tick() {
  ticked_ns_ = now_;
  if (!accepting_ && listener_ >= 0) {
    accepting_ = true;
    watch(listener_, this, EPOLLIN, true);
  }
  bool pressing = false;
  for (Connection* connection = connections_; connection != nullptr;) {
    Connection* next = connection->next;
    connection->tick(now_);
    if (drain_begun_ && !connection->closed()) {
      pressing |= connection->settling() || connection->pressing_streams() > 0;
    }
    connection = next;
  }
  if (drain_begun_) drained_.store(!pressing, std::memory_order_release);
}

int Loop::wait(epoll_event* events, int timeout_ms) {
  const int64_t poll_ns = shared_->settings.busy_poll_ns;
  if (poll_ns == 0 || timeout_ms == 0 || owed_ > 0 || !answered_here_ || connections_ == nullptr) {
    return epoll_wait(epoll_, events, kEventsPerTurn, timeout_ms);
  }
  const int64_t began = now_ns();
  int count = 0;
  if (expected_gap_ns_ < poll_ns) {
    do {
      count = epoll_wait(epoll_, events, kEventsPerTurn, 0);
      if (count == 0) sched_yield();  // a client on this core may be about to call
    } while (count == 0 && now_ns() - began < poll_ns);
  }
  if (count == 0) count = epoll_wait(epoll_, events, kEventsPerTurn, timeout_ms);
  const int64_t gap = std::min(now_ns() - began, 16 * poll_ns);
  expected_gap_ns_ += (gap - expected_gap_ns_) / 8;
  return count;
}

void Loop::turn() {
  epoll_event events[kEventsPerTurn];
  const int64_t until_tick = std::max<int64_t>(0, ticked_ns_ + kTickNs - now_);
  const bool idle = connections_ == nullptr && !drain_begun_ && accepting_;
  const int timeout_ms = !again_.empty() ? 0 : idle ? -1 : static_cast<int>(until_tick / 1'000'000) + 1;
  const int count = wait(events, timeout_ms);
  now_ = now_ns();
  bool answered = false;
  std::vector<Connection*> again;
  again.swap(again_);
  for (Connection* connection : again) {
    connection->again = false;
    connection->on_events(EPOLLIN);
  }
  for (int i = 0; i < count; ++i) {
    auto* handler = static_cast<EventHandler*>(events[i].data.ptr);
    if (handler == nullptr) {
      answered = true;
    } else {
      handler->on_events(events[i].events);
    }
  }
  submit_calls();
  if (answered || mailbox_->has_own()) answer_calls(answered);
  if (draining_.load(std::memory_order_acquire) && !drain_begun_) begin_drain();
  settle();
  if (now_ - ticked_ns_ >= kTickNs) {
    tick();
    settle();
  }
}

void Loop::run() {
  mailbox_->own();
  while (!stopping_.load(std::memory_order_acquire)) turn();
  for (Connection* connection = connections_; connection != nullptr; connection = connection->next) {
    connection->close();
  }
  reap();
  mailbox_->close();
}

}  // namespace penstock
