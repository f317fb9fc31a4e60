// The protobuf wire format: a bounds-checked reader and an appending writer.
//
// The reader never copies and never allocates. Every method returns false on malformed input and then the
// reader must not be used again. Accepts exactly what the protobuf runtimes accept: varints of at most ten
// bytes, of which bits beyond the 64th are dropped; tags of at most five; messages and unknown groups in each
// other to a depth of 100; any field number from 1 on.
#ifndef PENSTOCK_WIRE_PROTOBUF_H_
#define PENSTOCK_WIRE_PROTOBUF_H_

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace penstock::protobuf {

enum WireType : uint32_t {
  kVarint = 0,
  kFixed64 = 1,
  kBytes = 2,
  kStartGroup = 3,
  kEndGroup = 4,
  kFixed32 = 5
};

class Reader {
 public:
  Reader(const uint8_t* begin, const uint8_t* end) : p_(begin), end_(end) {}
  explicit Reader(std::string_view bytes, int depth = 0)
      : p_(reinterpret_cast<const uint8_t*>(bytes.data())), end_(p_ + bytes.size()), depth_(depth) {}

  // Reads a message that is a field of this one.
  Reader nested(std::string_view bytes) const { return Reader(bytes, depth_ + 1); }

  bool done() const { return p_ == end_; }
  // Bytes that were not read yet.
  size_t left() const { return static_cast<size_t>(end_ - p_); }

  bool varint(uint64_t* value) {
    if (p_ < end_ && *p_ < 0x80) {
      *value = *p_++;
      return true;
    }
    return long_varint(value);
  }

  // Reads a tag; `field` is at least 1 and `type` one of WireType.
  bool tag(uint32_t* field, uint32_t* type) {
    uint64_t value;
    const uint8_t* begin = p_;
    if (!varint(&value) || value > UINT32_MAX || p_ - begin > 5) return false;
    *field = static_cast<uint32_t>(value >> 3);
    *type = static_cast<uint32_t>(value & 7);
    return *field != 0 && *type <= kFixed32;
  }

  bool bytes(std::string_view* value) {
    uint64_t size;
    if (!varint(&size) || size > static_cast<uint64_t>(end_ - p_)) return false;
    *value = {reinterpret_cast<const char*>(p_), static_cast<size_t>(size)};
    p_ += size;
    return true;
  }

  template <typename T>
  bool fixed(T* value) {
    if (static_cast<size_t>(end_ - p_) < sizeof(T)) return false;
    std::memcpy(value, p_, sizeof(T));
    p_ += sizeof(T);
    return true;
  }

  // Skips the value of a field whose tag was just read.
  bool skip(uint32_t field, uint32_t type);

 private:
  bool long_varint(uint64_t* value);

  const uint8_t* p_;
  const uint8_t* end_;
  int depth_ = 0;  // messages and groups around the next byte
};

inline size_t varint_size(uint64_t value) {
  size_t n = 1;
  while (value >= 0x80) {
    value >>= 7;
    ++n;
  }
  return n;
}

// Appends to a string that the caller sized with reserve().
class Writer {
 public:
  explicit Writer(std::string* out) : out_(out) {}

  void varint(uint64_t value) {
    while (value >= 0x80) {
      out_->push_back(static_cast<char>(value | 0x80));
      value >>= 7;
    }
    out_->push_back(static_cast<char>(value));
  }
  void tag(uint32_t field, WireType type) { varint((field << 3) | type); }
  void bytes(uint32_t field, std::string_view value) {
    tag(field, kBytes);
    varint(value.size());
    out_->append(value);
  }

 private:
  std::string* out_;
};

// True when the bytes are well-formed UTF-8 (no surrogates, no overlong forms), as proto3 strings must be.
bool valid_utf8(std::string_view text);

}  // namespace penstock::protobuf

#endif  // PENSTOCK_WIRE_PROTOBUF_H_
