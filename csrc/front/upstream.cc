#include "front/upstream.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "front/loop.h"
#include "front/server_session.h"

namespace penstock {

// nghttp2's view of the control plane's connection.
struct ClientCallbacks {
  static Upstream* self(void* user) { return static_cast<Upstream*>(user); }

  static int header(nghttp2_session*, const nghttp2_frame* frame, const uint8_t* name, size_t name_size,
                    const uint8_t* value, size_t value_size, uint8_t, void* user) {
    if (Stream* stream = self(user)->find(frame->hd.stream_id)) {
      stream->forward->response.add({reinterpret_cast<const char*>(name), name_size},
                                    {reinterpret_cast<const char*>(value), value_size});
    }
    return 0;
  }

  static int data_chunk(nghttp2_session* session, uint8_t, int32_t id, const uint8_t* data, size_t size,
                        void* user) {
    nghttp2_session_consume_connection(session, size);
    if (Stream* stream = self(user)->find(id)) {
      stream->connection->forward_data(stream, {reinterpret_cast<const char*>(data), size});
    }
    return 0;
  }

  static int frame_received(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    if (frame->hd.type == NGHTTP2_GOAWAY) {
      self(user)->broken_ = true;
      return 0;
    }
    if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA) return 0;
    Stream* stream = self(user)->find(frame->hd.stream_id);
    if (stream == nullptr) return 0;
    Forward* forward = stream->forward.get();
    const bool ended = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    if (ended) forward->upstream_ended = true;
    if (frame->hd.type == NGHTTP2_HEADERS && !forward->answered) {
      stream->connection->forward_headers(stream);
    } else if (ended) {
      forward->has_trailers = frame->hd.type == NGHTTP2_HEADERS;
      stream->connection->forward_ended(stream);
    }
    return 0;
  }

  static int stream_closed(nghttp2_session*, int32_t id, uint32_t error_code, void* user) {
    Upstream* upstream = self(user);
    Stream* stream = upstream->find(id);
    upstream->streams_.erase(id);
    if (stream == nullptr) return 0;
    Forward* forward = stream->forward.get();
    forward->upstream_id = 0;
    if (forward->upstream_ended) return 0;
    Connection* connection = stream->connection;
    if (forward->answered) {
      connection->reset(stream, error_code == NGHTTP2_NO_ERROR ? uint32_t{NGHTTP2_CANCEL} : error_code);
    } else {
      stream->forward.reset();
      connection->fail(stream, {Code::kUnavailable, "the control plane ended the call", {}});
    }
    return 0;
  }

  static ssize_t read_data(nghttp2_session* session, int32_t id, uint8_t* buffer, size_t size,
                           uint32_t* flags, nghttp2_data_source*, void*) {
    auto* stream = static_cast<Stream*>(nghttp2_session_get_stream_user_data(session, id));
    if (stream == nullptr) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    Forward* forward = stream->forward.get();
    const size_t count = forward->to_upstream.take(buffer, size);
    if (count > 0) stream->connection->consume_forwarded(stream, count);
    if (forward->to_upstream.empty() && forward->client_ended) {
      *flags |= NGHTTP2_DATA_FLAG_EOF;
    } else if (count == 0) {
      return NGHTTP2_ERR_DEFERRED;
    }
    return static_cast<ssize_t>(count);
  }
};

namespace {

constexpr size_t kReadsPerEvent = 16;

nghttp2_session* new_client_session(Upstream* upstream) {
  nghttp2_session_callbacks* callbacks = nullptr;
  nghttp2_session_callbacks_new(&callbacks);
  nghttp2_session_callbacks_set_on_header_callback(callbacks, ClientCallbacks::header);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, ClientCallbacks::data_chunk);
  nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, ClientCallbacks::frame_received);
  nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, ClientCallbacks::stream_closed);
  nghttp2_option* option = nullptr;
  nghttp2_option_new(&option);
  nghttp2_option_set_no_auto_window_update(option, 1);
  nghttp2_session* session = nullptr;
  nghttp2_session_client_new2(&session, callbacks, upstream, option);
  nghttp2_option_del(option);
  nghttp2_session_callbacks_del(callbacks);
  const nghttp2_settings_entry entries[] = {
      {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, kStreamWindow},
  };
  nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, entries, 2);
  nghttp2_session_set_local_window_size(session, NGHTTP2_FLAG_NONE, 0, kConnectionWindow);
  return session;
}

}  // namespace

Upstream::Upstream(Loop* loop, std::string path) : loop_(loop), path_(std::move(path)) {}

Upstream::~Upstream() {
  if (session_ != nullptr) nghttp2_session_del(session_);
  if (fd_ >= 0) close(fd_);
}

bool Upstream::connect() {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path_.size() >= sizeof address.sun_path) return false;
  std::memcpy(address.sun_path, path_.data(), path_.size());
  fd_ = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd_ < 0) return false;
  if (::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    close(fd_);
    fd_ = -1;
    return false;
  }
  session_ = new_client_session(this);
  broken_ = false;
  watching_write_ = false;
  loop_->watch(fd_, this, EPOLLIN, false);
  return true;
}

// Every call that is open there fails; those of clients go on.
void Upstream::disconnect() {
  if (session_ == nullptr) return;
  std::unordered_map<int32_t, Stream*> open;
  open.swap(streams_);
  nghttp2_session_del(session_);
  session_ = nullptr;
  close(fd_);
  fd_ = -1;
  unsent_.clear();
  unsent_offset_ = 0;
  for (auto& [id, stream] : open) {
    Forward* forward = stream->forward.get();
    forward->upstream_id = 0;
    if (forward->upstream_ended) continue;
    if (forward->answered) {
      stream->connection->reset(stream, NGHTTP2_CANCEL);
    } else {
      stream->forward.reset();
      stream->connection->fail(stream, {Code::kUnavailable, "the control plane went away", {}});
    }
  }
}

Stream* Upstream::find(int32_t id) const {
  return static_cast<Stream*>(nghttp2_session_get_stream_user_data(session_, id));
}

bool Upstream::open(Stream* stream) {
  if (session_ != nullptr && broken_ && streams_.empty()) disconnect();
  if (session_ == nullptr && !connect()) return false;
  const std::vector<nghttp2_nv> headers = stream->headers.view();
  nghttp2_data_provider provider{};
  provider.read_callback = ClientCallbacks::read_data;
  const int32_t id =
      nghttp2_submit_request(session_, nullptr, headers.data(), headers.size(), &provider, stream);
  if (id < 0) return false;
  stream->forward->upstream_id = id;
  streams_[id] = stream;
  stream->headers = HeaderList();
  loop_->mark_dirty(this);
  return true;
}

void Upstream::resume(Stream* stream) {
  if (session_ == nullptr || stream->forward->upstream_id == 0) return;
  nghttp2_session_resume_data(session_, stream->forward->upstream_id);
  loop_->mark_dirty(this);
}

void Upstream::consumed(Stream* stream, size_t bytes) {
  if (session_ == nullptr || stream->forward->upstream_id == 0) return;
  nghttp2_session_consume_stream(session_, stream->forward->upstream_id, bytes);
  loop_->mark_dirty(this);
}

void Upstream::abandon(Stream* stream) {
  const int32_t id = std::exchange(stream->forward->upstream_id, 0);
  if (session_ == nullptr || id == 0) return;
  streams_.erase(id);
  nghttp2_session_set_stream_user_data(session_, id, nullptr);
  nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, id, NGHTTP2_CANCEL);
  loop_->mark_dirty(this);
}

void Upstream::on_events(uint32_t events) {
  if (session_ == nullptr) return;
  if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) read();
  if (session_ != nullptr) loop_->mark_dirty(this);
}

void Upstream::read() {
  std::vector<uint8_t>& buffer = loop_->read_buffer();
  for (size_t i = 0; i < kReadsPerEvent; ++i) {
    const ssize_t count = ::recv(fd_, buffer.data(), buffer.size(), 0);
    if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) return;
    if (count <= 0 || nghttp2_session_mem_recv(session_, buffer.data(), static_cast<size_t>(count)) < 0) {
      disconnect();
      return;
    }
    if (static_cast<size_t>(count) < buffer.size()) return;
  }
}

void Upstream::watch(bool writable) {
  if (writable == watching_write_) return;
  watching_write_ = writable;
  loop_->watch(fd_, this, EPOLLIN | (writable ? EPOLLOUT : 0u), true);
}

void Upstream::flush() {
  if (session_ == nullptr) return;
  for (;;) {
    while (unsent_offset_ < unsent_.size()) {
      const ssize_t count =
          ::send(fd_, unsent_.data() + unsent_offset_, unsent_.size() - unsent_offset_, MSG_NOSIGNAL);
      if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) return watch(true);
      if (count <= 0) return disconnect();
      unsent_offset_ += static_cast<size_t>(count);
    }
    unsent_.clear();
    unsent_offset_ = 0;
    while (unsent_.size() < 65536) {
      const uint8_t* data;
      const auto count = nghttp2_session_mem_send(session_, &data);
      if (count < 0) return disconnect();
      if (count == 0) break;
      unsent_.append(reinterpret_cast<const char*>(data), static_cast<size_t>(count));
    }
    if (unsent_.empty()) break;
  }
  watch(false);
}

}  // namespace penstock
