// InferTensorContents: the typed alternative to raw buffers.
#ifndef PENSTOCK_WIRE_TENSOR_CONTENTS_H_
#define PENSTOCK_WIRE_TENSOR_CONTENTS_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "wire/refusal.h"
#include "wire/signature.h"
#include "wire/status.h"

namespace penstock {

struct RequestTensor;

// Walks one serialised InferTensorContents and counts the elements of all its fields; false when malformed.
bool count_tensor_contents(std::string_view bytes, uint64_t* elements);

// Writes the elements of the field that belongs to the datatype of `spec` in raw form: little-endian numbers,
// or 4-byte length and bytes. `elements` is what the shape asks for. `reason` is set where it fails.
Status convert_tensor_contents(const RequestTensor& tensor, const TensorSpec& spec, uint64_t elements,
                               std::string* raw, RefusalReason* reason);

}  // namespace penstock

#endif  // PENSTOCK_WIRE_TENSOR_CONTENTS_H_
