// Texts and ids of any length and any bytes, made fit to be written and compared.
#ifndef PENSTOCK_MONITOR_LOG_TEXTS_H_
#define PENSTOCK_MONITOR_LOG_TEXTS_H_

#include <cstddef>
#include <string>
#include <string_view>

namespace penstock {

// Longer texts are cut.
constexpr size_t kLongestText = 4096;
// Longer ids are their beginning, "~" and 16 digits of the hash of the whole.
constexpr size_t kLongestId = 256;

// Cuts to so many bytes or a few less: not within a character of UTF-8.
std::string_view cut(std::string_view text, size_t longest);

// Appends a text as well-formed UTF-8: bytes that are not so are written as \xNN.
void append_clean(std::string_view text, std::string* out);

// Returns an id as it is kept; `storage` holds it where it is not the one given.
std::string_view kept_id(std::string_view id, std::string* storage);

}  // namespace penstock

#endif  // PENSTOCK_MONITOR_LOG_TEXTS_H_
