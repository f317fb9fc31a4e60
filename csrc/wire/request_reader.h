// Reads one request after the other, and remembers how the tensors of recent ones were described: a client
// says the same of them in every message, and what is known to fit need not be read again.
#ifndef PENSTOCK_WIRE_REQUEST_READER_H_
#define PENSTOCK_WIRE_REQUEST_READER_H_

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "wire/infer_request.h"

namespace penstock {

// One thread. Results and messages are those of parse_infer_request() and bind_request(), whatever is known.
class RequestReader {
 public:
  // Parses a message, which has to stay until it is bound. Fails only with kInvalidArgument.
  Status parse(std::string_view bytes);

  // What parse() found; without inputs and outputs where they were described as before.
  const InferRequest& request() const { return request_; }

  // Binds what was parsed. `key` is the same for the same signature only, for as long as this lives.
  Status bind(const Signature& signature, uint64_t key, BoundRequest* bound, Refusal* refusal);

  // Forgets the message, and gives back what an unusually large one took.
  void clear();

 private:
  // Inputs and outputs as a message describes them, and what that means for a signature.
  struct Layout {
    struct Input {
      size_t index = 0;       // in the signature
      uint64_t elements = 0;  // of BYTES
      size_t size_bytes = 0;  // of others
    };
    std::string bytes;  // all fields `inputs` and `outputs`, end to end
    uint64_t key = 0;
    std::vector<Input> inputs;  // in the order of the message
    std::vector<int64_t> variable_dims;
    std::vector<uint16_t> outputs;
    int64_t rows = 1;
  };
  static constexpr size_t kLayouts = 8;
  static constexpr size_t kMostLayoutBytes = 1 << 14;

  const Layout* find(std::string_view bytes);
  bool parse_known();
  bool bind_known(const Signature& signature, BoundRequest* bound) const;
  void remember(const Signature& signature, uint64_t key, const BoundRequest& bound);

  std::string_view bytes_;
  InferRequest request_;
  const Layout* layout_ = nullptr;  // of what was parsed, where it is known
  std::array<Layout, kLayouts> layouts_;
  size_t found_ = 0;  // the last one
  size_t next_ = 0;   // to be replaced
};

}  // namespace penstock

#endif  // PENSTOCK_WIRE_REQUEST_READER_H_
