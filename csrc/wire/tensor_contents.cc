#include "wire/tensor_contents.h"

#include <cstring>
#include <limits>

#include "wire/infer_request.h"
#include "wire/protobuf.h"

namespace penstock {
namespace {

using protobuf::Reader;

constexpr int kDepth = 2;  // the contents of an input of a request

enum Field : uint32_t {
  kBoolField = 1,
  kIntField,
  kInt64Field,
  kUintField,
  kUint64Field,
  kFp32Field,
  kFp64Field,
  kBytesField
};

Field field_of(DataType type) {
  switch (type) {
    case DataType::kBool:
      return kBoolField;
    case DataType::kInt8:
    case DataType::kInt16:
    case DataType::kInt32:
      return kIntField;
    case DataType::kInt64:
      return kInt64Field;
    case DataType::kUint8:
    case DataType::kUint16:
    case DataType::kUint32:
      return kUintField;
    case DataType::kUint64:
      return kUint64Field;
    case DataType::kFp64:
      return kFp64Field;
    case DataType::kBytes:
      return kBytesField;
    default:
      return kFp32Field;
  }
}

constexpr std::string_view kFieldNames[] = {"",
                                            "bool_contents",
                                            "int_contents",
                                            "int64_contents",
                                            "uint_contents",
                                            "uint64_contents",
                                            "fp32_contents",
                                            "fp64_contents",
                                            "bytes_contents"};

// Calls visit(field, number, bytes) for each element in order; visit returns false to stop. Returns false
// when the bytes are malformed or the visitor stopped.
template <typename Visit>
bool for_each_element(std::string_view message, Visit visit) {
  Reader reader(message, kDepth);
  while (!reader.done()) {
    uint32_t field, type;
    if (!reader.tag(&field, &type)) return false;
    const bool varints = field >= kBoolField && field <= kUint64Field;
    std::string_view bytes;
    uint64_t number = 0;
    uint32_t word = 0;
    if (varints && type == protobuf::kVarint) {
      if (!reader.varint(&number) || !visit(field, number, bytes)) return false;
    } else if (varints && type == protobuf::kBytes) {
      if (!reader.bytes(&bytes)) return false;
      Reader packed(bytes);
      while (!packed.done()) {
        if (!packed.varint(&number) || !visit(field, number, bytes)) return false;
      }
    } else if (field == kFp32Field && type == protobuf::kFixed32) {
      if (!reader.fixed(&word) || !visit(field, word, bytes)) return false;
    } else if (field == kFp64Field && type == protobuf::kFixed64) {
      if (!reader.fixed(&number) || !visit(field, number, bytes)) return false;
    } else if ((field == kFp32Field || field == kFp64Field) && type == protobuf::kBytes) {
      if (!reader.bytes(&bytes)) return false;
      const size_t size = field == kFp32Field ? 4 : 8;
      if (bytes.size() % size != 0) return false;
      for (size_t i = 0; i < bytes.size(); i += size) {
        number = 0;
        std::memcpy(&number, bytes.data() + i, size);
        if (!visit(field, number, bytes)) return false;
      }
    } else if (field == kBytesField && type == protobuf::kBytes) {
      if (!reader.bytes(&bytes) || !visit(field, number, bytes)) return false;
    } else if (!reader.skip(field, type)) {
      return false;
    }
  }
  return true;
}

template <typename T>
void append_number(std::string* raw, T value) {
  raw->append(reinterpret_cast<const char*>(&value), sizeof value);
}

// int_contents and uint_contents are 32 bits wide on the wire; false when the value does not fit the type.
template <typename T, typename Wide>
bool append_checked(std::string* raw, uint64_t number) {
  const Wide value = static_cast<Wide>(number);
  if (value < static_cast<Wide>(std::numeric_limits<T>::min()) ||
      value > static_cast<Wide>(std::numeric_limits<T>::max())) {
    return false;
  }
  append_number(raw, static_cast<T>(value));
  return true;
}

bool append_element(DataType type, uint64_t number, std::string_view bytes, std::string* raw) {
  switch (type) {
    case DataType::kBool:
      append_number<uint8_t>(raw, number != 0);
      return true;
    case DataType::kInt8:
      return append_checked<int8_t, int32_t>(raw, number);
    case DataType::kInt16:
      return append_checked<int16_t, int32_t>(raw, number);
    case DataType::kInt32:
    case DataType::kUint32:
    case DataType::kFp32:
      append_number(raw, static_cast<uint32_t>(number));
      return true;
    case DataType::kUint8:
      return append_checked<uint8_t, uint32_t>(raw, number);
    case DataType::kUint16:
      return append_checked<uint16_t, uint32_t>(raw, number);
    case DataType::kBytes:
      append_number(raw, static_cast<uint32_t>(bytes.size()));
      raw->append(bytes);
      return true;
    default:
      append_number(raw, number);
      return true;
  }
}

}  // namespace

bool count_tensor_contents(std::string_view bytes, uint64_t* elements) {
  return for_each_element(bytes, [elements](uint32_t, uint64_t, std::string_view) {
    ++*elements;
    return true;
  });
}

Status convert_tensor_contents(const RequestTensor& tensor, const TensorSpec& spec, uint64_t elements,
                               std::string* raw, RefusalReason* reason) {
  const std::string prefix = "input \"" + spec.name + "\": ";
  if (spec.datatype == DataType::kFp16) {
    *reason = RefusalReason::kUnsupported;
    return Status::invalid(prefix + "FP16 must be sent in raw_input_contents");
  }
  const Field field = field_of(spec.datatype);
  // First the counts, then the ranges: what is missing is the better message.
  bool other_field = false;
  for (std::string_view part : tensor.contents) {
    for_each_element(part, [&](uint32_t seen, uint64_t, std::string_view) {
      other_field |= seen != field;
      return true;
    });
  }
  if (other_field || tensor.content_elements != elements) {
    *reason = RefusalReason::kSize;
    return Status::invalid(prefix + "expected " + std::to_string(elements) + " elements in " +
                           std::string(kFieldNames[field]) + " for shape " + format_shape(tensor.shape));
  }
  raw->reserve(elements * datatype_size(spec.datatype));
  uint64_t index = 0;
  for (std::string_view part : tensor.contents) {
    const bool fits = for_each_element(part, [&](uint32_t, uint64_t number, std::string_view bytes) {
      if (!append_element(spec.datatype, number, bytes, raw)) return false;
      ++index;
      return true;
    });
    if (!fits) {
      *reason = RefusalReason::kRange;
      return Status::invalid(prefix + "element " + std::to_string(index) + " is out of range for " +
                             std::string(datatype_name(spec.datatype)));
    }
  }
  return {};
}

}  // namespace penstock
