#include "wire/infer_request.h"

#include "wire/grpc_framing.h"
#include "wire/protobuf.h"
#include "wire/tensor_contents.h"

namespace penstock {
namespace {

using protobuf::Reader;

bool text(Reader* reader, std::string_view* value) {
  return reader->bytes(value) && protobuf::valid_utf8(*value);
}

// InferParameter, a oneof: the last member set wins. `value` keeps what an earlier part of the message set.
bool parse_parameter_value(Reader reader, Parameter* value) {
  while (!reader.done()) {
    uint32_t field, type;
    if (!reader.tag(&field, &type)) return false;
    if ((field == 1 || field == 2 || field == 5) && type == protobuf::kVarint) {
      if (!reader.varint(&value->integer)) return false;
      value->kind = field == 1   ? Parameter::Kind::kBool
                    : field == 2 ? Parameter::Kind::kInt64
                                 : Parameter::Kind::kUint64;
    } else if (field == 3 && type == protobuf::kBytes) {
      std::string_view ignored;
      if (!text(&reader, &ignored)) return false;
      value->kind = Parameter::Kind::kString;
    } else if (field == 4 && type == protobuf::kFixed64) {
      if (!reader.fixed(&value->integer)) return false;
      value->kind = Parameter::Kind::kDouble;
    } else if (!reader.skip(field, type)) {
      return false;
    }
  }
  return true;
}

bool is_read(std::string_view key) {
  return key == "priority" || key == "timeout" || key == "shared_memory_region" || key == "classification";
}

bool parse_parameter(Reader* outer, Parameters* parameters) {
  std::string_view bytes;
  if (!outer->bytes(&bytes)) return false;
  Reader reader = outer->nested(bytes);
  Parameter parameter;
  bool known = true;
  while (!reader.done()) {
    uint32_t field, type;
    if (!reader.tag(&field, &type)) return false;
    if (field == 1 && type == protobuf::kBytes) {
      if (!text(&reader, &parameter.key)) return false;
    } else if (field == 2 && type == protobuf::kBytes) {
      std::string_view value;
      if (!reader.bytes(&value) || !parse_parameter_value(reader.nested(value), &parameter)) return false;
    } else {
      known = false;
      if (!reader.skip(field, type)) return false;
    }
  }
  // As in upb, the runtime of Python and others: an entry that holds an unknown field is one itself.
  if (!known || !is_read(parameter.key)) return true;
  for (Parameter& earlier : *parameters) {
    if (earlier.key == parameter.key) {
      earlier = parameter;
      return true;
    }
  }
  parameters->push_back(parameter);
  return true;
}

// More dims than any tensor has, and more than fit a status message that shows them.
constexpr size_t kKeptDims = kMaxStatusMessageBytes;

void add_dim(uint64_t dim, std::vector<int64_t>* shape) {
  if (shape->size() < kKeptDims) shape->push_back(static_cast<int64_t>(dim));
}

bool parse_shape(Reader* reader, uint32_t type, std::vector<int64_t>* shape) {
  uint64_t dim;
  if (type == protobuf::kVarint) {
    if (!reader->varint(&dim)) return false;
    add_dim(dim, shape);
    return true;
  }
  std::string_view packed;
  if (!reader->bytes(&packed)) return false;
  Reader dims(packed);
  while (!dims.done()) {
    if (!dims.varint(&dim)) return false;
    add_dim(dim, shape);
  }
  return true;
}

bool parse_input(Reader reader, RequestTensor* tensor) {
  while (!reader.done()) {
    uint32_t field, type;
    if (!reader.tag(&field, &type)) return false;
    bool ok;
    if (field == 1 && type == protobuf::kBytes) {
      ok = text(&reader, &tensor->name);
    } else if (field == 2 && type == protobuf::kBytes) {
      ok = text(&reader, &tensor->datatype);
    } else if (field == 3 && (type == protobuf::kBytes || type == protobuf::kVarint)) {
      ok = parse_shape(&reader, type, &tensor->shape);
    } else if (field == 4 && type == protobuf::kBytes) {
      ok = parse_parameter(&reader, &tensor->parameters);
    } else if (field == 5 && type == protobuf::kBytes) {
      std::string_view contents;
      uint64_t elements = 0;
      ok = reader.bytes(&contents) && count_tensor_contents(contents, &elements);
      if (elements > 0) tensor->contents.push_back(contents);
      tensor->content_elements += elements;
    } else {
      ok = reader.skip(field, type);
    }
    if (!ok) return false;
  }
  return true;
}

bool parse_output(Reader reader, RequestedOutput* output) {
  while (!reader.done()) {
    uint32_t field, type;
    if (!reader.tag(&field, &type)) return false;
    bool ok;
    if (field == 1 && type == protobuf::kBytes) {
      ok = text(&reader, &output->name);
    } else if (field == 2 && type == protobuf::kBytes) {
      ok = parse_parameter(&reader, &output->parameters);
    } else {
      ok = reader.skip(field, type);
    }
    if (!ok) return false;
  }
  return true;
}

bool parse_next_input(Reader* reader, InferRequest* request) {
  std::string_view bytes;
  if (!reader->bytes(&bytes)) return false;
  RequestTensor spare;
  RequestTensor* input = &spare;
  if (request->input_count++ < kKeptTensors) input = &request->inputs.emplace_back();
  if (!parse_input(reader->nested(bytes), input)) return false;
  request->typed_contents |= input->content_elements > 0;
  return true;
}

bool parse_next_output(Reader* reader, InferRequest* request) {
  std::string_view bytes;
  if (!reader->bytes(&bytes)) return false;
  RequestedOutput spare;
  const bool kept = request->outputs.size() < kKeptTensors;
  return parse_output(reader->nested(bytes), kept ? &request->outputs.emplace_back() : &spare);
}

bool parse_next_raw(Reader* reader, InferRequest* request) {
  std::string_view bytes;
  if (!reader->bytes(&bytes)) return false;
  if (request->raw_count++ < kKeptTensors) request->raw_contents.push_back(bytes);
  return true;
}

}  // namespace

bool merge_infer_request(std::string_view bytes, InferRequest* request) {
  Reader reader(bytes);
  while (!reader.done()) {
    uint32_t field, type;
    if (!reader.tag(&field, &type)) return false;
    if (type != protobuf::kBytes || field > 7) {
      if (!reader.skip(field, type)) return false;
      continue;
    }
    bool ok = true;
    switch (field) {
      case 1:
        ok = text(&reader, &request->model_name);
        break;
      case 2:
        ok = text(&reader, &request->model_version);
        break;
      case 3:
        ok = text(&reader, &request->id);
        break;
      case 4:
        ok = parse_parameter(&reader, &request->parameters);
        break;
      case 5:
        ok = parse_next_input(&reader, request);
        break;
      case 6:
        ok = parse_next_output(&reader, request);
        break;
      default:
        ok = parse_next_raw(&reader, request);
        break;
    }
    if (!ok) return false;
  }
  return true;
}

namespace {

std::string quoted(std::string_view name) { return '"' + std::string(name) + '"'; }

std::string quoted_names(const std::vector<TensorSpec>& specs) {
  std::string out;
  for (const TensorSpec& spec : specs) {
    if (!out.empty()) out += ", ";
    out += quoted(spec.name);
  }
  return out;
}

int index_of(const std::vector<TensorSpec>& specs, std::string_view name) {
  for (size_t i = 0; i < specs.size(); ++i) {
    if (specs[i].name == name) return static_cast<int>(i);
  }
  return -1;
}

constexpr uint64_t kMaxTensorBytes = (uint64_t{1} << 31) - 1;
constexpr int64_t kMaxEmptyRows = 65'536;

// Checks dims against the spec and counts elements; false on any mismatch. Rows without elements take no
// bytes, yet each costs its share of a run: their number has a limit of its own.
bool match_shape(const std::vector<int64_t>& shape, const TensorSpec& spec, bool batched,
                 uint64_t* elements) {
  if (shape.size() != spec.shape.size()) return false;
  const uint64_t size = spec.datatype == DataType::kBytes ? 4 : datatype_size(spec.datatype);
  bool empty = false;
  uint64_t count = 1;
  for (size_t i = 0; i < shape.size(); ++i) {
    const int64_t dim = shape[i];
    if (dim < 0 || (spec.shape[i] >= 0 && dim != spec.shape[i])) return false;
    if (batched && i == 0 && dim < 1) return false;
    empty |= dim == 0;
    if (static_cast<uint64_t>(dim) > kMaxTensorBytes / size / count) return false;
    if (dim > 0) count *= static_cast<uint64_t>(dim);
  }
  if (batched && empty && shape[0] > kMaxEmptyRows) return false;
  *elements = empty ? 0 : count;
  return true;
}

Status bind_raw(std::string_view raw, const TensorSpec& spec, const std::vector<int64_t>& shape,
                uint64_t elements, BoundRequest* bound, BoundInput* input, RefusalReason* reason) {
  const auto* data = reinterpret_cast<const uint8_t*>(raw.data());
  *reason = RefusalReason::kSize;
  if (spec.datatype == DataType::kBytes) {
    if (!check_bytes_elements(data, raw.size(), elements)) {
      return Status::invalid("input " + quoted(spec.name) + ": BYTES tensor of shape " + format_shape(shape) +
                             " does not hold exactly " + std::to_string(elements) +
                             " length-prefixed elements");
    }
  } else if (raw.size() != elements * datatype_size(spec.datatype)) {
    return Status::invalid("input " + quoted(spec.name) + ": expected " +
                           std::to_string(elements * datatype_size(spec.datatype)) + " bytes for shape " +
                           format_shape(shape) + ", got " + std::to_string(raw.size()));
  }
  *input = {data, raw.size()};
  if (spec.datatype == DataType::kBool) {
    bool canonical = true;
    for (size_t i = 0; i < raw.size(); ++i) canonical &= data[i] <= 1;
    if (!canonical) {
      std::string& copy = bound->converted.emplace_back(raw);
      for (char& byte : copy) byte = byte != 0;
      *input = {reinterpret_cast<const uint8_t*>(copy.data()), copy.size()};
    }
  }
  return {};
}

Status check_text_elements(const BoundInput& input, const TensorSpec& spec) {
  const uint8_t* p = input.data;
  const uint8_t* end = p + input.size_bytes;
  for (uint64_t i = 0; p < end; ++i) {
    uint32_t size;
    std::memcpy(&size, p, 4);
    if (!protobuf::valid_utf8({reinterpret_cast<const char*>(p) + 4, size})) {
      return Status::invalid("input " + quoted(spec.name) + ": element " + std::to_string(i) +
                             " is not valid UTF-8");
    }
    p += 4 + size;
  }
  return {};
}

Status bind_input(const RequestTensor& tensor, const std::string_view* raw, const TensorSpec& spec,
                  bool batched, BoundRequest* bound, BoundInput* input, RefusalReason* reason) {
  if (find_parameter(tensor.parameters, "shared_memory_region") != nullptr) {
    *reason = RefusalReason::kUnsupported;
    return Status::invalid("input " + quoted(spec.name) +
                           ": shared memory is not supported; send the tensor in the message");
  }
  if (tensor.datatype != datatype_name(spec.datatype)) {
    *reason = RefusalReason::kDatatype;
    return Status::invalid("input " + quoted(spec.name) + ": expected datatype " +
                           std::string(datatype_name(spec.datatype)) + ", got " + quoted(tensor.datatype));
  }
  uint64_t elements = 0;
  if (!match_shape(tensor.shape, spec, batched, &elements)) {
    *reason = RefusalReason::kShape;
    return Status::invalid("input " + quoted(spec.name) + ": expected shape " + format_shape(spec.shape) +
                           ", got " + format_shape(tensor.shape));
  }
  if (raw != nullptr) {
    Status status = bind_raw(*raw, spec, tensor.shape, elements, bound, input, reason);
    if (!status.ok()) return status;
  } else {
    std::string& storage = bound->converted.emplace_back();
    Status status = convert_tensor_contents(tensor, spec, elements, &storage, reason);
    if (!status.ok()) return status;
    *input = {reinterpret_cast<const uint8_t*>(storage.data()), storage.size()};
  }
  *reason = RefusalReason::kText;
  if (spec.datatype == DataType::kBytes) return check_text_elements(*input, spec);
  return {};
}

Status bind_outputs(const InferRequest& request, const Signature& signature, BoundRequest* bound) {
  if (request.outputs.empty()) {
    for (size_t i = 0; i < signature.outputs.size(); ++i) bound->outputs.push_back(static_cast<uint16_t>(i));
    return {};
  }
  for (const RequestedOutput& output : request.outputs) {
    const int index = index_of(signature.outputs, output.name);
    if (index < 0) {
      return Status::invalid("unknown output " + quoted(output.name) +
                             "; expected outputs: " + quoted_names(signature.outputs));
    }
    for (uint16_t earlier : bound->outputs) {
      if (earlier == index) {
        return Status::invalid("output " + quoted(output.name) + " is requested more than once");
      }
    }
    if (find_parameter(output.parameters, "classification") != nullptr) {
      return Status::invalid("output " + quoted(output.name) +
                             ": the classification extension is not supported");
    }
    if (find_parameter(output.parameters, "shared_memory_region") != nullptr) {
      return Status::invalid("output " + quoted(output.name) + ": shared memory is not supported");
    }
    bound->outputs.push_back(static_cast<uint16_t>(index));
  }
  return {};
}

// Whether the buffer holds exactly `count` length-prefixed elements, all of which `accepts` takes.
template <typename Accepts>
bool check_elements(const uint8_t* data, size_t size_bytes, uint64_t count, Accepts accepts) {
  uint64_t seen = 0;
  while (size_bytes > 0) {
    uint32_t size;
    if (size_bytes < 4) return false;
    std::memcpy(&size, data, 4);
    if (size > size_bytes - 4) return false;
    if (!accepts(std::string_view(reinterpret_cast<const char*>(data) + 4, size))) return false;
    data += 4 + size;
    size_bytes -= 4 + size;
    ++seen;
  }
  return seen == count;
}

// Room for what is usual stays.
template <typename T>
void empty(std::vector<T>* items) {
  constexpr size_t kUsual = 256;
  if (items->capacity() > kUsual) {
    std::vector<T>().swap(*items);
  } else {
    items->clear();
  }
}

}  // namespace

const Parameter* find_parameter(const Parameters& parameters, std::string_view key) {
  for (auto it = parameters.rbegin(); it != parameters.rend(); ++it) {
    if (it->key == key) return &*it;
  }
  return nullptr;
}

void InferRequest::clear() {
  model_name = model_version = id = {};
  parameters.clear();
  empty(&inputs);
  empty(&outputs);
  empty(&raw_contents);
  input_count = raw_count = 0;
  typed_contents = false;
}

void BoundRequest::clear() {
  inputs.clear();
  variable_dims.clear();
  outputs.clear();
  converted.clear();
  rows = 1;
}

std::string format_shape(const std::vector<int64_t>& shape) {
  std::string out = "[";
  for (size_t i = 0; i < shape.size(); ++i) {
    if (i > 0) out += ',';
    out += std::to_string(shape[i]);
  }
  return out + ']';
}

bool check_bytes_elements(const uint8_t* data, size_t size_bytes, uint64_t count) {
  return check_elements(data, size_bytes, count, [](std::string_view) { return true; });
}

bool check_texts(const uint8_t* data, size_t size_bytes, uint64_t count) {
  return check_elements(data, size_bytes, count, protobuf::valid_utf8);
}

Status parse_infer_request(std::string_view bytes, InferRequest* request) {
  request->clear();
  if (merge_infer_request(bytes, request)) return {};
  return Status::invalid("malformed ModelInferRequest: not a valid protobuf message");
}

Status read_hints(const InferRequest& request, RequestHints* hints) {
  if (const Parameter* priority = find_parameter(request.parameters, "priority")) {
    if (!priority->is_integer() || priority->integer > 2) {
      return Status::invalid("parameter \"priority\": expected an integer from 0 to 2");
    }
    hints->priority = static_cast<uint8_t>(priority->integer);
  }
  if (const Parameter* timeout = find_parameter(request.parameters, "timeout")) {
    const bool negative =
        timeout->kind == Parameter::Kind::kInt64 && static_cast<int64_t>(timeout->integer) < 0;
    if (!timeout->is_integer() || negative) {
      return Status::invalid("parameter \"timeout\": expected microseconds as a non-negative integer");
    }
    // A year is as good as for ever, and keeps the sums below from overflowing.
    constexpr uint64_t kYearUs = 365ull * 24 * 3600 * 1'000'000;
    hints->timeout_us = static_cast<int64_t>(timeout->integer < kYearUs ? timeout->integer : kYearUs);
  }
  return {};
}

Status bind_request(const InferRequest& request, const Signature& signature, BoundRequest* bound,
                    Refusal* refusal) {
  bound->clear();
  *refusal = {RefusalReason::kContents};
  const bool raw = request.raw_count > 0;
  if (raw && request.typed_contents) {
    return Status::invalid("raw_input_contents and typed contents must not be mixed");
  }
  if (raw && request.raw_count != request.input_count) {
    return Status::invalid("raw_input_contents holds " + std::to_string(request.raw_count) +
                           " buffers; expected " + std::to_string(request.input_count) +
                           ", one for each input");
  }
  const size_t n = signature.inputs.size();
  bound->inputs.resize(n);
  bound->converted.reserve(request.inputs.size());  // inputs point into its strings
  // Index of the request tensor that fills each input, or -1.
  int filled_inline[8] = {-1, -1, -1, -1, -1, -1, -1, -1};
  std::vector<int> filled_many;
  if (n > 8) filled_many.assign(n, -1);
  int* filled = n > 8 ? filled_many.data() : filled_inline;

  for (size_t i = 0; i < request.inputs.size(); ++i) {
    const RequestTensor& tensor = request.inputs[i];
    const int index = index_of(signature.inputs, tensor.name);
    if (index < 0) {
      *refusal = {RefusalReason::kUnknown};
      return Status::invalid("unknown input " + quoted(tensor.name) +
                             "; expected inputs: " + quoted_names(signature.inputs));
    }
    *refusal = {RefusalReason::kRepeated, index};
    if (filled[index] >= 0)
      return Status::invalid("input " + quoted(tensor.name) + " is given more than once");
    filled[index] = static_cast<int>(i);
    Status status = bind_input(tensor, raw ? &request.raw_contents[i] : nullptr, signature.inputs[index],
                               signature.batched, bound, &bound->inputs[index], &refusal->reason);
    if (!status.ok()) return status;
  }
  for (size_t i = 0; i < n; ++i) {
    if (filled[i] < 0) {
      *refusal = {RefusalReason::kMissing, static_cast<int>(i)};
      return Status::invalid("missing input " + quoted(signature.inputs[i].name));
    }
  }
  if (signature.batched && !request.inputs.empty()) {
    const RequestTensor& first = request.inputs[0];
    for (const RequestTensor& tensor : request.inputs) {
      if (tensor.shape[0] != first.shape[0]) {
        *refusal = {RefusalReason::kRows, index_of(signature.inputs, tensor.name)};
        return Status::invalid("input " + quoted(tensor.name) + " has " + std::to_string(tensor.shape[0]) +
                               " rows; input " + quoted(first.name) + " has " +
                               std::to_string(first.shape[0]));
      }
    }
    bound->rows = first.shape[0];
  }
  for (size_t i = 0; i < n; ++i) {
    const TensorSpec& spec = signature.inputs[i];
    const std::vector<int64_t>& shape = request.inputs[filled[i]].shape;
    for (size_t d = signature.batched ? 1 : 0; d < spec.shape.size(); ++d) {
      if (spec.shape[d] < 0) bound->variable_dims.push_back(shape[d]);
    }
  }
  *refusal = {RefusalReason::kOutput};
  return bind_outputs(request, signature, bound);
}

}  // namespace penstock
