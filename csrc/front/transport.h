// Bytes in and out of one non-blocking socket, plain or TLS.
#ifndef PENSTOCK_FRONT_TRANSPORT_H_
#define PENSTOCK_FRONT_TRANSPORT_H_

#include <cstddef>
#include <cstdint>
#include <memory>

#include "front/settings.h"
#include "wire/status.h"

struct ssl_ctx_st;

namespace penstock {

enum class Io : uint8_t { kDone, kWouldBlock, kClosed };

// Owns its socket. One thread.
class Transport {
 public:
  virtual ~Transport() = default;
  virtual int fd() const = 0;
  // kDone: *count is at least 1. kClosed: the peer ended or the connection failed.
  virtual Io read(uint8_t* buffer, size_t size, size_t* count) = 0;
  virtual Io write(const uint8_t* data, size_t size, size_t* count) = 0;
  // Completes what must happen before the first byte (the TLS handshake).
  virtual Io handshake() { return Io::kDone; }
};

std::unique_ptr<Transport> plain_transport(int fd);

// The certificate, key and authority of a front; shared by its threads.
class TlsContext {
 public:
  // Reads the files; on failure says which one and why, and leaves `context` empty.
  static Status load(const FrontSettings& settings, std::unique_ptr<TlsContext>* context);
  ~TlsContext();
  std::unique_ptr<Transport> wrap(int fd) const;

 private:
  explicit TlsContext(ssl_ctx_st* context) : context_(context) {}
  ssl_ctx_st* const context_;
};

}  // namespace penstock

#endif  // PENSTOCK_FRONT_TRANSPORT_H_
