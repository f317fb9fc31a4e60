#include "load/tally.h"

#include <cstring>

namespace penstock::load {
namespace {

constexpr size_t kPrefixBytes = 5;

bool holds_one_message(const std::string& body) {
  if (body.size() < kPrefixBytes || body[0] != 0) return false;
  const auto* p = reinterpret_cast<const unsigned char*>(body.data());
  const size_t length = size_t{p[1]} << 24 | size_t{p[2]} << 16 | size_t{p[3]} << 8 | size_t{p[4]};
  return body.size() - kPrefixBytes == length;
}

bool matches(const std::string& body, const std::string* expected) {
  if (!holds_one_message(body)) return false;
  if (expected == nullptr) return true;
  return body.size() - kPrefixBytes == expected->size() &&
         std::memcmp(body.data() + kPrefixBytes, expected->data(), expected->size()) == 0;
}

}  // namespace

void Call::begin(int64_t request, int64_t intended, int64_t now) {
  index = request;
  intended_ns = intended;
  sent_ns = now;
  offset = 0;
  http_status = 0;
  grpc_status = -1;
  settled = false;
  body.clear();
  message.clear();
}

void Tally::answered(const Call& call, const std::string* expected, int64_t now) {
  if (call.http_status != 200) return lost("HTTP status " + std::to_string(call.http_status));
  if (call.grpc_status < 0) return lost("response without grpc-status");
  ++requests;
  latency.record(now - call.intended_ns);
  constexpr int kUnknown = 2;
  const int code = call.grpc_status < kStatusCodes ? call.grpc_status : kUnknown;
  if (by_code[code]++ == 0) first_message[code] = call.message;
  if (code != 0) return;
  if (matches(call.body, expected)) {
    ++ok;
  } else {
    ++mismatches;
  }
}

void Tally::timed_out(const Call& call, int64_t now) {
  ++requests;
  ++timeouts;
  latency.record(now - call.intended_ns);
}

void Tally::lost(const std::string& reason) {
  ++requests;
  if (transport_errors++ == 0) first_transport_error = reason;
}

void Tally::never_sent(int64_t waited_ns) {
  ++unsent;
  latency.record(waited_ns);
}

}  // namespace penstock::load
