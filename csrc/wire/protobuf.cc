#include "wire/protobuf.h"

namespace penstock::protobuf {
namespace {

constexpr int kMaxDepth = 100;

}  // namespace

bool Reader::long_varint(uint64_t* value) {
  uint64_t result = 0;
  for (int shift = 0; shift < 70 && p_ < end_; shift += 7) {
    const uint8_t byte = *p_++;
    result |= static_cast<uint64_t>(byte & 0x7F) << shift;
    if (byte < 0x80) {
      *value = result;
      return true;
    }
  }
  return false;
}

bool Reader::skip(uint32_t field, uint32_t type) {
  uint64_t number;
  std::string_view ignored;
  switch (type) {
    case kVarint:
      return varint(&number);
    case kBytes:
      return bytes(&ignored);
    case kFixed64:
      return fixed(&number);
    case kFixed32: {
      uint32_t word;
      return fixed(&word);
    }
    case kStartGroup:
      if (++depth_ > kMaxDepth) return false;
      for (;;) {
        uint32_t inner_field, inner_type;
        if (!tag(&inner_field, &inner_type)) return false;
        if (inner_type == kEndGroup) {
          --depth_;
          return inner_field == field;
        }
        if (!skip(inner_field, inner_type)) return false;
      }
    default:
      return false;
  }
}

bool valid_utf8(std::string_view text) {
  const auto* p = reinterpret_cast<const uint8_t*>(text.data());
  const uint8_t* end = p + text.size();
  auto tail = [](uint8_t byte) { return (byte & 0xC0) == 0x80; };
  while (p < end) {
    if (end - p >= 8) {
      uint64_t word;
      std::memcpy(&word, p, 8);
      if ((word & 0x8080808080808080ull) == 0) {
        p += 8;
        continue;
      }
    }
    const uint8_t lead = *p;
    const auto left = end - p;
    if (lead < 0x80) {
      p += 1;
    } else if (lead >= 0xC2 && lead <= 0xDF) {
      if (left < 2 || !tail(p[1])) return false;
      p += 2;
    } else if (lead >= 0xE0 && lead <= 0xEF) {
      if (left < 3 || !tail(p[1]) || !tail(p[2])) return false;
      if ((lead == 0xE0 && p[1] < 0xA0) || (lead == 0xED && p[1] > 0x9F)) return false;
      p += 3;
    } else if (lead >= 0xF0 && lead <= 0xF4) {
      if (left < 4 || !tail(p[1]) || !tail(p[2]) || !tail(p[3])) return false;
      if ((lead == 0xF0 && p[1] < 0x90) || (lead == 0xF4 && p[1] > 0x8F)) return false;
      p += 4;
    } else {
      return false;
    }
  }
  return true;
}

}  // namespace penstock::protobuf
