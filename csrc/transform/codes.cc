// Codes from numbers, and numbers from codes.
#include <cmath>

#include "transform/processor.h"
#include "transform/step.h"

namespace penstock {
namespace {

// Up to so many edges are counted one by one, several rows at once; more are searched.
constexpr size_t kCountedEdges = 32;

// The least T that is not below a number: x >= number is x >= at_least(number) for every T x.
template <typename T>
T at_least(double number) {
  const auto rounded = static_cast<T>(number);
  return static_cast<double>(rounded) < number ? std::nextafter(rounded, std::numeric_limits<T>::infinity())
                                               : rounded;
}

template <typename T>
void bin(const Step& step, Block* block) {
  int32_t* codes = block->at<int32_t>(step.dst);
  const T* in = block->at<T>(step.src[0]);
  const int64_t n = block->rows;
  const size_t edges = step.numbers.size();
  if (edges <= kCountedEdges) {
    // Of the width of T, so that a comparison and its count lie in lanes of one size.
    using Counter = std::conditional_t<sizeof(T) == 4, int32_t, int64_t>;
    Counter counts[kBlockRows];
    for (int64_t i = 0; i < n; ++i) counts[i] = 0;
    for (const double number : step.numbers) {
      const T edge = at_least<T>(number);
      for (int64_t i = 0; i < n; ++i) counts[i] += in[i] >= edge;
    }
    for (int64_t i = 0; i < n; ++i) codes[i] = in[i] != in[i] ? kNoCode : static_cast<int32_t>(counts[i]);
    return;
  }
  for (int64_t i = 0; i < n; ++i) {
    const auto x = static_cast<double>(in[i]);
    const double* base = step.numbers.data();
    size_t length = edges;
    while (length > 1) {
      const size_t half = length / 2;
      base += base[half - 1] <= x ? half : 0;
      length -= half;
    }
    const auto below = (base - step.numbers.data()) + (*base <= x);
    codes[i] = x != x ? kNoCode : static_cast<int32_t>(below);
  }
}

template <typename T>
void gather(const Step& step, Block* block) {
  T* out = block->at<T>(step.dst);
  const int32_t* codes = block->at<int32_t>(step.src[0]);
  const double* numbers = step.numbers.data();
  const auto count = static_cast<uint32_t>(step.numbers.size());
  for (int64_t i = 0; i < block->rows; ++i) {
    const auto code = static_cast<uint32_t>(codes[i]);
    out[i] = code < count ? convert<T>(numbers[code]) : missing_value<T>();
  }
}

template <typename T>
void equals_code(const Step& step, Block* block) {
  T* out = block->at<T>(step.dst);
  const int32_t* codes = block->at<int32_t>(step.src[0]);
  const auto code = static_cast<int32_t>(step.integers[0]);
  for (int64_t i = 0; i < block->rows; ++i) out[i] = codes[i] == code ? T{1} : T{0};
}

}  // namespace

Kernel code_kernel(Op op, Kind dst, Kind src) {
  switch (op) {
    case Op::kBin:
      if (dst != Kind::kCode) return nullptr;
      if (src == Kind::kFloat) return vectorized<bin<float>>();
      return src == Kind::kDouble ? vectorized<bin<double>>() : nullptr;
    case Op::kGather:
      if (src != Kind::kCode) return nullptr;
      if (dst == Kind::kFloat) return vectorized<gather<float>>();
      if (dst == Kind::kDouble) return vectorized<gather<double>>();
      if (dst == Kind::kInt) return vectorized<gather<int64_t>>();
      return dst == Kind::kCode ? vectorized<gather<int32_t>>() : nullptr;
    case Op::kEqualsCode:
      if (src != Kind::kCode) return nullptr;
      if (dst == Kind::kFloat) return vectorized<equals_code<float>>();
      return dst == Kind::kDouble ? vectorized<equals_code<double>>() : nullptr;
    default:
      return nullptr;
  }
}

}  // namespace penstock
