// ModelInferRequest: parsed in place, then bound to a signature.
//
// Two steps, so that a front can find the model between them. Messages of failures are part of the protocol:
// the Python implementation in penstock.serve.codec gives the same words, and a differential test holds both
// to it.
#ifndef PENSTOCK_WIRE_INFER_REQUEST_H_
#define PENSTOCK_WIRE_INFER_REQUEST_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "wire/refusal.h"
#include "wire/signature.h"
#include "wire/status.h"

namespace penstock {

// One value of a `parameters` map. Only what Penstock reads is kept.
struct Parameter {
  enum class Kind : uint8_t { kNone, kBool, kInt64, kString, kDouble, kUint64 };
  std::string_view key;
  Kind kind = Kind::kNone;
  uint64_t integer = 0;  // the bits of a bool, an int64 or a uint64

  bool is_integer() const { return kind == Kind::kInt64 || kind == Kind::kUint64; }
};

// One entry for each key that Penstock reads; the last one of a key wins, as in a protobuf map.
using Parameters = std::vector<Parameter>;
const Parameter* find_parameter(const Parameters& parameters, std::string_view key);

// An input as it came: views into the message.
struct RequestTensor {
  std::string_view name;
  std::string_view datatype;
  std::vector<int64_t> shape;
  Parameters parameters;
  std::vector<std::string_view> contents;  // each serialised InferTensorContents, to be merged
  uint64_t content_elements = 0;           // elements of all typed fields together
};

struct RequestedOutput {
  std::string_view name;
  Parameters parameters;
};

// Tensors, outputs and buffers that are kept of one request, more than any signature has. Those beyond are
// parsed and counted: a message of a million empty tensors must not take a hundred times its size.
inline constexpr size_t kKeptTensors = 1 << 16;

// Views into the bytes that were parsed: valid as long as they are.
struct InferRequest {
  std::string_view model_name;
  std::string_view model_version;
  std::string_view id;
  Parameters parameters;
  std::vector<RequestTensor> inputs;
  std::vector<RequestedOutput> outputs;
  std::vector<std::string_view> raw_contents;
  uint64_t input_count = 0;  // kept or not
  uint64_t raw_count = 0;
  bool typed_contents = false;  // some input has elements in a typed field

  // Forgets everything; memory that an unusually large request took goes back.
  void clear();
};

// Parses the message; `request` is cleared first. Fails only with kInvalidArgument.
Status parse_infer_request(std::string_view bytes, InferRequest* request);

// Adds what another piece of the same message holds; false where it is malformed.
bool merge_infer_request(std::string_view bytes, InferRequest* request);

// Scheduling hints of the reserved parameters.
struct RequestHints {
  uint8_t priority = 0;    // 0 is served first, 2 last
  int64_t timeout_us = 0;  // 0 is none
};
Status read_hints(const InferRequest& request, RequestHints* hints);

// One input, checked: contiguous, row-major, little-endian. BYTES stay length-prefixed.
struct BoundInput {
  const uint8_t* data = nullptr;
  size_t size_bytes = 0;
};

// A request that fits its signature.
struct BoundRequest {
  std::vector<BoundInput> inputs;      // in the order of the signature
  std::vector<int64_t> variable_dims;  // sizes of the variable dimensions but the rows, inputs in order
  std::vector<uint16_t> outputs;       // indices into Signature::outputs, in the order of the answer
  int64_t rows = 1;                    // 1 when the model is not batched
  std::vector<std::string> converted;  // storage of typed contents; inputs may point here

  void clear();
};

// Checks names, datatypes, shapes, sizes and requested outputs. Fails only with kInvalidArgument, and then
// `refusal` says what was wrong.
Status bind_request(const InferRequest& request, const Signature& signature, BoundRequest* bound,
                    Refusal* refusal);

// Number of elements of a length-prefixed BYTES buffer when it holds exactly `count` elements; false
// otherwise.
bool check_bytes_elements(const uint8_t* data, size_t size_bytes, uint64_t count);

// Whether the buffer holds exactly `count` elements, each well-formed UTF-8.
bool check_texts(const uint8_t* data, size_t size_bytes, uint64_t count);

// "[-1,30]"
std::string format_shape(const std::vector<int64_t>& shape);

}  // namespace penstock

#endif  // PENSTOCK_WIRE_INFER_REQUEST_H_
