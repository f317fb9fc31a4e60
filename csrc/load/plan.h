// What one load run sends, to whom, how fast and for how long.
#ifndef PENSTOCK_LOAD_PLAN_H_
#define PENSTOCK_LOAD_PLAN_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace penstock::load {

// Immutable while a run uses it. Valid plans have a numeric host, at least one message, one connection and
// one stream, a positive timeout, and max_requests or max_ns (both set: whichever comes first); the Python
// facade checks.
struct Plan {
  std::string host;  // numeric IPv4 or IPv6 address
  uint16_t port = 0;
  std::string authority;                                      // value of :authority
  std::string path;                                           // "/package.Service/Method"
  std::vector<std::pair<std::string, std::string>> metadata;  // sent with every call, names in lower case
  std::vector<std::string> messages;  // request i sends messages[i % size], 5-byte gRPC prefix included
  std::vector<std::string>
      expected;  // empty, or the answer to each message, byte for byte, without the prefix
  int connections = 1;
  int streams = 1;           // calls in flight on one connection, at most
  int64_t max_requests = 0;  // 0: no limit
  int64_t max_ns = 0;        // no call starts (or, open loop, arrives) after this time; 0: no limit
  double rate_per_s = 0.0;   // 0: closed loop; else open loop, Poisson arrivals at this mean rate
  int64_t timeout_ns = 0;  // of the connection set-up, of a call, and of an arrival waiting for a free stream
  uint64_t seed = 0;       // of the arrival times
};

}  // namespace penstock::load

#endif  // PENSTOCK_LOAD_PLAN_H_
