#include "monitor/log/texts.h"

#include <algorithm>
#include <cinttypes>
#include <cstdint>
#include <cstdio>

#include "transform/hash.h"
#include "wire/protobuf.h"

namespace penstock {
namespace {

size_t character_bytes(uint8_t lead) { return lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4; }

}  // namespace

std::string_view cut(std::string_view text, size_t longest) {
  if (text.size() <= longest) return text;
  size_t size = longest;
  while (size > 0 && longest - size < 3 && (static_cast<uint8_t>(text[size]) & 0xC0) == 0x80) --size;
  return text.substr(0, size);
}

void append_clean(std::string_view text, std::string* out) {
  if (protobuf::valid_utf8(text)) {
    out->append(text);
    return;
  }
  while (!text.empty()) {
    const auto lead = static_cast<uint8_t>(text[0]);
    const size_t size = std::min(character_bytes(lead), text.size());
    if (protobuf::valid_utf8(text.substr(0, size))) {
      out->append(text.substr(0, size));
      text.remove_prefix(size);
      continue;
    }
    char escaped[8];
    out->append(escaped, std::snprintf(escaped, sizeof(escaped), "\\x%02x", lead));
    text.remove_prefix(1);
  }
}

std::string_view kept_id(std::string_view id, std::string* storage) {
  if (id.size() <= kLongestId) return id;
  constexpr size_t kDigest = 17;
  char digest[kDigest + 1];
  std::snprintf(digest, sizeof(digest), "~%016" PRIx64, xxh64(id.data(), id.size(), 0));
  storage->assign(cut(id, kLongestId - kDigest));
  storage->append(digest, kDigest);
  return *storage;
}

}  // namespace penstock
