#include <openssl/err.h>
#include <openssl/ssl.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <cstring>

#include "front/transport.h"

namespace penstock {
namespace {

class TlsTransport : public Transport {
 public:
  TlsTransport(SSL* ssl, int fd) : ssl_(ssl), fd_(fd) {}
  ~TlsTransport() override {
    if (ready_) SSL_shutdown(ssl_);
    ERR_clear_error();
    SSL_free(ssl_);
    close(fd_);
  }
  int fd() const override { return fd_; }

  Io handshake() override {
    if (ready_) return Io::kDone;
    ERR_clear_error();
    const int result = SSL_do_handshake(ssl_);
    if (result != 1) return failure(result);
    // A client that did not agree on h2 would send something else.
    const unsigned char* protocol;
    unsigned size;
    SSL_get0_alpn_selected(ssl_, &protocol, &size);
    if (size != 2 || std::memcmp(protocol, "h2", 2) != 0) return Io::kClosed;
    ready_ = true;
    return Io::kDone;
  }
  Io read(uint8_t* buffer, size_t size, size_t* count) override {
    ERR_clear_error();
    return outcome(SSL_read(ssl_, buffer, clamp(size)), count);
  }
  Io write(const uint8_t* data, size_t size, size_t* count) override {
    ERR_clear_error();
    return outcome(SSL_write(ssl_, data, clamp(size)), count);
  }

 private:
  static int clamp(size_t size) { return static_cast<int>(std::min<size_t>(size, INT_MAX)); }
  Io outcome(int result, size_t* count) {
    if (result > 0) {
      *count = static_cast<size_t>(result);
      return Io::kDone;
    }
    return failure(result);
  }
  Io failure(int result) {
    const int error = SSL_get_error(ssl_, result);
    const bool again = error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE;
    if (!again) ready_ = false;  // no shutdown message on a broken session
    return again ? Io::kWouldBlock : Io::kClosed;
  }

  SSL* const ssl_;
  const int fd_;
  bool ready_ = false;
};

int select_h2(SSL*, const unsigned char** out, unsigned char* out_size, const unsigned char* in,
              unsigned in_size, void*) {
  for (unsigned i = 0; i < in_size; i += 1u + in[i]) {
    if (in[i] == 2 && i + 2 < in_size && std::memcmp(in + i + 1, "h2", 2) == 0) {
      *out = in + i + 1;
      *out_size = 2;
      return SSL_TLSEXT_ERR_OK;
    }
  }
  return SSL_TLSEXT_ERR_ALERT_FATAL;
}

std::string last_error() {
  const unsigned long code = ERR_peek_last_error();
  const char* reason = code == 0 ? nullptr : ERR_reason_error_string(code);
  ERR_clear_error();
  return reason == nullptr ? "cannot be read" : reason;
}

}  // namespace

Status TlsContext::load(const FrontSettings& settings, std::unique_ptr<TlsContext>* context) {
  SSL_CTX* raw = SSL_CTX_new(TLS_server_method());
  if (raw == nullptr) return Status::invalid("TLS cannot be set up: " + last_error());
  std::unique_ptr<TlsContext> made(new TlsContext(raw));
  SSL_CTX_set_min_proto_version(raw, TLS1_2_VERSION);
  SSL_CTX_set_mode(
      raw, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_options(raw, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_alpn_select_cb(raw, select_h2, nullptr);
  // What a client resumes must have been agreed with this server; without it none that showed a certificate
  // can.
  constexpr unsigned char kSessions[] = "penstock";
  SSL_CTX_set_session_id_context(raw, kSessions, sizeof kSessions - 1);
  // A key that needs a passphrase is refused, not asked for on the terminal.
  SSL_CTX_set_default_passwd_cb(raw, [](char*, int, int, void*) { return 0; });
  const auto refuse = [](const char* what, const std::string& path) {
    return Status::invalid(std::string("tls.") + what + " \"" + path + "\": " + last_error());
  };
  if (SSL_CTX_use_certificate_chain_file(raw, settings.tls_certificate.c_str()) != 1) {
    return refuse("certificate", settings.tls_certificate);
  }
  if (SSL_CTX_use_PrivateKey_file(raw, settings.tls_key.c_str(), SSL_FILETYPE_PEM) != 1 ||
      SSL_CTX_check_private_key(raw) != 1) {
    return refuse("key", settings.tls_key);
  }
  if (!settings.tls_client_ca.empty()) {
    const char* path = settings.tls_client_ca.c_str();
    if (SSL_CTX_load_verify_locations(raw, path, nullptr) != 1)
      return refuse("client_ca", settings.tls_client_ca);
    SSL_CTX_set_client_CA_list(raw, SSL_load_client_CA_file(path));
    SSL_CTX_set_verify(raw, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  }
  *context = std::move(made);
  return {};
}

TlsContext::~TlsContext() { SSL_CTX_free(context_); }

std::unique_ptr<Transport> TlsContext::wrap(int fd) const {
  SSL* ssl = SSL_new(context_);
  if (ssl == nullptr) {
    close(fd);
    return nullptr;
  }
  SSL_set_fd(ssl, fd);
  SSL_set_accept_state(ssl);
  return std::make_unique<TlsTransport>(ssl, fd);
}

}  // namespace penstock
