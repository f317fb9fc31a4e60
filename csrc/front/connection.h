// One client connection: HTTP/2 in, calls out, answers back.
#ifndef PENSTOCK_FRONT_CONNECTION_H_
#define PENSTOCK_FRONT_CONNECTION_H_

#include <nghttp2/nghttp2.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "front/stream.h"
#include "front/transport.h"
#include "wire/status.h"

namespace penstock {

class InferCall;
class Loop;

// What epoll reports to.
class EventHandler {
 public:
  virtual ~EventHandler() = default;
  virtual void on_events(uint32_t events) = 0;
};

// Made and used by one loop, which owns it and deletes it after closed() turned true.
class Connection : public EventHandler {
 public:
  Connection(Loop* loop, std::unique_ptr<Transport> transport, std::string peer);
  ~Connection() override;

  void on_events(uint32_t events) override;
  // Sends what nghttp2 has to send, as far as the socket takes it.
  void flush();
  // Four times a second: time limits.
  void tick(int64_t now);
  // No new streams; closes when those that are open are done. One that is being made gets as far as a call
  // that is on its way already.
  void drain();
  void close();

  // Answers of a call. `call` is not owned.
  void answer(InferCall* call);
  // A trailers-only answer; `model` is for the log.
  void fail(Stream* stream, Status status, std::string_view model = {});

  // For the control plane's side of a forwarded call.
  void forward_headers(Stream* stream);
  void forward_data(Stream* stream, std::string_view data);
  void forward_ended(Stream* stream);
  void consume_forwarded(Stream* stream, size_t bytes);
  void reset(Stream* stream, uint32_t error_code);

  bool closed() const { return closed_; }
  // The second GOAWAY of a drain is still to come.
  bool settling() const { return drain_phase_ < 2; }
  // Streams that a drain waits for.
  int32_t pressing_streams() const;
  const std::string& peer() const { return peer_; }

  bool dirty = false;  // waits for the loop to flush it
  bool again = false;  // waits for the loop to read on
  Connection* previous = nullptr;
  Connection* next = nullptr;

 private:
  friend struct ServerCallbacks;

  bool start();
  void read();
  void feed(const uint8_t* data, size_t size);
  bool write_pending();
  void watch(bool writable);

  Stream* open_stream(int32_t id);
  void close_stream(Stream* stream);
  Stream* find(int32_t id) const;
  int on_header(Stream* stream, std::string_view name, std::string_view value);
  void on_request(Stream* stream, bool ended);
  void on_data(Stream* stream, std::string_view data);
  void count_incoming(int64_t bytes);
  void on_end(Stream* stream);
  void infer(Stream* stream);
  Status decode_body(Stream* stream, std::string* message);
  // Answers a call whose deadline passed while it waits or runs, and leaves it to the queue.
  void expire(Stream* stream);
  // Like fail(), for a ModelInfer call that reached no model.
  void refuse(Stream* stream, Status status, std::string_view model = {});
  void http_error(Stream* stream, const char* status);
  int64_t read_response(Stream* stream, uint8_t* buffer, size_t size, uint32_t* flags);
  // The client broke a limit or the protocol: closes once what is to be sent is. False when that was known.
  bool cut();
  // A frame that asks for nothing but an answer to itself.
  void on_ping();
  void on_unsent(Stream* stream);
  void on_reset_by_client();

  Loop* const loop_;
  const std::unique_ptr<Transport> transport_;
  const std::string peer_;
  nghttp2_session* session_ = nullptr;
  void* frame_buffer_ = nullptr;  // of the session, when its pages can be dropped
  int64_t dropped_ns_ = 0;
  Stream* streams_ = nullptr;  // list of the open ones
  int32_t stream_count_ = 0;
  std::string unsent_;  // taken from nghttp2, not by the socket
  size_t unsent_offset_ = 0;
  int64_t incoming_bytes_ = 0;  // of messages that are not complete

  bool closed_ = false;
  bool cut_ = false;      // broke a limit: closes when its GOAWAY is sent
  bool started_ = false;  // the transport is ready and settings are sent
  bool greeted_ = false;  // the client's preface and settings came
  bool watching_write_ = false;
  int8_t drain_phase_ = 0;
  int64_t opened_ns_;
  int64_t activity_ns_;   // bytes moved either way
  int64_t received_ns_;   // bytes came in
  int64_t sent_ns_;       // bytes went out
  int64_t probe_ns_ = 0;  // a ping is on its way since then
  int64_t drain_ns_ = 0;  // when the drain began
  double ping_budget_;
  double reset_budget_;
};

}  // namespace penstock

#endif  // PENSTOCK_FRONT_CONNECTION_H_
