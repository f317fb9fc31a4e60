// What a front is told when it is made. All of it is fixed from then on.
#ifndef PENSTOCK_FRONT_SETTINGS_H_
#define PENSTOCK_FRONT_SETTINGS_H_

#include <cstddef>
#include <cstdint>
#include <string>

namespace penstock {

struct FrontSettings {
  std::string host = "127.0.0.1";
  uint16_t port = 0;           // 0 lets the system choose
  int32_t threads = 1;         // each with a listener of its own (SO_REUSEPORT)
  std::string control_socket;  // Unix socket of the control plane

  int32_t max_connections = 20'000;  // of all threads together
  uint32_t max_streams = 1024;       // at once, of one connection
  size_t max_message_bytes = 64 << 20;
  int64_t max_unfinished_bytes = 1 << 30;  // of all messages that are coming in
  size_t max_header_bytes = 16 << 10;      // a header list, as HTTP/2 counts it
  int64_t idle_ns = 3'600'000'000'000;
  int64_t handshake_ns = 10'000'000'000;
  int64_t stall_ns = 60'000'000'000;
  // How long a thread that made the last answer itself and owes none looks for the next call before it
  // sleeps, where calls come that close after each other; 0 sleeps at once.
  int64_t busy_poll_ns = 0;
  bool triton_codes = false;  // a full queue and a passed deadline are answered UNAVAILABLE

  std::string tls_certificate;  // PEM files; no TLS when the certificate is empty
  std::string tls_key;
  std::string tls_client_ca;  // mutual TLS when set
};

}  // namespace penstock

#endif  // PENSTOCK_FRONT_SETTINGS_H_
