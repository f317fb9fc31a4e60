// ModelInferResponse: encoded from slices of a batch's outputs, framed for gRPC.
#ifndef PENSTOCK_WIRE_INFER_RESPONSE_H_
#define PENSTOCK_WIRE_INFER_RESPONSE_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "wire/signature.h"

namespace penstock {

// One output of a whole batch, contiguous and row-major. Borrowed: valid while the batch completes.
struct OutputColumn {
  const uint8_t* data = nullptr;  // numbers, or length-prefixed BYTES
  size_t size_bytes = 0;
  std::vector<int64_t> shape;        // as the model gave it; shape[0] is the rows when batched
  const int64_t* offsets = nullptr;  // BYTES of a batched model: rows + 1 byte offsets into data
  size_t row_bytes = 0;              // numbers of a batched model
};

// Outputs of a batch, in the order of Signature::outputs. A column that no request asked for may be empty.
struct BatchOutputs {
  const Signature* signature = nullptr;
  std::string_view model;
  std::string_view version;
  std::vector<OutputColumn> columns;
};

// Rows [first, first + rows) of one column; the whole column when the model is not batched.
std::string_view slice_rows(const OutputColumn& column, bool batched, int64_t first, int64_t rows);

// No protobuf message is larger.
inline constexpr size_t kMaxProtobufBytes = (size_t{1} << 31) - 1;

// Appends the 5-byte gRPC prefix and the message. `outputs` are indices into the signature's outputs. False,
// and nothing appended, when the message would exceed kMaxProtobufBytes. Throws std::bad_alloc.
[[nodiscard]] bool encode_infer_response(std::string_view id, const BatchOutputs& batch,
                                         const std::vector<uint16_t>& outputs, int64_t first_row,
                                         int64_t rows, std::string* out);

}  // namespace penstock

#endif  // PENSTOCK_WIRE_INFER_RESPONSE_H_
