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

void Stream::recycle(size_t kept_bytes) {
  Stream fresh;
  fresh.headers = std::move(headers);
  fresh.headers.clear();
  fresh.path.swap(path);
  fresh.path.clear();
  fresh.body.swap(body);
  if (fresh.body.capacity() > kept_bytes) std::string().swap(fresh.body);
  fresh.body.clear();
  fresh.out = std::move(out);
  fresh.out.clear(kept_bytes);
  *this = std::move(fresh);
}

}  // namespace penstock
