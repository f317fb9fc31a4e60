#include "wire/grpc_framing.h"

namespace penstock {

void append_grpc_prefix(size_t message_bytes, std::string* out) {
  const char prefix[kGrpcPrefixBytes] = {
      0, static_cast<char>(message_bytes >> 24), static_cast<char>(message_bytes >> 16),
      static_cast<char>(message_bytes >> 8), static_cast<char>(message_bytes)};
  out->append(prefix, sizeof prefix);
}

GrpcPrefix read_grpc_prefix(const char* prefix) {
  const auto* p = reinterpret_cast<const uint8_t*>(prefix);
  return {(p[0] & 1) != 0, static_cast<uint32_t>(p[1]) << 24 | static_cast<uint32_t>(p[2]) << 16 |
                               static_cast<uint32_t>(p[3]) << 8 | p[4]};
}

bool parse_grpc_timeout(std::string_view text, int64_t* ns) {
  if (text.size() < 2 || text.size() > 9) return false;
  int64_t unit;
  switch (text.back()) {
    case 'H':
      unit = 3'600'000'000'000;
      break;
    case 'M':
      unit = 60'000'000'000;
      break;
    case 'S':
      unit = 1'000'000'000;
      break;
    case 'm':
      unit = 1'000'000;
      break;
    case 'u':
      unit = 1'000;
      break;
    case 'n':
      unit = 1;
      break;
    default:
      return false;
  }
  int64_t value = 0;
  for (char c : text.substr(0, text.size() - 1)) {
    if (c < '0' || c > '9') return false;
    value = value * 10 + (c - '0');
  }
  // A year is as good as for ever and leaves room for sums.
  constexpr int64_t kYearNs = 365ll * 24 * 3600 * 1'000'000'000;
  *ns = value > kYearNs / unit ? kYearNs : value * unit;
  return true;
}

void clip_status_message(std::string* message) {
  if (message->size() <= kMaxStatusMessageBytes) return;
  size_t size = kMaxStatusMessageBytes;
  while (size > 0 && (static_cast<uint8_t>((*message)[size]) & 0xC0) == 0x80) --size;
  message->resize(size);
}

std::string encode_grpc_message(std::string_view message) {
  constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  out.reserve(message.size());
  for (char c : message) {
    const auto byte = static_cast<uint8_t>(c);
    if (byte >= 0x20 && byte <= 0x7E && c != '%') {
      out.push_back(c);
    } else {
      out.push_back('%');
      out.push_back(kHex[byte >> 4]);
      out.push_back(kHex[byte & 15]);
    }
  }
  return out;
}

Encoding parse_encoding(std::string_view name) {
  if (name.empty() || name == "identity") return Encoding::kIdentity;
  if (name == "gzip") return Encoding::kGzip;
  if (name == "deflate") return Encoding::kDeflate;
  return Encoding::kUnknown;
}

}  // namespace penstock
