// Headers of one HTTP/2 message, kept in one block of memory.
#ifndef PENSTOCK_FRONT_HEADER_LIST_H_
#define PENSTOCK_FRONT_HEADER_LIST_H_

#include <nghttp2/nghttp2.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace penstock {

class HeaderList {
 public:
  void add(std::string_view name, std::string_view value) {
    entries_.push_back({static_cast<uint32_t>(name.size()), static_cast<uint32_t>(value.size())});
    text_.append(name);
    text_.append(value);
  }
  void clear() {
    text_.clear();
    entries_.clear();
  }
  bool empty() const { return entries_.empty(); }

  // Views into this list, in order; valid until it changes.
  std::vector<nghttp2_nv> view() const {
    std::vector<nghttp2_nv> out;
    out.reserve(entries_.size());
    auto* p = reinterpret_cast<uint8_t*>(const_cast<char*>(text_.data()));
    for (const Entry& entry : entries_) {
      out.push_back({p, p + entry.name, entry.name, entry.value, NGHTTP2_NV_FLAG_NONE});
      p += entry.name + entry.value;
    }
    return out;
  }

 private:
  struct Entry {
    uint32_t name;
    uint32_t value;
  };
  std::string text_;
  std::vector<Entry> entries_;
};

// A header that lives as long as the call that takes it.
inline nghttp2_nv header(std::string_view name, std::string_view value) {
  return {reinterpret_cast<uint8_t*>(const_cast<char*>(name.data())),
          reinterpret_cast<uint8_t*>(const_cast<char*>(value.data())), name.size(), value.size(),
          NGHTTP2_NV_FLAG_NONE};
}

}  // namespace penstock

#endif  // PENSTOCK_FRONT_HEADER_LIST_H_
