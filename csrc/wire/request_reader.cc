#include "wire/request_reader.h"

#include <algorithm>
#include <cstring>

#include "wire/protobuf.h"

namespace penstock {
namespace {

constexpr uint32_t kInputs = 5;
constexpr uint32_t kOutputs = 6;
constexpr uint32_t kRawContents = 7;
constexpr char kRawTag = kRawContents << 3 | protobuf::kBytes;

// Where the fields begin of which `stops` says so, or the message ends.
template <typename Stops>
size_t skip_fields(std::string_view bytes, Stops stops) {
  protobuf::Reader reader(bytes);
  while (!reader.done()) {
    const size_t at = bytes.size() - reader.left();
    uint32_t field, type;
    if (!reader.tag(&field, &type)) return bytes.size();
    if (stops(field)) return at;
    if (!reader.skip(field, type)) return bytes.size();
  }
  return bytes.size();
}

size_t find_inputs(std::string_view bytes) {
  return skip_fields(bytes, [](uint32_t field) { return field >= kInputs; });
}

uint64_t count_elements(const std::vector<int64_t>& shape) {
  uint64_t count = 1;
  for (const int64_t dim : shape) count *= static_cast<uint64_t>(dim);
  return count;
}

}  // namespace

const RequestReader::Layout* RequestReader::find(std::string_view bytes) {
  for (size_t i = 0; i < kLayouts; ++i) {
    const size_t at = (found_ + i) % kLayouts;
    const std::string& known = layouts_[at].bytes;
    if (!known.empty() && bytes.size() > known.size() && bytes[known.size()] == kRawTag &&
        std::memcmp(bytes.data(), known.data(), known.size()) == 0) {
      found_ = at;
      return &layouts_[at];
    }
  }
  return nullptr;
}

// A message may be cut between fields, and its pieces are messages.
bool RequestReader::parse_known() {
  const size_t begin = find_inputs(bytes_);
  layout_ = find(bytes_.substr(begin));
  if (layout_ == nullptr) return false;
  request_.clear();
  const bool parsed = merge_infer_request(bytes_.substr(0, begin), &request_) &&
                      merge_infer_request(bytes_.substr(begin + layout_->bytes.size()), &request_) &&
                      request_.input_count == 0 && request_.outputs.empty() &&
                      request_.raw_count == layout_->inputs.size();
  if (!parsed) layout_ = nullptr;
  return parsed;
}

Status RequestReader::parse(std::string_view bytes) {
  bytes_ = bytes;
  if (parse_known()) return {};
  return parse_infer_request(bytes, &request_);
}

bool RequestReader::bind_known(const Signature& signature, BoundRequest* bound) const {
  bound->clear();
  bound->inputs.resize(signature.inputs.size());
  for (size_t i = 0; i < layout_->inputs.size(); ++i) {
    const Layout::Input& input = layout_->inputs[i];
    const std::string_view raw = request_.raw_contents[i];
    const auto* data = reinterpret_cast<const uint8_t*>(raw.data());
    const bool fits = signature.inputs[input.index].datatype == DataType::kBytes
                          ? check_texts(data, raw.size(), input.elements)
                          : raw.size() == input.size_bytes;
    if (!fits) return false;
    bound->inputs[input.index] = {data, raw.size()};
  }
  bound->variable_dims = layout_->variable_dims;
  bound->outputs = layout_->outputs;
  bound->rows = layout_->rows;
  return true;
}

Status RequestReader::bind(const Signature& signature, uint64_t key, BoundRequest* bound, Refusal* refusal) {
  if (layout_ != nullptr) {
    if (layout_->key == key && bind_known(signature, bound)) return {};
    layout_ = nullptr;
    if (Status status = parse_infer_request(bytes_, &request_); !status.ok()) return status;
  }
  Status status = bind_request(request_, signature, bound, refusal);
  if (status.ok()) remember(signature, key, *bound);
  return status;
}

void RequestReader::remember(const Signature& signature, uint64_t key, const BoundRequest& bound) {
  // What was converted is not in the message, and booleans are looked at one by one.
  if (request_.raw_count == 0 || !bound.converted.empty()) return;
  for (const TensorSpec& spec : signature.inputs) {
    if (spec.datatype == DataType::kBool) return;
  }
  const size_t begin = find_inputs(bytes_);
  std::string_view tensors = bytes_.substr(begin);
  tensors = tensors.substr(
      0, skip_fields(tensors, [](uint32_t field) { return field != kInputs && field != kOutputs; }));
  const bool only_raw_follows = skip_fields(bytes_.substr(begin + tensors.size()), [](uint32_t field) {
                                  return field != kRawContents;
                                }) == bytes_.size() - begin - tensors.size();
  if (!only_raw_follows || tensors.size() > kMostLayoutBytes) return;
  // One layout for the same bytes: it is that of the model that was asked last.
  const bool same = find(bytes_.substr(begin)) != nullptr;
  Layout& layout = layouts_[same ? found_ : next_];
  if (!same) next_ = (next_ + 1) % kLayouts;
  layout = Layout();
  for (const RequestTensor& tensor : request_.inputs) {
    const auto at = std::find_if(signature.inputs.begin(), signature.inputs.end(),
                                 [&](const TensorSpec& spec) { return spec.name == tensor.name; });
    const uint64_t elements = count_elements(tensor.shape);
    layout.inputs.push_back({static_cast<size_t>(at - signature.inputs.begin()), elements,
                             elements * datatype_size(at->datatype)});
  }
  layout.bytes = tensors;
  layout.key = key;
  layout.variable_dims = bound.variable_dims;
  layout.outputs = bound.outputs;
  layout.rows = bound.rows;
}

void RequestReader::clear() {
  request_.clear();
  bytes_ = {};
  layout_ = nullptr;
}

}  // namespace penstock
