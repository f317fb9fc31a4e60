#include "columns/arrow.h"

#include <cstring>

#include "columns/values.h"

namespace penstock {
namespace {

struct Format {
  ColumnType type;
  Layout layout;
  int64_t size_bytes;  // of one value; text: 0
};

bool read_format(const char* format, Format* found) {
  switch (format[0]) {
    case 'n':
      *found = {ColumnType::kNull, Layout::kText32, 0};
      break;
    case 'b':
      *found = {ColumnType::kBool, Layout::kBits, 0};
      break;
    case 'c':
      *found = {ColumnType::kInt8, Layout::kInt8, 1};
      break;
    case 'C':
      *found = {ColumnType::kUint8, Layout::kUint8, 1};
      break;
    case 's':
      *found = {ColumnType::kInt16, Layout::kInt16, 2};
      break;
    case 'S':
      *found = {ColumnType::kUint16, Layout::kUint16, 2};
      break;
    case 'i':
      *found = {ColumnType::kInt32, Layout::kInt32, 4};
      break;
    case 'I':
      *found = {ColumnType::kUint32, Layout::kUint32, 4};
      break;
    case 'l':
      *found = {ColumnType::kInt64, Layout::kInt64, 8};
      break;
    case 'L':
      *found = {ColumnType::kUint64, Layout::kUint64, 8};
      break;
    case 'e':
      *found = {ColumnType::kFloat32, Layout::kHalf, 2};
      break;
    case 'f':
      *found = {ColumnType::kFloat32, Layout::kFloat, 4};
      break;
    case 'g':
      *found = {ColumnType::kFloat64, Layout::kDouble, 8};
      break;
    case 'u':
    case 'z':
      *found = {ColumnType::kString, Layout::kText32, 0};
      break;
    case 'U':
    case 'Z':
      *found = {ColumnType::kString, Layout::kText64, 0};
      break;
    case 'v':
      if ((format[1] != 'u' && format[1] != 'z') || format[2] != '\0') return false;
      *found = {ColumnType::kString, Layout::kTextView, 0};
      return true;
    case 't':
      if (std::strcmp(format, "tdD") == 0) {
        *found = {ColumnType::kDate32, Layout::kInt32, 4};
        return true;
      }
      if (format[1] != 's' || format[2] == '\0' || format[3] != ':') return false;
      switch (format[2]) {
        case 's':
          *found = {ColumnType::kSeconds, Layout::kInt64, 8};
          return true;
        case 'm':
          *found = {ColumnType::kMilliseconds, Layout::kInt64, 8};
          return true;
        case 'u':
          *found = {ColumnType::kMicroseconds, Layout::kInt64, 8};
          return true;
        case 'n':
          *found = {ColumnType::kNanoseconds, Layout::kInt64, 8};
          return true;
        default:
          return false;
      }
    default:
      return false;
  }
  return format[1] == '\0';
}

bool is_integer(Layout layout) { return layout >= Layout::kInt8 && layout <= Layout::kUint64; }

ArrowProblem view_plain(const Format& format, const ArrowArray& array, int64_t first, int64_t length,
                        Arena* arena, ColumnView* view) {
  view->layout = format.layout;
  view->length = length;
  if (format.type == ColumnType::kNull) {
    view_missing(ColumnType::kString, length, arena, view);
    return ArrowProblem::kNone;
  }
  const bool has_offsets = format.layout == Layout::kText32 || format.layout == Layout::kText64;
  const int64_t needed = has_offsets ? 3 : 2;
  if (array.n_buffers < needed) return ArrowProblem::kBuffers;
  // An empty array may come without any memory.
  if (length > 0 && array.buffers[1] == nullptr) return ArrowProblem::kBuffers;
  if (array.null_count != 0 && array.buffers[0] != nullptr) {
    view->validity = static_cast<const uint8_t*>(array.buffers[0]);
    view->validity_offset = first;
  }
  const char* data = static_cast<const char*>(array.buffers[1]);
  switch (format.layout) {
    case Layout::kBits:
      view->values = data;
      view->bit_offset = first;
      break;
    case Layout::kText32:
    case Layout::kText64: {
      const int64_t size = format.layout == Layout::kText32 ? 4 : 8;
      view->offsets = data == nullptr ? nullptr : data + first * size;
      view->values = array.buffers[2] == nullptr ? "" : array.buffers[2];
      break;
    }
    case Layout::kTextView:
      view->values = data == nullptr ? nullptr : data + first * 16;
      view->stride = 16;
      view->buffers = array.buffers + 2;
      break;
    default:
      view->values = data == nullptr ? nullptr : data + first * format.size_bytes;
      view->stride = format.size_bytes;
  }
  return ArrowProblem::kNone;
}

}  // namespace

bool type_of(const ArrowSchema& schema, ColumnType* type) {
  Format format;
  if (!read_format(schema.format, &format)) return false;
  if (schema.dictionary != nullptr) {
    if (!is_integer(format.layout) || schema.dictionary->dictionary != nullptr) return false;
    if (!read_format(schema.dictionary->format, &format)) return false;
  }
  *type = format.type;
  return true;
}

std::string type_name(const ArrowSchema& schema) {
  static constexpr struct {
    const char* prefix;
    const char* name;
  } kNames[] = {
      {"+l", "list"},
      {"+L", "large_list"},
      {"+vl", "list_view"},
      {"+vL", "large_list_view"},
      {"+w", "fixed_size_list"},
      {"+s", "struct"},
      {"+m", "map"},
      {"+u", "union"},
      {"+r", "run_end_encoded"},
      {"d:", "decimal"},
      {"w:", "fixed_size_binary"},
      {"tdm", "date64"},
      {"tt", "time"},
      {"tD", "duration"},
      {"ti", "interval"},
  };
  if (schema.dictionary != nullptr) return "dictionary of " + type_name(*schema.dictionary);
  for (const auto& known : kNames) {
    if (std::strncmp(schema.format, known.prefix, std::strlen(known.prefix)) == 0) return known.name;
  }
  return std::string("Arrow format ") + schema.format;
}

ArrowProblem view_array(const ArrowSchema& schema, const ArrowArray& array, int64_t offset, int64_t length,
                        Arena* arena, ColumnView* view, int64_t* row) {
  *view = ColumnView();
  Format format;
  if (!read_format(schema.format, &format)) return ArrowProblem::kType;
  if (offset < 0 || length < 0 || array.length - offset < length) return ArrowProblem::kLength;
  const int64_t first = array.offset + offset;
  const ArrowProblem problem = view_plain(format, array, first, length, arena, view);
  if (problem != ArrowProblem::kNone || schema.dictionary == nullptr) return problem;
  if (!is_integer(format.layout) || schema.dictionary->dictionary != nullptr) return ArrowProblem::kType;
  if (array.dictionary == nullptr) return ArrowProblem::kBuffers;
  auto* dictionary = arena->make<ColumnView>();
  const ArrowProblem inner =
      view_array(*schema.dictionary, *array.dictionary, 0, array.dictionary->length, arena, dictionary, row);
  if (inner != ArrowProblem::kNone) return inner;
  *row = first_code_outside(*view, dictionary->length);
  if (*row >= 0) return ArrowProblem::kCode;
  view->codes = view->layout;
  view->layout = Layout::kDictionary;
  view->dictionary = dictionary;
  return ArrowProblem::kNone;
}

}  // namespace penstock
