#include "front/transport.h"

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

namespace penstock {
namespace {

class PlainTransport : public Transport {
 public:
  explicit PlainTransport(int fd) : fd_(fd) {}
  ~PlainTransport() override { close(fd_); }
  int fd() const override { return fd_; }

  Io read(uint8_t* buffer, size_t size, size_t* count) override {
    return outcome(::recv(fd_, buffer, size, 0), count);
  }
  Io write(const uint8_t* data, size_t size, size_t* count) override {
    return outcome(::send(fd_, data, size, MSG_NOSIGNAL), count);
  }

 private:
  static Io outcome(ssize_t result, size_t* count) {
    if (result > 0) {
      *count = static_cast<size_t>(result);
      return Io::kDone;
    }
    const bool again = result < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR);
    return again ? Io::kWouldBlock : Io::kClosed;
  }

  const int fd_;
};

}  // namespace

std::unique_ptr<Transport> plain_transport(int fd) { return std::make_unique<PlainTransport>(fd); }

}  // namespace penstock
