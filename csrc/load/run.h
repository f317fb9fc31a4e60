// A load run: connections, the arrival process, timeouts, and the end.
#ifndef PENSTOCK_LOAD_RUN_H_
#define PENSTOCK_LOAD_RUN_H_

#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "load/connection.h"
#include "load/plan.h"
#include "load/tally.h"

namespace penstock::load {

// Carries out a plan. One thread drives it through advance(); it starts no thread and takes no lock.
//
// Connections are set up first, outside the measured time. Closed loop: each free stream starts the next call
// at once. Open loop: calls arrive by a Poisson process whether or not a stream is free; they wait in order,
// and their latency counts from the arrival (no coordinated omission).
//
// A lost connection is opened again after a pause that doubles, and is given up after five attempts in a row
// without an answer. The run ends when the plan's limit is reached and nothing is in flight, or no connection
// is left; timeouts bound each part, so it always ends.
class Run {
 public:
  // The plan is moved in and stays unchanged.
  explicit Run(Plan plan);
  ~Run();
  Run(const Run&) = delete;
  Run& operator=(const Run&) = delete;

  // Works for about this long; true when the run has ended. Never blocks longer than the budget.
  bool advance(int64_t budget_ns);

  const Tally& tally() const { return tally_; }
  // Whether any connection was ever ready, and why the last one failed.
  bool connected() const { return connected_; }
  const std::string& connection_error() const { return connection_error_; }

 private:
  enum class Phase { kConnecting, kSending, kDraining, kEnded };

  // A connection and its attempts to be one.
  struct Lane {
    std::unique_ptr<Connection> connection;
    int attempts = 0;  // since the last answer
    uint64_t answers_seen = 0;
    int64_t reopen_ns = 0;
    bool given_up = false;
    bool was_ready = false;
  };

  bool open_loop() const { return plan_.rate_per_s > 0.0; }
  void begin_sending(int64_t now);
  void tick(int64_t now);
  void tend(Lane& lane, int64_t now);
  void send_arrivals(int64_t now);
  void fill(Connection& connection, int64_t now);
  Connection* free_connection();
  void draw_arrival();
  bool exhausted(int64_t now) const;
  bool in_flight() const;
  void end(int64_t now);
  void wait(int64_t until_ns, int64_t now);
  void arm_timer(int64_t at_ns);

  const Plan plan_;
  Tally tally_;
  int epoll_fd_ = -1;
  int timer_fd_ = -1;
  int64_t timer_at_ns_ = 0;
  std::vector<Lane> lanes_;
  size_t next_lane_ = 0;
  std::vector<Connection*> started_;  // to be flushed; may repeat
  Phase phase_ = Phase::kConnecting;
  bool connected_ = false;
  std::string connection_error_;
  int64_t begin_ns_ = 0;
  int64_t next_tick_ns_ = 0;
  int64_t issued_ = 0;      // calls started and arrivals abandoned
  int64_t arrival_ns_ = 0;  // open loop: of the next call
  std::mt19937_64 random_;
  std::exponential_distribution<double> gap_s_;
};

}  // namespace penstock::load

#endif  // PENSTOCK_LOAD_RUN_H_
