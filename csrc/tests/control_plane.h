// A control plane that behaves in every way one can: it echoes, refuses, floods, resets and dies.
#ifndef PENSTOCK_TESTS_CONTROL_PLANE_H_
#define PENSTOCK_TESTS_CONTROL_PLANE_H_

#include <nghttp2/nghttp2.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <thread>

#include "front/header_list.h"
#include "tests/fuzz.h"

namespace penstock::fuzz {

// Serves on a Unix socket from a thread of its own until it goes. The last part of a path says what a call
// gets: echo, refuse, flood, reset, die; anything else is one of these by chance.
class ControlPlane {
 public:
  ControlPlane(std::string path, uint64_t seed) : path_(std::move(path)), random_(seed) {
    unlink(path_.c_str());
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    CHECK(path_.size() < sizeof address.sun_path);
    std::memcpy(address.sun_path, path_.data(), path_.size());
    listener_ = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    CHECK(bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 &&
          listen(listener_, 16) == 0);
    thread_ = std::thread([this] { serve(); });
  }
  ~ControlPlane() {
    stopping_.store(true);
    thread_.join();
    close(listener_);
    unlink(path_.c_str());
  }

 private:
  struct Call {
    std::string path;
    std::string out;
    bool request_ended = false;
    bool answered = false;
    std::string kind;
  };
  struct Peer {
    ControlPlane* plane;
    int fd;
    nghttp2_session* session = nullptr;
    std::map<int32_t, Call> calls;
    bool dead = false;
    ~Peer() {
      nghttp2_session_del(session);
      close(fd);
    }
  };

  static Peer* peer(void* user) { return static_cast<Peer*>(user); }

  static int on_header(nghttp2_session*, const nghttp2_frame* frame, const uint8_t* name, size_t name_size,
                       const uint8_t* value, size_t value_size, uint8_t, void* user) {
    const std::string_view key(reinterpret_cast<const char*>(name), name_size);
    if (key == ":path") {
      peer(user)->calls[frame->hd.stream_id].path.assign(reinterpret_cast<const char*>(value), value_size);
    }
    return 0;
  }

  static int on_data(nghttp2_session* session, uint8_t, int32_t id, const uint8_t* data, size_t size,
                     void* user) {
    Peer* self = peer(user);
    const auto found = self->calls.find(id);
    if (found == self->calls.end() || found->second.kind != "echo") return 0;
    found->second.out.append(reinterpret_cast<const char*>(data), size);
    nghttp2_session_resume_data(session, id);
    return 0;
  }

  static int on_frame(nghttp2_session* session, const nghttp2_frame* frame, void* user) {
    Peer* self = peer(user);
    const auto found = self->calls.find(frame->hd.stream_id);
    if (found == self->calls.end()) return 0;
    Call& call = found->second;
    if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) {
      call.request_ended = true;
      if (call.answered) nghttp2_session_resume_data(session, frame->hd.stream_id);
    }
    if (frame->hd.type == NGHTTP2_HEADERS && !call.answered)
      self->plane->answer(self, frame->hd.stream_id, &call);
    return 0;
  }

  static int on_close(nghttp2_session*, int32_t id, uint32_t, void* user) {
    peer(user)->calls.erase(id);
    return 0;
  }

  static ssize_t read(nghttp2_session* session, int32_t id, uint8_t* buffer, size_t size, uint32_t* flags,
                      nghttp2_data_source*, void* user) {
    Call& call = peer(user)->calls.at(id);
    const size_t count = std::min(size, call.out.size());
    std::memcpy(buffer, call.out.data(), count);
    call.out.erase(0, count);
    if (!call.out.empty()) return static_cast<ssize_t>(count);
    if (call.kind == "echo" && !call.request_ended) {
      return count > 0 ? static_cast<ssize_t>(count) : ssize_t{NGHTTP2_ERR_DEFERRED};
    }
    *flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
    const nghttp2_nv trailers[] = {header("grpc-status", "0"), header("x-trailer-bin", "AAEC")};
    nghttp2_submit_trailer(session, id, trailers, 2);
    return static_cast<ssize_t>(count);
  }

  void answer(Peer* self, int32_t id, Call* call) {
    static const std::vector<std::string> kKinds = {"echo", "refuse", "flood", "reset", "die"};
    call->kind = call->path.substr(call->path.rfind('/') + 1);
    if (std::find(kKinds.begin(), kKinds.end(), call->kind) == kKinds.end())
      call->kind = random_.pick(kKinds);
    call->answered = true;
    const nghttp2_nv refusal[] = {header(":status", "200"), header("content-type", "application/grpc"),
                                  header("grpc-status", "12")};
    nghttp2_data_provider provider{};
    provider.read_callback = read;
    if (call->kind == "die") {
      self->dead = true;
    } else if (call->kind == "refuse") {
      nghttp2_submit_response(self->session, id, refusal, 3, nullptr);
    } else {
      if (call->kind == "flood") call->out = std::string(random_.below(3'000'000), 'f');
      nghttp2_submit_response(self->session, id, refusal, 2, &provider);
      if (call->kind == "reset") nghttp2_submit_rst_stream(self->session, 0, id, NGHTTP2_INTERNAL_ERROR);
    }
    if (random_.chance(0.002)) nghttp2_session_terminate_session(self->session, NGHTTP2_NO_ERROR);
  }

  std::unique_ptr<Peer> accept_peer(int fd) {
    auto made = std::make_unique<Peer>();
    made->plane = this;
    made->fd = fd;
    nghttp2_session_callbacks* callbacks = nullptr;
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    nghttp2_session_server_new(&made->session, callbacks, made.get());
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_submit_settings(made->session, 0, nullptr, 0);
    return made;
  }

  // False when the connection is over.
  static bool exchange(Peer* self, bool readable) {
    uint8_t buffer[16384];
    if (readable) {
      const ssize_t count = recv(self->fd, buffer, sizeof buffer, MSG_DONTWAIT);
      if (count == 0 || (count < 0 && errno != EAGAIN)) return false;
      if (count > 0 && nghttp2_session_mem_recv(self->session, buffer, static_cast<size_t>(count)) < 0)
        return false;
    }
    for (const uint8_t* data;;) {
      const ssize_t count = nghttp2_session_mem_send(self->session, &data);
      if (count <= 0) return count == 0 && !self->dead && nghttp2_session_want_read(self->session) != 0;
      // The front always reads, so a blocking write ends.
      for (ssize_t sent = 0; sent < count;) {
        const ssize_t n = send(self->fd, data + sent, static_cast<size_t>(count - sent), MSG_NOSIGNAL);
        if (n <= 0) return false;
        sent += n;
      }
    }
  }

  void serve() {
    std::vector<std::unique_ptr<Peer>> peers;
    while (!stopping_.load()) {
      std::vector<pollfd> polled = {{listener_, POLLIN, 0}};
      for (const auto& one : peers) polled.push_back({one->fd, POLLIN, 0});
      poll(polled.data(), polled.size(), 20);
      for (size_t i = peers.size(); i-- > 0;) {
        if (polled[i + 1].revents != 0 && !exchange(peers[i].get(), true))
          peers.erase(peers.begin() + static_cast<long>(i));
      }
      const int fd = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (fd >= 0) peers.push_back(accept_peer(fd));
    }
  }

  const std::string path_;
  Random random_;
  int listener_;
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace penstock::fuzz

#endif  // PENSTOCK_TESTS_CONTROL_PLANE_H_
