#include "wire/infer_response.h"

#include "wire/grpc_framing.h"
#include "wire/protobuf.h"

namespace penstock {
namespace {

using protobuf::varint_size;

size_t field_size(size_t payload) { return 1 + varint_size(payload) + payload; }

struct TensorSizes {
  size_t shape;
  size_t message;
};

int64_t dim_of(const OutputColumn& column, size_t i, bool batched, int64_t rows) {
  return batched && i == 0 ? rows : column.shape[i];
}

TensorSizes tensor_sizes(const TensorSpec& spec, const OutputColumn& column, bool batched, int64_t rows) {
  size_t shape = 0;
  for (size_t i = 0; i < column.shape.size(); ++i) {
    shape += varint_size(static_cast<uint64_t>(dim_of(column, i, batched, rows)));
  }
  size_t message = field_size(spec.name.size()) + field_size(datatype_name(spec.datatype).size());
  if (shape > 0) message += field_size(shape);
  return {shape, message};
}

}  // namespace

std::string_view slice_rows(const OutputColumn& column, bool batched, int64_t first, int64_t rows) {
  const char* data = reinterpret_cast<const char*>(column.data);
  if (!batched) return {data, column.size_bytes};
  if (column.offsets != nullptr) {
    const auto begin = column.offsets[first];
    return {data + begin, static_cast<size_t>(column.offsets[first + rows] - begin)};
  }
  return {data + static_cast<size_t>(first) * column.row_bytes, static_cast<size_t>(rows) * column.row_bytes};
}

bool encode_infer_response(std::string_view id, const BatchOutputs& batch,
                           const std::vector<uint16_t>& outputs, int64_t first_row, int64_t rows,
                           std::string* out) {
  const Signature& signature = *batch.signature;
  const std::string_view model = batch.model;
  const std::string_view version = batch.version;
  size_t total = 0;
  if (!model.empty()) total += field_size(model.size());
  if (!version.empty()) total += field_size(version.size());
  if (!id.empty()) total += field_size(id.size());
  for (uint16_t index : outputs) {
    const OutputColumn& column = batch.columns[index];
    total += field_size(tensor_sizes(signature.outputs[index], column, signature.batched, rows).message);
    total += field_size(slice_rows(column, signature.batched, first_row, rows).size());
  }
  if (total > kMaxProtobufBytes) return false;
  out->reserve(out->size() + kGrpcPrefixBytes + total);
  append_grpc_prefix(total, out);
  protobuf::Writer writer(out);
  if (!model.empty()) writer.bytes(1, model);
  if (!version.empty()) writer.bytes(2, version);
  if (!id.empty()) writer.bytes(3, id);
  for (uint16_t index : outputs) {
    const TensorSpec& spec = signature.outputs[index];
    const OutputColumn& column = batch.columns[index];
    const TensorSizes sizes = tensor_sizes(spec, column, signature.batched, rows);
    writer.tag(5, protobuf::kBytes);
    writer.varint(sizes.message);
    writer.bytes(1, spec.name);
    writer.bytes(2, datatype_name(spec.datatype));
    if (sizes.shape > 0) {
      writer.tag(3, protobuf::kBytes);
      writer.varint(sizes.shape);
      for (size_t i = 0; i < column.shape.size(); ++i) {
        writer.varint(static_cast<uint64_t>(dim_of(column, i, signature.batched, rows)));
      }
    }
  }
  for (uint16_t index : outputs) {
    writer.bytes(6, slice_rows(batch.columns[index], signature.batched, first_row, rows));
  }
  return true;
}

}  // namespace penstock
