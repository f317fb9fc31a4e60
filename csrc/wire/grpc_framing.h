// gRPC over HTTP/2: message prefix, timeouts, status messages, message compression.
#ifndef PENSTOCK_WIRE_GRPC_FRAMING_H_
#define PENSTOCK_WIRE_GRPC_FRAMING_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace penstock {

inline constexpr size_t kGrpcPrefixBytes = 5;

// A zero flag byte and the big-endian length.
void append_grpc_prefix(size_t message_bytes, std::string* out);

struct GrpcPrefix {
  bool compressed;
  uint32_t message_bytes;
};
// `prefix` holds at least kGrpcPrefixBytes.
GrpcPrefix read_grpc_prefix(const char* prefix);

// "100m" → 100,000,000 ns: at most eight digits and one of H M S m u n. False when malformed.
bool parse_grpc_timeout(std::string_view text, int64_t* ns);

// Longest status message in bytes of UTF-8: a client's name of a tensor may be of any length, but its headers
// may not. The Python services cut at the same place.
inline constexpr size_t kMaxStatusMessageBytes = 1024;
// Cuts to that length, at a character; `message` is UTF-8.
void clip_status_message(std::string* message);

// Percent-encodes what grpc-message may not carry as it is.
std::string encode_grpc_message(std::string_view message);

enum class Encoding : uint8_t { kIdentity, kGzip, kDeflate, kUnknown };
inline constexpr std::string_view kAcceptedEncodings = "identity,deflate,gzip";
Encoding parse_encoding(std::string_view name);

enum class Inflated : uint8_t { kOk, kMalformed, kTooLarge };
// Decompresses a gzip or zlib stream; never writes more than `limit` bytes.
Inflated inflate_message(Encoding encoding, std::string_view compressed, size_t limit, std::string* out);

}  // namespace penstock

#endif  // PENSTOCK_WIRE_GRPC_FRAMING_H_
