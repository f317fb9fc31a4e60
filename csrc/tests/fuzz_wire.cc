// The wire format under random input: what is generated well-formed must be accepted with the values that it
// was made from; what is then damaged must be refused or accepted without a byte read beyond the message.
#include <zlib.h>

#include <algorithm>
#include <set>

#include "tests/fuzz.h"
#include "wire/grpc_framing.h"
#include "wire/infer_request.h"
#include "wire/infer_response.h"
#include "wire/protobuf.h"
#include "wire/request_reader.h"

namespace penstock::fuzz {
namespace {

using protobuf::Reader;
using protobuf::Writer;

std::string length_prefixed(const std::vector<std::string>& elements) {
  std::string out;
  for (const std::string& element : elements) {
    const auto size = static_cast<uint32_t>(element.size());
    out.append(reinterpret_cast<const char*>(&size), 4);
    out += element;
  }
  return out;
}

Signature make_signature(Random* random) {
  Signature signature;
  signature.batched = random->chance(0.7);
  const auto make = [&](const char* prefix, size_t count, std::vector<TensorSpec>* specs) {
    for (size_t i = 0; i < count; ++i) {
      TensorSpec spec;
      spec.name = prefix + std::to_string(i);
      spec.datatype = static_cast<DataType>(random->below(13));
      const size_t rank = random->below(4) + (signature.batched ? 1 : 0);
      for (size_t d = 0; d < rank; ++d)
        spec.shape.push_back(random->chance(0.3) ? -1 : random->between(0, 4));
      if (signature.batched) spec.shape[0] = -1;
      specs->push_back(std::move(spec));
    }
  };
  make("in", random->below(random->chance(0.05) ? 20 : 4), &signature.inputs);
  make("out", 1 + random->below(3), &signature.outputs);
  return signature;
}

// A request that fits a signature, and what binding it must give.
struct Made {
  std::string bytes;
  std::vector<std::string> inputs;  // raw form, in the order of the signature
  size_t head_bytes = 0;            // up to the raw contents
  int64_t rows = 1;
};

std::string element_text(Random* random) {
  static const std::vector<std::string> kTexts = {"", "a", "\xC3\xA9", "\xF0\x9F\x99\x82",
                                                  "long enough to leave"};
  return random->pick(kTexts);
}

// Values of one tensor: raw, and as a serialised InferTensorContents.
void make_values(Random* random, DataType type, uint64_t count, std::string* raw, std::string* contents) {
  Writer writer(contents);
  std::string packed;
  Writer packer(&packed);
  const size_t size = datatype_size(type);
  std::vector<std::string> texts;
  for (uint64_t i = 0; i < count; ++i) {
    if (type == DataType::kBytes) {
      texts.push_back(element_text(random));
      writer.bytes(8, texts.back());
      continue;
    }
    uint64_t bits = random->bits();
    if (type == DataType::kBool) bits &= 1;
    if (size < 8) bits &= (uint64_t{1} << (8 * size)) - 1;
    raw->append(reinterpret_cast<const char*>(&bits), size);
    switch (type) {
      case DataType::kFp32:
      case DataType::kFp64:
        packed.append(reinterpret_cast<const char*>(&bits), size);
        break;
      case DataType::kInt8:
        packer.varint(static_cast<uint64_t>(static_cast<int64_t>(static_cast<int8_t>(bits))));
        break;
      case DataType::kInt16:
        packer.varint(static_cast<uint64_t>(static_cast<int64_t>(static_cast<int16_t>(bits))));
        break;
      case DataType::kInt32:
        packer.varint(static_cast<uint64_t>(static_cast<int64_t>(static_cast<int32_t>(bits))));
        break;
      default:
        packer.varint(bits);
        break;
    }
  }
  if (type == DataType::kBytes) *raw = length_prefixed(texts);
  if (packed.empty()) return;
  uint32_t field = 6;
  if (type == DataType::kBool) field = 1;
  if (type == DataType::kInt8 || type == DataType::kInt16 || type == DataType::kInt32) field = 2;
  if (type == DataType::kInt64) field = 3;
  if (type == DataType::kUint8 || type == DataType::kUint16 || type == DataType::kUint32) field = 4;
  if (type == DataType::kUint64) field = 5;
  if (type == DataType::kFp64) field = 7;
  writer.bytes(field, packed);
}

void add_parameter(uint32_t field, std::string_view key, uint32_t member, uint64_t value, std::string* out) {
  std::string choice, entry;
  Writer(&choice).tag(member, protobuf::kVarint);
  Writer(&choice).varint(value);
  Writer(&entry).bytes(1, key);
  Writer(&entry).bytes(2, choice);
  Writer(out).bytes(field, entry);
}

Made make_request(Random* random, const Signature& signature) {
  Made made;
  made.rows = signature.batched && !signature.inputs.empty() ? random->between(1, 5) : 1;
  made.inputs.resize(signature.inputs.size());
  bool raw = random->chance(0.6);
  for (const TensorSpec& spec : signature.inputs) raw |= spec.datatype == DataType::kFp16;
  std::vector<std::string> parts;
  std::vector<size_t> order(signature.inputs.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::shuffle(order.begin(), order.end(), std::mt19937_64(random->bits()));
  std::string raws;
  for (size_t i : order) {
    const TensorSpec& spec = signature.inputs[i];
    std::string dims, tensor, contents;
    uint64_t count = 1;
    for (size_t d = 0; d < spec.shape.size(); ++d) {
      const int64_t dim = signature.batched && d == 0 ? made.rows
                          : spec.shape[d] < 0         ? random->between(0, 4)
                                                      : spec.shape[d];
      Writer(&dims).varint(static_cast<uint64_t>(dim));
      count *= static_cast<uint64_t>(dim);
    }
    make_values(random, spec.datatype, count, &made.inputs[i], &contents);
    Writer writer(&tensor);
    writer.bytes(1, spec.name);
    writer.bytes(2, datatype_name(spec.datatype));
    if (!dims.empty()) writer.bytes(3, dims);
    if (!raw) writer.bytes(5, contents);
    if (random->chance(0.2)) add_parameter(4, "binary_data_size", 2, 4, &tensor);
    std::string field;
    Writer(&field).bytes(5, tensor);
    parts.push_back(std::move(field));
    if (raw) Writer(&raws).bytes(7, made.inputs[i]);
  }
  std::string head;
  Writer writer(&head);
  if (random->chance(0.9)) writer.bytes(1, "model");
  if (random->chance(0.3)) writer.bytes(2, "7");
  if (random->chance(0.3)) writer.bytes(3, "some id");
  if (random->chance(0.3)) add_parameter(4, "priority", 2, random->below(3), &head);
  if (random->chance(0.3)) add_parameter(4, "timeout", 2, random->below(1000), &head);
  if (random->chance(0.2)) writer.bytes(1000, "unknown");
  made.bytes = head;
  for (const std::string& part : parts) made.bytes += part;
  made.head_bytes = made.bytes.size();
  made.bytes += raws;
  return made;
}

bool inside(std::string_view part, std::string_view whole) {
  return part.empty() ||
         (part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size());
}

void check_views(const InferRequest& request, std::string_view whole) {
  CHECK(inside(request.model_name, whole) && inside(request.model_version, whole) &&
        inside(request.id, whole));
  for (const RequestTensor& input : request.inputs) {
    CHECK(inside(input.name, whole) && inside(input.datatype, whole));
    for (std::string_view contents : input.contents) CHECK(inside(contents, whole));
    for (const Parameter& parameter : input.parameters) CHECK(inside(parameter.key, whole));
  }
  for (const RequestedOutput& output : request.outputs) CHECK(inside(output.name, whole));
  for (std::string_view raw : request.raw_contents) CHECK(inside(raw, whole));
  CHECK(request.inputs.size() == std::min<uint64_t>(request.input_count, kKeptTensors));
  CHECK(request.raw_contents.size() == std::min<uint64_t>(request.raw_count, kKeptTensors));
}

void check_message(Status status) {
  CHECK(status.code == Code::kInvalidArgument);
  CHECK(!status.message.empty() && protobuf::valid_utf8(status.message));
  const std::string whole = status.message;
  clip_status_message(&status.message);
  CHECK(status.message.size() <= kMaxStatusMessageBytes && protobuf::valid_utf8(status.message));
  CHECK(whole.compare(0, status.message.size(), status.message) == 0);
  CHECK(status.message.size() == whole.size() || status.message.size() > kMaxStatusMessageBytes - 4);
}

void check_bound(const BoundRequest& bound, const Signature& signature, std::string_view whole) {
  CHECK(bound.inputs.size() == signature.inputs.size());
  CHECK(bound.rows >= 1 && (signature.batched || bound.rows == 1));
  for (size_t i = 0; i < bound.inputs.size(); ++i) {
    const std::string_view data(reinterpret_cast<const char*>(bound.inputs[i].data),
                                bound.inputs[i].size_bytes);
    bool held = inside(data, whole);
    for (const std::string& converted : bound.converted) held |= inside(data, converted);
    CHECK(held);
    const TensorSpec& spec = signature.inputs[i];
    size_t variable = 0;
    for (size_t k = 0; k < i; ++k) {
      for (size_t d = signature.batched ? 1 : 0; d < signature.inputs[k].shape.size(); ++d) {
        variable += signature.inputs[k].shape[d] < 0;
      }
    }
    uint64_t count = static_cast<uint64_t>(bound.rows);
    for (size_t d = signature.batched ? 1 : 0; d < spec.shape.size(); ++d) {
      count *= static_cast<uint64_t>(spec.shape[d] < 0 ? bound.variable_dims.at(variable++) : spec.shape[d]);
    }
    if (spec.datatype == DataType::kBytes) {
      CHECK(check_bytes_elements(bound.inputs[i].data, bound.inputs[i].size_bytes, count));
    } else {
      CHECK(bound.inputs[i].size_bytes == count * datatype_size(spec.datatype));
    }
    if (spec.datatype == DataType::kBool) {
      for (char c : data) CHECK(c == 0 || c == 1);
    }
  }
  std::set<uint16_t> seen(bound.outputs.begin(), bound.outputs.end());
  CHECK(seen.size() == bound.outputs.size() && !seen.empty() && *seen.rbegin() < signature.outputs.size());
}

// A response over random outputs, read back field by field.
void check_response(Random* random, const BoundRequest& bound, const Signature& signature) {
  const int64_t before = random->between(0, 3), after = random->between(0, 3);
  const int64_t rows = before + bound.rows + after;
  BatchOutputs batch;
  batch.signature = &signature;
  batch.model = "model";
  batch.version = "7";
  std::vector<std::string> storage;
  std::vector<std::vector<int64_t>> offsets(signature.outputs.size());
  storage.reserve(signature.outputs.size());
  for (size_t i = 0; i < signature.outputs.size(); ++i) {
    const TensorSpec& spec = signature.outputs[i];
    OutputColumn column;
    column.shape = spec.shape;
    for (int64_t& dim : column.shape) dim = dim < 0 ? 2 : dim;
    if (signature.batched) column.shape[0] = rows;
    uint64_t per_row = 1;
    for (size_t d = signature.batched ? 1 : 0; d < column.shape.size(); ++d) {
      per_row *= static_cast<uint64_t>(column.shape[d]);
    }
    std::string& data = storage.emplace_back();
    for (int64_t row = 0; row < (signature.batched ? rows : 1); ++row) {
      offsets[i].push_back(static_cast<int64_t>(data.size()));
      for (uint64_t k = 0; k < per_row; ++k) {
        data += spec.datatype == DataType::kBytes ? length_prefixed({element_text(random)})
                                                  : random->bytes(datatype_size(spec.datatype));
      }
    }
    offsets[i].push_back(static_cast<int64_t>(data.size()));
    column.data = reinterpret_cast<const uint8_t*>(data.data());
    column.size_bytes = data.size();
    if (spec.datatype == DataType::kBytes) column.offsets = offsets[i].data();
    column.row_bytes = per_row * datatype_size(spec.datatype);
    batch.columns.push_back(std::move(column));
  }
  std::string framed;
  CHECK(encode_infer_response("id", batch, bound.outputs, before, bound.rows, &framed));
  const GrpcPrefix prefix = read_grpc_prefix(framed.data());
  CHECK(!prefix.compressed && prefix.message_bytes + kGrpcPrefixBytes == framed.size());
  Reader reader(std::string_view(framed).substr(kGrpcPrefixBytes));
  size_t tensors = 0, raws = 0;
  while (!reader.done()) {
    uint32_t field, type;
    std::string_view value;
    CHECK(reader.tag(&field, &type) && type == protobuf::kBytes && reader.bytes(&value));
    if (field == 5) ++tensors;
    if (field != 6) continue;
    const OutputColumn& column = batch.columns[bound.outputs[raws++]];
    CHECK(value == slice_rows(column, signature.batched, before, bound.rows));
  }
  CHECK(tensors == bound.outputs.size() && raws == tensors);
}

bool is_same(const BoundRequest& left, const BoundRequest& right) {
  const auto is_equal = [](const BoundInput& one, const BoundInput& other) {
    return one.size_bytes == other.size_bytes &&
           (one.size_bytes == 0 || std::memcmp(one.data, other.data, one.size_bytes) == 0);
  };
  return std::equal(left.inputs.begin(), left.inputs.end(), right.inputs.begin(), right.inputs.end(),
                    is_equal) &&
         left.variable_dims == right.variable_dims && left.outputs == right.outputs &&
         left.rows == right.rows;
}

// A reader that knows how earlier messages were laid out must find what one finds that knows nothing.
void check_reader(std::string_view message, const Signature& signature, uint64_t key, RequestReader* reader) {
  InferRequest request;
  BoundRequest bound, found;
  Refusal refusal, found_refusal;
  Status status = parse_infer_request(message, &request);
  Status found_status = reader->parse(message);
  CHECK(status.code == found_status.code && status.message == found_status.message);
  if (!status.ok()) return;
  CHECK(request.model_name == reader->request().model_name && request.id == reader->request().id &&
        request.model_version == reader->request().model_version);
  RequestHints hints, found_hints;
  CHECK(read_hints(request, &hints).code == read_hints(reader->request(), &found_hints).code);
  CHECK(hints.priority == found_hints.priority && hints.timeout_us == found_hints.timeout_us);
  status = bind_request(request, signature, &bound, &refusal);
  found_status = reader->bind(signature, key, &found, &found_refusal);
  CHECK(status.code == found_status.code && status.message == found_status.message);
  if (status.ok()) {
    CHECK(is_same(bound, found));
    check_bound(found, signature, message);
  } else {
    CHECK(refusal.reason == found_refusal.reason && refusal.input == found_refusal.input);
  }
  reader->clear();
}

void fuzz_request(Random* random, RequestReader* reader) {
  static uint64_t key = 0;
  ++key;
  const Signature signature = make_signature(random);
  const Made made = make_request(random, signature);
  InferRequest request;
  BoundRequest bound;
  RequestHints hints;
  CHECK(parse_infer_request(made.bytes, &request).ok());
  check_views(request, made.bytes);
  CHECK(read_hints(request, &hints).ok());
  Refusal refusal;
  const Status status = bind_request(request, signature, &bound, &refusal);
  if (!status.ok()) std::fprintf(stderr, "%s\n", status.message.c_str());
  CHECK(status.ok());
  check_bound(bound, signature, made.bytes);
  CHECK(bound.rows == made.rows);
  for (size_t i = 0; i < made.inputs.size(); ++i) {
    const BoundInput& input = bound.inputs[i];
    CHECK(std::string_view(reinterpret_cast<const char*>(input.data), input.size_bytes) == made.inputs[i]);
  }
  check_response(random, bound, signature);
  for (int i = 0; i < 2; ++i) check_reader(made.bytes, signature, key, reader);
  if (random->chance(0.2)) {
    check_reader(made.bytes, make_signature(random), ++key, reader);
    ++key;
  }

  for (int i = 0; i < 20; ++i) {
    std::string damaged = made.bytes;
    // Half of them in the contents only: the tensors are known.
    const size_t kept = random->chance(0.5) ? made.head_bytes : 0;
    std::string changed = damaged.substr(kept);
    mutate(random, &changed);
    damaged.replace(kept, std::string::npos, changed);
    // A block of its own size, so that a read beyond it is seen.
    const std::vector<char> exact(damaged.begin(), damaged.end());
    const std::string_view view(exact.data(), exact.size());
    check_reader(view, signature, key, reader);
    if (Status refused = parse_infer_request(view, &request); !refused.ok()) {
      check_message(std::move(refused));
      continue;
    }
    check_views(request, view);
    if (Status refused = read_hints(request, &hints); !refused.ok()) check_message(std::move(refused));
    CHECK(hints.priority <= 2 && hints.timeout_us >= 0);
    if (Status refused = bind_request(request, signature, &bound, &refusal); !refused.ok()) {
      check_message(std::move(refused));
      const bool of_request = refusal.reason >= RefusalReason::kUnknown;
      CHECK(of_request == (refusal.input == Refusal::kNoInput));
      CHECK(of_request || static_cast<size_t>(refusal.input) < signature.inputs.size());
    } else {
      check_bound(bound, signature, view);
      check_response(random, bound, signature);
    }
  }
}

// Slow and obvious: what the fast one must agree with.
bool is_utf8(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    const auto lead = static_cast<uint8_t>(text[i]);
    const size_t size = lead < 0x80 ? 1 : lead >> 5 == 6 ? 2 : lead >> 4 == 14 ? 3 : lead >> 3 == 30 ? 4 : 0;
    if (size == 0 || i + size > text.size()) return false;
    uint32_t code = size == 1 ? lead : lead & (0x7Fu >> size);
    for (size_t k = 1; k < size; ++k) {
      const auto byte = static_cast<uint8_t>(text[i + k]);
      if (byte >> 6 != 2) return false;
      code = code << 6 | (byte & 0x3F);
    }
    static constexpr uint32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};
    if (code < kSmallest[size] || code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF)) return false;
    i += size;
  }
  return true;
}

void fuzz_text(Random* random) {
  std::string text;
  for (uint64_t i = random->below(24); i > 0; --i) text += element_text(random);
  if (random->chance(0.7)) mutate(random, &text);
  CHECK(protobuf::valid_utf8(text) == is_utf8(text));

  const std::string encoded = encode_grpc_message(text);
  std::string decoded;
  for (size_t i = 0; i < encoded.size(); ++i) {
    CHECK(encoded[i] >= 0x20 && encoded[i] <= 0x7E);
    if (encoded[i] == '%') {
      decoded += static_cast<char>(std::stoi(encoded.substr(i + 1, 2), nullptr, 16));
      i += 2;
    } else {
      decoded += encoded[i];
    }
  }
  CHECK(decoded == text);

  std::string timeout = std::to_string(random->number()) + "HMSmunx"[random->below(7)];
  if (random->chance(0.3)) mutate(random, &timeout);
  int64_t ns = -1;
  const bool good = parse_grpc_timeout(timeout, &ns);
  CHECK(!good || (ns >= 0 && ns <= 366ll * 24 * 3600 * 1'000'000'000));
}

std::string compress(std::string_view plain, bool gzip) {
  z_stream stream{};
  CHECK(deflateInit2(&stream, 6, Z_DEFLATED, gzip ? 31 : 15, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  std::string out(deflateBound(&stream, plain.size()) + 32, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(plain.data()));
  stream.avail_in = static_cast<uInt>(plain.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  CHECK(deflate(&stream, Z_FINISH) == Z_STREAM_END);
  out.resize(out.size() - stream.avail_out);
  deflateEnd(&stream);
  return out;
}

void fuzz_inflate(Random* random) {
  const bool gzip = random->chance(0.5);
  const Encoding encoding = gzip ? Encoding::kGzip : Encoding::kDeflate;
  const size_t size = random->below(random->chance(0.1) ? 300'000 : 3000);
  const std::string plain = random->chance(0.5) ? random->bytes(size) : std::string(size, 'x');
  std::string packed = compress(plain, gzip);
  std::string out;
  CHECK(inflate_message(encoding, packed, size, &out) == Inflated::kOk && out == plain);
  if (size > 0) CHECK(inflate_message(encoding, packed, size - 1, &out) == Inflated::kTooLarge);
  mutate(random, &packed);
  const size_t limit = random->below(2 * size + 1);
  if (inflate_message(encoding, packed, limit, &out) == Inflated::kOk) CHECK(out.size() <= limit);
}

}  // namespace
}  // namespace penstock::fuzz

int main(int argc, char** argv) {
  const penstock::fuzz::Options options(argc, argv);
  penstock::fuzz::Random random(options.seed);
  const int64_t deadline = options.deadline_ns();
  penstock::RequestReader reader;
  uint64_t rounds = 0;
  for (; penstock::now_ns() < deadline; ++rounds) {
    penstock::fuzz::fuzz_request(&random, &reader);
    penstock::fuzz::fuzz_text(&random);
    if (rounds % 16 == 0) penstock::fuzz::fuzz_inflate(&random);
  }
  std::printf("%llu rounds\n", static_cast<unsigned long long>(rounds));
  return 0;
}
