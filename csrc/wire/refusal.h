// Why a request was refused at the door: the input, and the reason.
#ifndef PENSTOCK_WIRE_REFUSAL_H_
#define PENSTOCK_WIRE_REFUSAL_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace penstock {

enum class RefusalReason : uint8_t {
  // Of one input of the signature.
  kMissing,      // it did not come
  kRepeated,     // it came twice
  kDatatype,     // another datatype came
  kShape,        // the shape does not fit
  kRows,         // it has other rows than the first
  kSize,         // its bytes or elements are too few, too many, or not cut into texts
  kRange,        // an element is beyond its datatype
  kText,         // a text is not UTF-8
  kUnsupported,  // it came in a way that is not offered
  kRule,         // a rule of the model refuses a value
  kValue,        // the model's transform refuses a value
  // Of the request.
  kUnknown,    // an input that the model does not have
  kContents,   // raw buffers do not go with the inputs
  kParameter,  // a parameter of the request
  kOutput,     // the outputs that it asks for
};

inline constexpr size_t kRefusalReasonCount = 15;
inline constexpr std::string_view kRefusalReasons[kRefusalReasonCount] = {
    "missing",     "repeated", "datatype", "shape",   "rows",     "size",      "range",  "text",
    "unsupported", "rule",     "value",    "unknown", "contents", "parameter", "output",
};

struct Refusal {
  static constexpr int kNoInput = -1;

  RefusalReason reason = RefusalReason::kContents;
  int input = kNoInput;  // index into Signature::inputs
};

}  // namespace penstock

#endif  // PENSTOCK_WIRE_REFUSAL_H_
