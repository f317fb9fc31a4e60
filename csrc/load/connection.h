// One HTTP/2 client connection that carries unary gRPC calls.
#ifndef PENSTOCK_LOAD_CONNECTION_H_
#define PENSTOCK_LOAD_CONNECTION_H_

#include <nghttp2/nghttp2.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "load/plan.h"
#include "load/tally.h"

namespace penstock::load {

// Monotonic time in nanoseconds.
int64_t monotonic_ns();

// A socket, its nghttp2 client session and its call slots, driven by one thread through an epoll set that it
// does not own (the event's data.ptr is the connection).
//
// open() → kConnecting → kReady (the server's SETTINGS have come) → kClosed; open() may follow again. Each
// call that was started is told to the tally exactly once, also when the connection breaks.
class Connection {
 public:
  enum class State { kClosed, kConnecting, kReady };

  // Both references outlive the connection.
  Connection(const Plan& plan, Tally& tally, int epoll_fd);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  void open(int64_t now);
  // Gives up the calls in flight as lost for this reason.
  void close(const std::string& reason);
  // Socket events of epoll. May close.
  void handle(uint32_t events);
  // Writes what the session has to say. May close.
  void flush();
  // Cancels calls that were sent before `oldest_ns`.
  void expire(int64_t oldest_ns, int64_t now);

  State state() const { return state_; }
  bool can_start() const { return state_ == State::kReady && !free_.empty() && accepting(); }
  // Needs can_start(). The call leaves with the next flush().
  void start(int64_t index, int64_t intended_ns, int64_t now);
  // Calls started and not yet told to the tally.
  int in_flight() const { return in_flight_; }
  // Answers over the life of the object.
  uint64_t answers() const { return answers_; }
  int64_t opened_ns() const { return opened_ns_; }
  const std::string& last_error() const { return last_error_; }

 private:
  struct SessionDeleter {
    void operator()(nghttp2_session* session) const { nghttp2_session_del(session); }
  };
  struct Callbacks;  // nghttp2's callbacks, with access to the members

  bool accepting() const;
  bool open_session();
  void watch(uint32_t events);
  void receive();
  void settle(Call& call);
  void release(Call& call);

  const Plan& plan_;
  Tally& tally_;
  const int epoll_fd_;
  int fd_ = -1;
  State state_ = State::kClosed;
  uint32_t watched_ = 0;
  std::unique_ptr<nghttp2_session, SessionDeleter> session_;
  std::vector<nghttp2_nv> headers_;
  std::vector<Call> calls_;
  std::vector<Call*> free_;
  int in_flight_ = 0;
  uint64_t answers_ = 0;
  int64_t opened_ns_ = 0;
  int64_t received_ns_ = 0;  // when the bytes that are being parsed were read
  std::string out_;
  size_t out_sent_ = 0;
  std::string last_error_;
};

}  // namespace penstock::load

#endif  // PENSTOCK_LOAD_CONNECTION_H_
