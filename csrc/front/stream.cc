#include "front/stream.h"

#include <algorithm>
#include <cstring>

namespace penstock {

size_t StreamBuffer::take(uint8_t* to, size_t limit) {
  const size_t n = std::min(limit, size());
  std::memcpy(to, bytes_.data() + offset_, n);
  offset_ += n;
  if (offset_ == bytes_.size()) {
    bytes_.clear();
    offset_ = 0;
    if (bytes_.capacity() > 16384) bytes_.shrink_to_fit();
  } else if (offset_ > 65536 && offset_ > bytes_.size() / 2) {
    bytes_.erase(0, offset_);
    offset_ = 0;
  }
  return n;
}

}  // namespace penstock
