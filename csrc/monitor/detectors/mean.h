// A running mean, in the arithmetic of river.stats.Mean.
#ifndef PENSTOCK_MONITOR_DETECTORS_MEAN_H_
#define PENSTOCK_MONITOR_DETECTORS_MEAN_H_

namespace penstock {

struct Mean {
  double n = 0;
  double value = 0;

  void update(double x) {
    n += 1;
    value += 1.0 / n * (x - value);
  }

  template <class Archive>
  void visit(Archive& archive) {
    archive(n);
    archive(value);
  }
};

// Which way a mean has to move to count.
enum class Side { kUp, kDown, kBoth };

}  // namespace penstock

#endif  // PENSTOCK_MONITOR_DETECTORS_MEAN_H_
