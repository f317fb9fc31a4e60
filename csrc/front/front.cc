#include "front/front.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <utility>

namespace penstock {
namespace {

constexpr int kBacklog = 4096;

uint16_t bound_port(int socket) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size);
  return ntohs(address.ss_family == AF_INET6 ? reinterpret_cast<sockaddr_in6*>(&address)->sin6_port
                                             : reinterpret_cast<sockaddr_in*>(&address)->sin_port);
}

}  // namespace

Front::Front(FrontSettings settings, std::shared_ptr<const Routes> routes)
    : shared_(std::make_shared<FrontShared>()) {
  shared_->settings = std::move(settings);
  shared_->routes = std::move(routes);
}

Front::~Front() { stop(); }

Status Front::listen(bool reuse_port, int* listener) {
  const FrontSettings& settings = shared_->settings;
  const auto refuse = [](const std::string& reason) { return Status{Code::kUnavailable, reason, {}}; };
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const uint16_t port = port_ != 0 ? port_ : settings.port;
  const int error = getaddrinfo(settings.host.c_str(), std::to_string(port).c_str(), &hints, &found);
  if (error != 0) return refuse(gai_strerror(error));
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owned(found, freeaddrinfo);
  const int fd = socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return refuse(std::strerror(errno));
  const int one = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (reuse_port) setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one);
  if (bind(fd, found->ai_addr, found->ai_addrlen) != 0 || ::listen(fd, kBacklog) != 0) {
    const Status status = refuse(std::strerror(errno));
    close(fd);
    return status;
  }
  *listener = fd;
  return {};
}

Status Front::start() {
  const FrontSettings& settings = shared_->settings;
  if (!settings.tls_certificate.empty()) {
    if (Status status = TlsContext::load(settings, &shared_->tls); !status.ok()) return status;
  }
  const bool several = settings.threads > 1;
  if (several) {
    // SO_REUSEPORT would share a port that another process serves: look first that it is free.
    int probe = -1;
    if (Status status = listen(false, &probe); !status.ok()) return status;
    port_ = bound_port(probe);
    close(probe);
  }
  for (int32_t i = 0; i < settings.threads; ++i) {
    int listener = -1;
    if (Status status = listen(several, &listener); !status.ok()) return status;
    port_ = bound_port(listener);
    loops_.push_back(std::make_unique<Loop>(shared_, listener));
  }
  for (auto& loop : loops_) loop->start();
  return {};
}

bool Front::drain(int64_t timeout_ns) {
  const int64_t deadline = now_ns() + timeout_ns;
  std::unique_lock<std::mutex> lock(stop_mutex_);
  for (auto& loop : loops_) loop->drain();
  for (;;) {
    if (stopping_) return false;
    if (std::all_of(loops_.begin(), loops_.end(), [](auto& loop) { return loop->drained(); })) return true;
    if (now_ns() >= deadline) return false;
    stopped_.wait_for(lock, std::chrono::milliseconds(10));
  }
}

void Front::stop() {
  std::lock_guard<std::mutex> guard(stop_mutex_);
  stopping_ = true;
  stopped_.notify_all();
  for (auto& loop : loops_) loop->stop();
  loops_.clear();
}

}  // namespace penstock
