// One I/O thread: a listener, its connections, and the calls between them and the queues. Never takes the
// GIL.
#ifndef PENSTOCK_FRONT_LOOP_H_
#define PENSTOCK_FRONT_LOOP_H_

#include <sys/epoll.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "front/connection.h"
#include "front/failure_log.h"
#include "front/infer_call.h"
#include "front/session_memory.h"
#include "front/settings.h"
#include "front/transport.h"
#include "front/upstream.h"
#include "queue/routes.h"
#include "wire/request_reader.h"

namespace penstock {

// Counted by every loop of a front.
struct FrontCounters {
  std::atomic<int64_t> connections{0};  // open now
  std::atomic<uint64_t> connections_total{0};
  std::atomic<uint64_t> connections_refused{0};  // over the limit
  std::atomic<uint64_t> connections_cut{0};      // for breaking a limit or the protocol
  std::atomic<int64_t> streams{0};               // open now
  std::atomic<int64_t> incoming_bytes{0};        // of messages that are not complete, now
  std::atomic<uint64_t> infer_calls{0};
  std::atomic<uint64_t> forwarded_calls{0};
  std::array<std::atomic<uint64_t>, kCodeCount> refused{};  // ModelInfer calls that reached no model, by code
};

// What the loops of a front share.
struct FrontShared {
  FrontSettings settings;
  std::shared_ptr<const Routes> routes;
  std::unique_ptr<TlsContext> tls;
  FrontCounters counters;
  FailureLog failures;
};

class Loop : public EventHandler {
 public:
  // Owns the listening socket.
  Loop(std::shared_ptr<FrontShared> shared, int listener);
  ~Loop() override;

  void start();
  // Any thread. A drained loop takes no connections and no streams; it goes on until stop().
  void drain();
  // True when nothing is left that a drain waits for.
  bool drained() const { return drained_.load(std::memory_order_acquire); }
  // Closes what is open and ends the thread.
  void stop();

  // The loop's own thread, for its connections.
  const FrontSettings& settings() const { return shared_->settings; }
  FrontCounters& counters() { return shared_->counters; }
  FailureLog& failures() { return shared_->failures; }
  RouteReader& routes() { return routes_; }
  const std::shared_ptr<Mailbox>& mailbox() const { return mailbox_; }
  Upstream& upstream() { return upstream_; }
  SessionMemory& session_memory() { return session_memory_; }
  std::vector<uint8_t>& read_buffer() { return read_buffer_; }
  std::string& write_buffer() { return write_buffer_; }
  RequestReader& reader() { return reader_; }
  int64_t now() const { return now_; }
  std::string next_request_id();
  // Calls and streams come and go by the hundred thousand: they are used again.
  struct Recycle {
    Loop* loop;
    void operator()(InferCall* call) const { loop->recycle(call); }
  };
  std::unique_ptr<InferCall, Recycle> new_call();
  void recycle(InferCall* call);
  Stream* new_stream();
  void recycle(Stream* stream);
  // Hands a call to its queue at the end of this turn, with the others of the turn.
  void submit(InferCall* call) { submitted_.push_back(call); }
  void mark_dirty(Connection* connection);
  void mark_dirty(Upstream* upstream);
  // There may be more to read than its turn allowed.
  void read_again(Connection* connection);
  void watch(int fd, EventHandler* handler, uint32_t events, bool known);
  void forget(Connection* connection);

  void on_events(uint32_t events) override;  // of the listener

 private:
  void run();
  bool accept_one();
  void turn();
  // Waits for events, awake at first where that is likely to end soon.
  int wait(epoll_event* events, int timeout_ms);
  void answer_calls(bool woken);
  void submit_calls();
  void flush_dirty();
  void settle();
  void tick();
  void reap();
  void begin_drain();

  const std::shared_ptr<FrontShared> shared_;
  int listener_;
  const int epoll_;
  const std::shared_ptr<Mailbox> mailbox_;
  RouteReader routes_;
  SessionMemory session_memory_;
  Upstream upstream_;
  std::thread thread_;
  std::atomic<bool> stopping_{false};
  std::atomic<bool> draining_{false};
  std::atomic<bool> drained_{false};
  bool drain_begun_ = false;
  bool accepting_ = true;

  Connection* connections_ = nullptr;
  std::vector<Connection*> dirty_;
  std::vector<Connection*> again_;
  std::vector<Connection*> dead_;
  std::vector<InferCall*> submitted_;
  std::vector<Request*> batch_;
  std::vector<InferCall*> spare_calls_;
  std::vector<Stream*> spare_streams_;
  std::vector<uint8_t> read_buffer_;
  std::string write_buffer_;
  RequestReader reader_;
  size_t owed_ = 0;              // calls that were submitted and are not answered
  bool answered_here_ = false;   // the last answers were made by this thread
  int64_t expected_gap_ns_ = 0;  // between an idle turn and the event that ends it, lately
  int64_t now_ = 0;
  int64_t ticked_ns_ = 0;
  const uint64_t id_seed_;
  uint64_t id_count_ = 0;
};

}  // namespace penstock

#endif  // PENSTOCK_FRONT_LOOP_H_
