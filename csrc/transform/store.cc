// Registers into row-major matrices: kStore, kStoreOneHot.
#include <algorithm>
#include <cstring>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "transform/processor.h"
#include "transform/step.h"

namespace penstock {
namespace {

// What does not fit an integer becomes its lowest value, as numpy's casts have it on x86.
template <typename E, typename T>
E element_of(T x) {
  if constexpr (std::is_same_v<E, T>) {
    return x;
  } else if constexpr (std::is_floating_point_v<E>) {
    return convert<E>(x);
  } else if constexpr (std::is_floating_point_v<T>) {
    constexpr double kEnd = sizeof(E) == 4 ? 0x1p31 : 0x1p63;
    const auto wide = static_cast<double>(x);
    return wide > (sizeof(E) == 4 ? -kEnd - 1 : -kEnd) && wide < kEnd ? static_cast<E>(wide)
                                                                      : std::numeric_limits<E>::min();
  } else if constexpr (sizeof(T) <= sizeof(E)) {
    return x;
  } else {
    return x >= std::numeric_limits<E>::min() && x <= std::numeric_limits<E>::max()
               ? static_cast<E>(x)
               : std::numeric_limits<E>::min();
  }
}

template <typename E, typename T>
void convert_all(const std::byte* in, int64_t n, E* out) {
  const T* values = reinterpret_cast<const T*>(in);
  for (int64_t i = 0; i < n; ++i) out[i] = element_of<E>(values[i]);
}

template <typename E>
void convert_from(Kind kind, const std::byte* in, int64_t n, E* out) {
  switch (kind) {
    case Kind::kFloat:
      return convert_all<E, float>(in, n, out);
    case Kind::kDouble:
      return convert_all<E, double>(in, n, out);
    case Kind::kInt:
      return convert_all<E, int64_t>(in, n, out);
    default:
      return convert_all<E, int32_t>(in, n, out);
  }
}

// Registers of one element type, transposed side by side into rows.
constexpr int64_t kGroup = 16;

// As many rows of as many columns as there are elements in 16 bytes.
template <typename E>
inline void transpose_tile(const E* const* columns, int64_t i, std::byte* out, int64_t row_bytes) {
#ifdef __SSE2__
  if constexpr (sizeof(E) == 4) {
    __m128 a = _mm_loadu_ps(reinterpret_cast<const float*>(columns[0] + i));
    __m128 b = _mm_loadu_ps(reinterpret_cast<const float*>(columns[1] + i));
    __m128 c = _mm_loadu_ps(reinterpret_cast<const float*>(columns[2] + i));
    __m128 d = _mm_loadu_ps(reinterpret_cast<const float*>(columns[3] + i));
    _MM_TRANSPOSE4_PS(a, b, c, d);
    _mm_storeu_ps(reinterpret_cast<float*>(out), a);
    _mm_storeu_ps(reinterpret_cast<float*>(out + row_bytes), b);
    _mm_storeu_ps(reinterpret_cast<float*>(out + 2 * row_bytes), c);
    _mm_storeu_ps(reinterpret_cast<float*>(out + 3 * row_bytes), d);
    return;
  }
#endif
  constexpr int64_t kTile = 16 / sizeof(E);
  for (int64_t k = 0; k < kTile; ++k, out += row_bytes) {
    E row[kTile];
    for (int64_t j = 0; j < kTile; ++j) row[j] = columns[j][i + k];
    std::memcpy(out, row, sizeof row);
  }
}

template <typename E>
void transpose(const E* const* columns, int64_t width, int64_t n, std::byte* out, int64_t row_bytes) {
  constexpr int64_t kTile = 16 / sizeof(E);
  const int64_t whole = width / kTile * kTile;
  int64_t i = 0;
  for (; i + kTile <= n; i += kTile) {
    for (int64_t j = 0; j < whole; j += kTile) {
      transpose_tile(columns + j, i, out + j * static_cast<int64_t>(sizeof(E)), row_bytes);
    }
    for (int64_t k = 0; k < kTile; ++k, out += row_bytes) {
      for (int64_t j = whole; j < width; ++j) std::memcpy(out + j * sizeof(E), &columns[j][i + k], sizeof(E));
    }
  }
  for (; i < n; ++i, out += row_bytes) {
    for (int64_t j = 0; j < width; ++j) std::memcpy(out + j * sizeof(E), &columns[j][i], sizeof(E));
  }
}

template <typename E>
constexpr Kind kKindOf = std::is_same_v<E, float>     ? Kind::kFloat
                         : std::is_same_v<E, double>  ? Kind::kDouble
                         : std::is_same_v<E, int64_t> ? Kind::kInt
                                                      : Kind::kCode;

constexpr int64_t kPrefetched = 256;

// Rows that lie far apart come late: they are asked for before there is anything to write.
// Inlined by force: to a compiler a function that only prefetches does nothing, and so do calls of it.
__attribute__((always_inline)) inline void prefetch_rows(const std::byte* out, int64_t bytes, int64_t n,
                                                         int64_t row_bytes) {
  if (bytes > kPrefetched) return;  // the processor sees where long rows go on
  for (int64_t i = 0; i < n; ++i, out += row_bytes) {
    for (int64_t at = 0; at < bytes; at += 64) __builtin_prefetch(out + at, 1);
  }
}

template <typename E>
void store(const Step& step, Block* block) {
  const OutputView& output = block->outputs[step.integers[0]];
  const int64_t n = block->rows;
  auto* out = static_cast<std::byte*>(output.data) + block->first * output.row_bytes +
              step.integers[1] * static_cast<int64_t>(sizeof(E));
  const auto width = static_cast<int64_t>(step.src.size());
  prefetch_rows(out, width * static_cast<int64_t>(sizeof(E)), n, output.row_bytes);
  for (int64_t j = 0; j < width; j += kGroup) {
    E converted[kGroup][kBlockRows];
    const E* columns[kGroup];
    const int64_t count = std::min(kGroup, width - j);
    for (int64_t c = 0; c < count; ++c) {
      const auto at = static_cast<size_t>(j + c);
      const std::byte* in = block->at<std::byte>(step.src[at]);
      columns[c] = step.src_kinds[at] == kKindOf<E> ? reinterpret_cast<const E*>(in) : converted[c];
      if (columns[c] == converted[c]) convert_from(step.src_kinds[at], in, n, converted[c]);
    }
    transpose<E>(columns, count, n, out + j * static_cast<int64_t>(sizeof(E)), output.row_bytes);
  }
}

// Zeros are there already: program.cc clears what one-hot columns need.
template <typename E>
void store_one_hot(const Step& step, Block* block) {
  const OutputView& output = block->outputs[step.integers[0]];
  const int32_t* codes = block->at<int32_t>(step.src[0]);
  const auto width = static_cast<uint32_t>(step.integers[2]);
  const auto on = element_of<E>(step.numbers[0]), off = element_of<E>(step.numbers[1]);
  auto* out = static_cast<std::byte*>(output.data) + block->first * output.row_bytes +
              step.integers[1] * static_cast<int64_t>(sizeof(E));
  const bool fill = step.numbers[1] != 0;
  for (int64_t i = 0; i < block->rows; ++i, out += output.row_bytes) {
    if (fill) {
      for (uint32_t j = 0; j < width; ++j) std::memcpy(out + j * sizeof(E), &off, sizeof(E));
    }
    const auto code = static_cast<uint32_t>(codes[i]);
    if (code < width) std::memcpy(out + code * sizeof(E), &on, sizeof(E));
  }
}

}  // namespace

void clear_columns(const OutputView& output, int64_t first_row, int64_t rows, int64_t first_byte,
                   int64_t bytes) {
  auto* out = static_cast<std::byte*>(output.data) + first_row * output.row_bytes + first_byte;
  if (bytes == output.row_bytes) {
    std::memset(out, 0, static_cast<size_t>(rows * bytes));
    return;
  }
  for (int64_t i = 0; i < rows; ++i, out += output.row_bytes) {
    std::memset(out, 0, static_cast<size_t>(bytes));
  }
}

Kernel store_kernel(Op op, Element element) {
  const bool plain = op == Op::kStore;
  switch (element) {
    case Element::kFloat:
      return plain ? vectorized<store<float>>() : store_one_hot<float>;
    case Element::kDouble:
      return plain ? vectorized<store<double>>() : store_one_hot<double>;
    case Element::kInt32:
      return plain ? vectorized<store<int32_t>>() : store_one_hot<int32_t>;
    case Element::kInt64:
      return plain ? vectorized<store<int64_t>>() : store_one_hot<int64_t>;
  }
  return nullptr;
}

}  // namespace penstock
