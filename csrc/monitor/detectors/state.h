// The state of a detector as bytes: words of 8 bytes, little-endian, in the order in which they are visited.
//
// A detector lists its fields once, in `visit(archive)`; StateWriter and StateReader are the two archives.
#ifndef PENSTOCK_MONITOR_DETECTORS_STATE_H_
#define PENSTOCK_MONITOR_DETECTORS_STATE_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

namespace penstock {

class StateWriter {
 public:
  static constexpr bool kReads = false;

  void operator()(uint64_t& word) {
    for (int shift = 0; shift < 64; shift += 8) bytes_.push_back(static_cast<char>(word >> shift & 0xff));
  }
  void operator()(int64_t& value) {
    auto word = static_cast<uint64_t>(value);
    (*this)(word);
  }
  void operator()(double& value) {
    uint64_t word;
    std::memcpy(&word, &value, sizeof word);
    (*this)(word);
  }
  void operator()(bool& value) {
    uint64_t word = value;
    (*this)(word);
  }
  // With a bound, for the reader: there are never more.
  void operator()(std::vector<double>& values, size_t /*most*/) {
    uint64_t size = values.size();
    (*this)(size);
    for (double& value : values) (*this)(value);
  }

  const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
};

// Bytes that are too short give zeros; ask `done` whether everything was there and nothing more.
class StateReader {
 public:
  static constexpr bool kReads = true;

  StateReader(const char* bytes, size_t size) : bytes_(bytes), left_(size) {}

  void operator()(uint64_t& word) {
    word = 0;
    if (left_ < sizeof word) return fail();
    for (int i = 0; i < 8; i++) word |= static_cast<uint64_t>(static_cast<uint8_t>(bytes_[i])) << 8 * i;
    bytes_ += sizeof word;
    left_ -= sizeof word;
  }
  void operator()(int64_t& value) {
    uint64_t word;
    (*this)(word);
    value = static_cast<int64_t>(word);
  }
  void operator()(double& value) {
    uint64_t word;
    (*this)(word);
    std::memcpy(&value, &word, sizeof value);
  }
  void operator()(bool& value) {
    uint64_t word;
    (*this)(word);
    if (word > 1) fail();
    value = word == 1;
  }
  void operator()(std::vector<double>& values, size_t most) {
    uint64_t size;
    (*this)(size);
    if (size > most || size > left_ / sizeof(double)) {
      fail();
      size = 0;
    }
    values.resize(size);
    for (double& value : values) (*this)(value);
  }

  bool done() const { return sound_ && left_ == 0; }

 private:
  void fail() {
    sound_ = false;
    left_ = 0;
  }

  const char* bytes_;
  size_t left_;
  bool sound_ = true;
};

}  // namespace penstock

#endif  // PENSTOCK_MONITOR_DETECTORS_STATE_H_
