// The verdict on each call, and their totals.
#ifndef PENSTOCK_LOAD_TALLY_H_
#define PENSTOCK_LOAD_TALLY_H_

#include <array>
#include <cstdint>
#include <string>

#include "load/histogram.h"

namespace penstock::load {

constexpr int kStatusCodes = 17;  // gRPC statuses 0 (OK) to 16 (UNAUTHENTICATED)

// One call in flight. The slot is reused when its stream has closed; strings keep their capacity.
struct Call {
  int64_t index = 0;        // of the request within the run
  int64_t intended_ns = 0;  // when it should have been sent; latency counts from here
  int64_t sent_ns = 0;      // when it was handed to the connection; the timeout counts from here
  int32_t stream_id = 0;    // 0: free
  size_t offset = 0;        // bytes of the request that were sent
  int http_status = 0;
  int grpc_status = -1;  // -1: none seen
  bool settled = false;  // counted already; only the stream lives on
  std::string body;      // of the response, prefix included
  std::string message;   // grpc-message, percent-encoded as it came

  void begin(int64_t request, int64_t intended, int64_t now);
};

// Totals of one run. Every call that was sent ends in exactly one of by_code, timeouts and transport_errors.
//
// Latencies are of answered calls (whatever their status), and, so that a stalled server does not look fast,
// of calls that timed out and arrivals that were never sent. Not thread-safe.
class Tally {
 public:
  // An answer whose stream has ended. `expected` is null when any message will do; a call that is OK must
  // hold exactly one uncompressed message, equal to it.
  void answered(const Call& call, const std::string* expected, int64_t now);
  void timed_out(const Call& call, int64_t now);
  // The stream or its connection ended without a gRPC status; the first reason is kept.
  void lost(const std::string& reason);
  // An arrival that found no free stream before its timeout.
  void never_sent(int64_t waited_ns);

  uint64_t requests = 0;    // calls sent that have ended, in whichever way
  uint64_t ok = 0;          // status OK, and the answer is the expected one
  uint64_t mismatches = 0;  // status OK, and it is not
  uint64_t timeouts = 0;
  uint64_t transport_errors = 0;
  uint64_t unsent = 0;
  uint64_t reconnects = 0;
  std::array<uint64_t, kStatusCodes> by_code{};
  std::array<std::string, kStatusCodes> first_message;  // of each code, percent-encoded
  std::string first_transport_error;
  int64_t elapsed_ns = 0;  // from the first call's start to the last one's end
  Histogram latency;
};

}  // namespace penstock::load

#endif  // PENSTOCK_LOAD_TALLY_H_
