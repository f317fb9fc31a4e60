// One handle for all detectors, and what they share: which values count, and how many there were.
#ifndef PENSTOCK_MONITOR_DETECTORS_ANY_DETECTOR_H_
#define PENSTOCK_MONITOR_DETECTORS_ANY_DETECTOR_H_

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "monitor/detectors/state.h"

namespace penstock {

// Beyond this a value counts as not finite: squares and sums of smaller ones cannot overflow.
constexpr double kLargestValue = 1e100;

// Names and values of what a detector estimates, for people and metrics.
using Estimates = std::vector<std::pair<const char*, double>>;

struct DetectorStatus {
  int64_t taken = 0;
  int64_t ignored = 0;
  int64_t detections = 0;
  bool drift = false;
  bool warning = false;
};

// A detector, as the classes in this folder are one:
//
//   bool update(double x)            takes a value from [kLow, kHigh]; true: it found drift
//   bool drift() const               what the last update returned
//   bool warning() const             false where the method knows no warning
//   void reset()                     as it was constructed
//   void estimates(Estimates*) const appends
//   void visit(archive)              all fields that change
//   bool sound() const               whether fields that were read can be gone on with
//
// The update after the one that found drift begins anew: what was before is forgotten, as in river.
// None of them allocates once it has grown to its bound, none throws, and all arithmetic is in double
// precision in the order in which river 0.26 does it, so that both find drift at the same value.
class AnyDetector {
 public:
  virtual ~AnyDetector() = default;

  // Values outside the detector's range, and NaN, are counted and otherwise ignored: false.
  virtual bool update(double x) = 0;
  // The same one by one; appends the indices at which drift was found. Locks.
  virtual void update_many(const double* x, int64_t n, std::vector<int64_t>* found) = 0;
  virtual void reset() = 0;
  virtual DetectorStatus status() const = 0;
  virtual void estimates(Estimates* out) const = 0;
  virtual std::string save() = 0;
  // False, and reset, where the bytes are not what `save` wrote with the same parameters.
  virtual bool load(const char* bytes, size_t size) = 0;

  // Held by the caller around everything but update_many.
  std::mutex& mutex() { return mutex_; }

 protected:
  std::mutex mutex_;
};

template <class Detector>
class DetectorOf final : public AnyDetector {
 public:
  template <class... Arguments>
  explicit DetectorOf(Arguments... arguments) : detector_(arguments...) {}

  bool update(double x) override {
    // NaN fails the comparison.
    if (!(x >= Detector::kLow && x <= Detector::kHigh)) {
      ignored_++;
      return false;
    }
    taken_++;
    const bool found = detector_.update(x);
    detections_ += found;
    return found;
  }

  void update_many(const double* x, int64_t n, std::vector<int64_t>* found) override {
    const std::lock_guard<std::mutex> lock(mutex_);
    for (int64_t i = 0; i < n; i++) {
      if (DetectorOf::update(x[i])) found->push_back(i);
    }
  }

  void reset() override {
    detector_.reset();
    taken_ = ignored_ = detections_ = 0;
  }

  DetectorStatus status() const override {
    return {taken_, ignored_, detections_, detector_.drift(), detector_.warning()};
  }
  void estimates(Estimates* out) const override { detector_.estimates(out); }

  std::string save() override {
    StateWriter writer;
    visit(writer);
    return writer.bytes();
  }

  bool load(const char* bytes, size_t size) override {
    StateReader reader(bytes, size);
    visit(reader);
    if (reader.done() && taken_ >= 0 && ignored_ >= 0 && detections_ >= 0 && detector_.sound()) return true;
    reset();
    return false;
  }

 private:
  template <class Archive>
  void visit(Archive& archive) {
    archive(taken_);
    archive(ignored_);
    archive(detections_);
    detector_.visit(archive);
  }

  Detector detector_;
  int64_t taken_ = 0;
  int64_t ignored_ = 0;
  int64_t detections_ = 0;
};

}  // namespace penstock

#endif  // PENSTOCK_MONITOR_DETECTORS_ANY_DETECTOR_H_
