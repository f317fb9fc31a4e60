// One HTTP/2 stream of a client: a ModelInfer call, or a call that is forwarded to the control plane.
#ifndef PENSTOCK_FRONT_STREAM_H_
#define PENSTOCK_FRONT_STREAM_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "front/header_list.h"
#include "queue/clock.h"
#include "wire/grpc_framing.h"

namespace penstock {

class Connection;
class InferCall;

// Bytes that one side wrote and the other has not taken yet.
class StreamBuffer {
 public:
  void append(std::string_view bytes) { bytes_.append(bytes); }
  size_t size() const { return bytes_.size() - offset_; }
  bool empty() const { return size() == 0; }
  // Copies at most `limit` bytes out.
  size_t take(uint8_t* to, size_t limit);
  // Takes the bytes of `other`, and gives it its own memory for them; this must be empty.
  void swap(std::string& other) {
    bytes_.swap(other);
    offset_ = 0;
  }
  void clear(size_t kept_bytes) {
    if (bytes_.capacity() > kept_bytes) std::string().swap(bytes_);
    bytes_.clear();
    offset_ = 0;
  }

 private:
  std::string bytes_;
  size_t offset_ = 0;
};

// The control plane's half of a forwarded call.
struct Forward {
  int32_t upstream_id = 0;  // 0 until opened and after it closed
  StreamBuffer to_upstream;
  bool client_ended = false;    // the client half-closed
  HeaderList response;          // headers, then trailers, as they come in
  bool answered = false;        // response headers were passed on
  bool upstream_ended = false;  // nothing more comes from the control plane
  bool has_trailers = false;
  bool holds_drain = true;  // false for calls that last as long as the client likes
};

// Owned by its connection; everything here is of the loop's thread.
struct Stream {
  enum class Kind : uint8_t {
    kHeaders,  // request headers are coming in
    kInfer,    // ModelInfer: body coming in, or queued
    kForward,
    kAnswered,  // an answer is being sent; what still comes in is thrown away
  };

  Connection* connection = nullptr;
  Stream* previous = nullptr;
  Stream* next = nullptr;
  int32_t id = 0;
  Kind kind = Kind::kHeaders;

  bool post = false;
  bool grpc = false;  // content-type is application/grpc
  bool infer_path = false;
  bool bad_timeout = false;
  bool too_many_headers = false;
  Encoding encoding = Encoding::kIdentity;
  size_t header_bytes = 0;
  int64_t arrival_ns = 0;
  int64_t deadline_ns = kNever;
  int64_t progress_ns = 0;  // when bytes of the stream last moved
  std::string path;
  std::string request_id;  // as the client gave it
  HeaderList headers;      // of a forwarded call

  std::string body;           // of ModelInfer: prefix and message
  InferCall* call = nullptr;  // while queued or running; not owned
  StreamBuffer out;           // response bytes towards the client
  std::unique_ptr<Forward> forward;

  // As good as new; buffers up to `kept_bytes` stay.
  void recycle(size_t kept_bytes);
};

}  // namespace penstock

#endif  // PENSTOCK_FRONT_STREAM_H_
