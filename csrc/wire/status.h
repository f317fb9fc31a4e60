// Outcome codes: the numbers of gRPC, the same in every layer.
#ifndef PENSTOCK_WIRE_STATUS_H_
#define PENSTOCK_WIRE_STATUS_H_

#include <cstdint>
#include <string>
#include <utility>

namespace penstock {

enum class Code : uint8_t {
  kOk = 0,
  kCancelled = 1,
  kUnknown = 2,
  kInvalidArgument = 3,
  kDeadlineExceeded = 4,
  kNotFound = 5,
  kAlreadyExists = 6,
  kPermissionDenied = 7,
  kResourceExhausted = 8,
  kFailedPrecondition = 9,
  kAborted = 10,
  kOutOfRange = 11,
  kUnimplemented = 12,
  kInternal = 13,
  kUnavailable = 14,
  kDataLoss = 15,
  kUnauthenticated = 16,
};

inline constexpr int kCodeCount = 17;

// A code and, unless it is kOk, a message that may be shown to the client and a detail that may only be
// logged.
struct [[nodiscard]] Status {
  Code code = Code::kOk;
  std::string message;
  std::string detail = {};

  bool ok() const { return code == Code::kOk; }
  static Status invalid(std::string text) { return {Code::kInvalidArgument, std::move(text), {}}; }
};

}  // namespace penstock

#endif  // PENSTOCK_WIRE_STATUS_H_
