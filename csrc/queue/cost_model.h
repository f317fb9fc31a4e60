// What a batch of n rows costs: a + b·n, learned while serving.
//
// Exponentially weighted least squares; each sample is weighted down by its distance from the line in units
// of the typical distance (Huber's weights), so that one page fault or one preempted batch does not bend it,
// while a lasting change is followed within some tens of batches. Pure: no clock, no lock, no allocation.
//
// P. J. Huber, "Robust estimation of a location parameter", Ann. Math. Statist. 35 (1964).
#ifndef PENSTOCK_QUEUE_COST_MODEL_H_
#define PENSTOCK_QUEUE_COST_MODEL_H_

#include <cstdint>

namespace penstock {

struct CostEstimate {
  double base_ns = 0;    // a
  double row_ns = 0;     // b
  double spread_ns = 0;  // typical distance of a sample from the line
  bool known = false;    // false until the first sample

  double batch_ns(int64_t rows) const { return base_ns + row_ns * static_cast<double>(rows); }
  // What a batch takes when it is unlucky: used wherever a promise depends on it.
  double careful_ns(int64_t rows) const { return batch_ns(rows) + 3 * spread_ns; }
};

class CostModel {
 public:
  // A batch of `rows` (at least 1) took `ns` (at least 0); other values are ignored.
  void observe(int64_t rows, double ns);
  const CostEstimate& estimate() const { return estimate_; }

 private:
  void fit();

  // Decayed sums over samples: weight, n, n², t, n·t.
  double w_ = 0, n_ = 0, nn_ = 0, t_ = 0, nt_ = 0;
  CostEstimate estimate_;
};

}  // namespace penstock

#endif  // PENSTOCK_QUEUE_COST_MODEL_H_
