#include "load/connection.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <string_view>

namespace penstock::load {
namespace {

constexpr size_t kReadBytes = 256 * 1024;
constexpr size_t kWriteBytes = 64 * 1024;
constexpr size_t kAnswerBytes = 64 * 1024 * 1024;  // longer answers are cancelled and count as lost
constexpr size_t kMessageBytes = 4096;             // of a grpc-message that is kept
constexpr int32_t kStreamWindow = 1 << 20;
constexpr int32_t kConnectionWindow = 1 << 26;

nghttp2_nv field(std::string_view name, std::string_view value) {
  return {reinterpret_cast<uint8_t*>(const_cast<char*>(name.data())),
          reinterpret_cast<uint8_t*>(const_cast<char*>(value.data())), name.size(), value.size(),
          NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE};
}

// A small non-negative decimal number, or -1.
int parse_number(std::string_view text) {
  if (text.empty() || text.size() > 4) return -1;
  int value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return -1;
    value = value * 10 + (c - '0');
  }
  return value;
}

std::string describe(int error) { return std::strerror(error); }

}  // namespace

int64_t monotonic_ns() {
  timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

struct Connection::Callbacks {
  static Call* call_of(nghttp2_session* session, int32_t stream_id) {
    return static_cast<Call*>(nghttp2_session_get_stream_user_data(session, stream_id));
  }

  static ssize_t read_request(nghttp2_session*, int32_t, uint8_t* buffer, size_t length, uint32_t* flags,
                              nghttp2_data_source* source, void* user) {
    const auto& plan = static_cast<Connection*>(user)->plan_;
    auto& call = *static_cast<Call*>(source->ptr);
    const std::string& message = plan.messages[call.index % plan.messages.size()];
    const size_t size = std::min(length, message.size() - call.offset);
    std::memcpy(buffer, message.data() + call.offset, size);
    call.offset += size;
    if (call.offset == message.size()) *flags |= NGHTTP2_DATA_FLAG_EOF;
    return static_cast<ssize_t>(size);
  }

  static int on_header(nghttp2_session* session, const nghttp2_frame* frame, const uint8_t* name,
                       size_t name_size, const uint8_t* value, size_t value_size, uint8_t, void*) {
    Call* call = call_of(session, frame->hd.stream_id);
    if (call == nullptr) return 0;
    const std::string_view key(reinterpret_cast<const char*>(name), name_size);
    const std::string_view text(reinterpret_cast<const char*>(value), value_size);
    if (key == ":status") {
      call->http_status = parse_number(text);
    } else if (key == "grpc-status") {
      constexpr int kUnreadable = 1 << 16;
      const int status = parse_number(text);
      call->grpc_status = status < 0 ? kUnreadable : status;
    } else if (key == "grpc-message") {
      call->message.assign(text.substr(0, kMessageBytes));
    }
    return 0;
  }

  static int on_data(nghttp2_session* session, uint8_t, int32_t stream_id, const uint8_t* data, size_t size,
                     void*) {
    Call* call = call_of(session, stream_id);
    if (call == nullptr || call->settled) return 0;
    if (call->body.size() + size > kAnswerBytes) {
      nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, stream_id, NGHTTP2_CANCEL);
      return 0;
    }
    call->body.append(reinterpret_cast<const char*>(data), size);
    return 0;
  }

  static int on_frame(nghttp2_session* session, const nghttp2_frame* frame, void* user) {
    auto& connection = *static_cast<Connection*>(user);
    if (frame->hd.type == NGHTTP2_SETTINGS && connection.state_ == State::kConnecting) {
      connection.state_ = State::kReady;
    }
    const bool carries_end = frame->hd.type == NGHTTP2_DATA || frame->hd.type == NGHTTP2_HEADERS;
    if (!carries_end || !(frame->hd.flags & NGHTTP2_FLAG_END_STREAM)) return 0;
    Call* call = call_of(session, frame->hd.stream_id);
    if (call == nullptr || call->settled) return 0;
    connection.settle(*call);
    const std::string& message = connection.plan_.messages[call->index % connection.plan_.messages.size()];
    if (call->offset < message.size()) {
      nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, call->stream_id, NGHTTP2_CANCEL);
    }
    return 0;
  }

  static int on_close(nghttp2_session* session, int32_t stream_id, uint32_t error_code, void* user) {
    auto& connection = *static_cast<Connection*>(user);
    Call* call = call_of(session, stream_id);
    if (call == nullptr) return 0;
    if (!call->settled) {
      --connection.in_flight_;
      connection.tally_.lost(std::string("stream reset: ") + nghttp2_http2_strerror(error_code));
    }
    connection.release(*call);
    return 0;
  }

  static nghttp2_session_callbacks* table() {
    static nghttp2_session_callbacks* const callbacks = [] {
      nghttp2_session_callbacks* made = nullptr;
      if (nghttp2_session_callbacks_new(&made) != 0) return made;
      nghttp2_session_callbacks_set_on_header_callback(made, on_header);
      nghttp2_session_callbacks_set_on_data_chunk_recv_callback(made, on_data);
      nghttp2_session_callbacks_set_on_frame_recv_callback(made, on_frame);
      nghttp2_session_callbacks_set_on_stream_close_callback(made, on_close);
      return made;
    }();
    return callbacks;
  }
};

Connection::Connection(const Plan& plan, Tally& tally, int epoll_fd)
    : plan_(plan), tally_(tally), epoll_fd_(epoll_fd), calls_(plan.streams) {
  headers_ = {field(":method", "POST"),
              field(":scheme", "http"),
              field(":path", plan.path),
              field(":authority", plan.authority),
              field("te", "trailers"),
              field("content-type", "application/grpc"),
              field("user-agent", "penstock-load")};
  for (const auto& [name, value] : plan.metadata) headers_.push_back(field(name, value));
  free_.reserve(calls_.size());
}

Connection::~Connection() {
  session_.reset();
  if (fd_ >= 0) ::close(fd_);
}

void Connection::open(int64_t now) {
  opened_ns_ = now;
  sockaddr_storage address{};
  socklen_t size = 0;
  auto& v4 = reinterpret_cast<sockaddr_in&>(address);
  auto& v6 = reinterpret_cast<sockaddr_in6&>(address);
  if (inet_pton(AF_INET, plan_.host.c_str(), &v4.sin_addr) == 1) {
    v4.sin_family = AF_INET;
    v4.sin_port = htons(plan_.port);
    size = sizeof v4;
  } else if (inet_pton(AF_INET6, plan_.host.c_str(), &v6.sin6_addr) == 1) {
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(plan_.port);
    size = sizeof v6;
  } else {
    return close("not a numeric address: " + plan_.host);
  }
  fd_ = ::socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd_ < 0) return close("socket: " + describe(errno));
  const int on = 1;
  setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (::connect(fd_, reinterpret_cast<const sockaddr*>(&address), size) != 0 && errno != EINPROGRESS) {
    return close("connect: " + describe(errno));
  }
  state_ = State::kConnecting;
  watched_ = EPOLLIN | EPOLLOUT;
  epoll_event event{};
  event.events = watched_;
  event.data.ptr = this;
  if (epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, fd_, &event) != 0) return close("epoll: " + describe(errno));
  if (!open_session()) return close("HTTP/2 session: out of memory");
}

bool Connection::open_session() {
  nghttp2_session* session = nullptr;
  if (nghttp2_session_client_new(&session, Callbacks::table(), this) != 0) return false;
  session_.reset(session);
  free_.clear();
  for (auto& call : calls_) {
    call.stream_id = 0;
    free_.push_back(&call);
  }
  const std::array<nghttp2_settings_entry, 2> settings{
      {{NGHTTP2_SETTINGS_ENABLE_PUSH, 0}, {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, kStreamWindow}}};
  nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, settings.data(), settings.size());
  nghttp2_session_set_local_window_size(session, NGHTTP2_FLAG_NONE, 0, kConnectionWindow);
  return true;
}

void Connection::close(const std::string& reason) {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
  state_ = State::kClosed;
  last_error_ = reason;
  session_.reset();
  for (auto& call : calls_) {
    if (call.stream_id != 0 && !call.settled) tally_.lost(reason);
    call.stream_id = 0;
  }
  in_flight_ = 0;
  free_.clear();
  out_.clear();
  out_sent_ = 0;
}

void Connection::handle(uint32_t events) {
  if (state_ == State::kClosed) return;
  if (events & (EPOLLERR | EPOLLHUP)) {
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) return close("connection: " + describe(error));
  }
  if (events & (EPOLLIN | EPOLLHUP)) receive();
  if (state_ != State::kClosed && (events & EPOLLOUT)) flush();
}

void Connection::receive() {
  alignas(64) static thread_local uint8_t buffer[kReadBytes];
  for (;;) {
    const ssize_t size = ::read(fd_, buffer, sizeof buffer);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return;
    if (size < 0) return close("read: " + describe(errno));
    if (size == 0) return close("connection closed by the server");
    received_ns_ = monotonic_ns();
    const ssize_t parsed = nghttp2_session_mem_recv(session_.get(), buffer, static_cast<size_t>(size));
    if (parsed < 0) return close(std::string("HTTP/2: ") + nghttp2_strerror(static_cast<int>(parsed)));
    if (size < static_cast<ssize_t>(sizeof buffer)) return;
  }
}

void Connection::flush() {
  if (state_ == State::kClosed) return;
  for (;;) {
    if (out_sent_ == out_.size()) {
      out_.clear();
      out_sent_ = 0;
      while (out_.size() < kWriteBytes) {
        const uint8_t* data = nullptr;
        const ssize_t size = nghttp2_session_mem_send(session_.get(), &data);
        if (size < 0) return close(std::string("HTTP/2: ") + nghttp2_strerror(static_cast<int>(size)));
        if (size == 0) break;
        out_.append(reinterpret_cast<const char*>(data), static_cast<size_t>(size));
      }
      if (out_.empty()) break;
    }
    const ssize_t size = ::send(fd_, out_.data() + out_sent_, out_.size() - out_sent_, MSG_NOSIGNAL);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) break;
    if (size < 0) return close("write: " + describe(errno));
    out_sent_ += static_cast<size_t>(size);
  }
  const bool idle = in_flight_ == 0 && out_.empty();
  if (idle && state_ == State::kReady && nghttp2_session_check_request_allowed(session_.get()) == 0) {
    return close("connection drained by the server");
  }
  watch(EPOLLIN | (out_.empty() ? 0u : static_cast<uint32_t>(EPOLLOUT)));
}

void Connection::watch(uint32_t events) {
  if (events == watched_) return;
  watched_ = events;
  epoll_event event{};
  event.events = events;
  event.data.ptr = this;
  epoll_ctl(epoll_fd_, EPOLL_CTL_MOD, fd_, &event);
}

bool Connection::accepting() const {
  return nghttp2_session_check_request_allowed(session_.get()) != 0 &&
         calls_.size() - free_.size() <
             nghttp2_session_get_remote_settings(session_.get(), NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
}

void Connection::start(int64_t index, int64_t intended_ns, int64_t now) {
  Call& call = *free_.back();
  call.begin(index, intended_ns, now);
  nghttp2_data_provider body{};
  body.source.ptr = &call;
  body.read_callback = Callbacks::read_request;
  call.stream_id =
      nghttp2_submit_request(session_.get(), nullptr, headers_.data(), headers_.size(), &body, &call);
  if (call.stream_id < 0) {
    tally_.lost(std::string("HTTP/2: ") + nghttp2_strerror(call.stream_id));
    call.stream_id = 0;
    return;
  }
  free_.pop_back();
  ++in_flight_;
}

void Connection::settle(Call& call) {
  call.settled = true;
  --in_flight_;
  ++answers_;
  const auto& expected = plan_.expected;
  tally_.answered(call, expected.empty() ? nullptr : &expected[call.index % expected.size()], received_ns_);
}

void Connection::release(Call& call) {
  call.stream_id = 0;
  free_.push_back(&call);
}

void Connection::expire(int64_t oldest_ns, int64_t now) {
  if (in_flight_ == 0) return;
  for (auto& call : calls_) {
    if (call.stream_id == 0 || call.settled || call.sent_ns > oldest_ns) continue;
    call.settled = true;
    --in_flight_;
    tally_.timed_out(call, now);
    nghttp2_submit_rst_stream(session_.get(), NGHTTP2_FLAG_NONE, call.stream_id, NGHTTP2_CANCEL);
  }
}

}  // namespace penstock::load
