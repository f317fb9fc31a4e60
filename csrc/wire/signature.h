// What a model takes and gives: tensor names, datatypes and shapes.
#ifndef PENSTOCK_WIRE_SIGNATURE_H_
#define PENSTOCK_WIRE_SIGNATURE_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace penstock {

// Datatypes of the Open Inference Protocol that Penstock serves.
enum class DataType : uint8_t {
  kBool,
  kUint8,
  kUint16,
  kUint32,
  kUint64,
  kInt8,
  kInt16,
  kInt32,
  kInt64,
  kFp16,
  kFp32,
  kFp64,
  kBytes,
};

// Protocol name, for example "FP32".
std::string_view datatype_name(DataType type);
std::optional<DataType> datatype_from_name(std::string_view name);
// Bytes of one element; 0 for kBytes, whose elements vary.
size_t datatype_size(DataType type);

struct TensorSpec {
  std::string name;
  DataType datatype = DataType::kFp32;
  std::vector<int64_t> shape;  // -1 is variable
};

// Immutable once built. When `batched`, the first dimension of every input and output is the row dimension.
struct Signature {
  std::vector<TensorSpec> inputs;
  std::vector<TensorSpec> outputs;
  bool batched = true;
};

}  // namespace penstock

#endif  // PENSTOCK_WIRE_SIGNATURE_H_
