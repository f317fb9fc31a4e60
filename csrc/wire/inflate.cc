#include <zlib.h>

#include <algorithm>

#include "wire/grpc_framing.h"

namespace penstock {

Inflated inflate_message(Encoding encoding, std::string_view compressed, size_t limit, std::string* out) {
  z_stream stream{};
  // 15 is the largest window; 16 more asks zlib for the gzip wrapper.
  if (inflateInit2(&stream, encoding == Encoding::kGzip ? 15 + 16 : 15) != Z_OK) return Inflated::kMalformed;
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(compressed.data()));
  stream.avail_in = static_cast<uInt>(compressed.size());
  out->clear();
  Inflated result = Inflated::kMalformed;
  for (size_t chunk = std::max<size_t>(4096, compressed.size() * 2);;) {
    const size_t used = out->size();
    // One byte past the limit tells a message of exactly the limit from a larger one.
    const size_t room = std::min(chunk, limit + 1 - used);
    out->resize(used + room);
    stream.next_out = reinterpret_cast<Bytef*>(out->data() + used);
    stream.avail_out = static_cast<uInt>(room);
    const int code = inflate(&stream, Z_NO_FLUSH);
    out->resize(used + room - stream.avail_out);
    if (out->size() > limit) {
      result = Inflated::kTooLarge;
      break;
    }
    if (code == Z_STREAM_END) {
      if (stream.avail_in == 0) result = Inflated::kOk;
      break;
    }
    if (code != Z_OK || (stream.avail_in == 0 && stream.avail_out > 0)) break;
    chunk = std::min<size_t>(chunk * 2, 1 << 24);
  }
  inflateEnd(&stream);
  return result;
}

}  // namespace penstock
