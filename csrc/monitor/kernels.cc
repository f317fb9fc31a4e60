#include "monitor/kernels.h"

#include <cmath>
#include <cstring>
#include <limits>

#include "monitor/distinct.h"
#include "monitor/kernels_x86.h"

// Vectors are passed to functions that are always inlined, so no calling convention matters.
#pragma GCC diagnostic ignored "-Wpsabi"

#define PENSTOCK_INLINE inline __attribute__((always_inline))

namespace penstock {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// Vectors of kBytes, wherever they lie; masks are -1 and 0. Compilers make little of those that are wider
// than what a processor has.
template <typename T, int kBytes>
struct VectorOf;
#define PENSTOCK_VECTOR(T, bytes)                                                      \
  template <>                                                                          \
  struct VectorOf<T, bytes> {                                                          \
    using Type = T __attribute__((vector_size(bytes), may_alias, aligned(sizeof(T)))); \
  };
PENSTOCK_VECTOR(float, 16)
PENSTOCK_VECTOR(float, 32)
PENSTOCK_VECTOR(float, 64)
PENSTOCK_VECTOR(int32_t, 16)
PENSTOCK_VECTOR(int32_t, 32)
PENSTOCK_VECTOR(int32_t, 64)
PENSTOCK_VECTOR(double, 32)
PENSTOCK_VECTOR(double, 64)
PENSTOCK_VECTOR(int64_t, 32)
PENSTOCK_VECTOR(int64_t, 64)
template <typename T, int kBytes>
using Vector = typename VectorOf<T, kBytes>::Type;

template <typename T>
struct Bits;
template <>
struct Bits<float> {
  using Type = int32_t;
  static constexpr Type kInfinity = 0x7f800000;
};
template <>
struct Bits<double> {
  using Type = int64_t;
  static constexpr Type kInfinity = 0x7ff0000000000000;
};

// Values as they lie, a register of them.
template <typename T, int kBytes>
struct Wide {
  using Values = Vector<T, kBytes>;
  using Masks = Vector<typename Bits<T>::Type, kBytes>;
  static constexpr int64_t kWidth = kBytes / sizeof(T);
};

template <typename V>
PENSTOCK_INLINE V load(const void* at) {
  return *static_cast<const V*>(at);
}

template <typename T, typename Masks>
PENSTOCK_INLINE Masks finite_mask(const Masks& bits) {
  constexpr auto kMagnitude = std::numeric_limits<typename Bits<T>::Type>::max();
  return (bits & kMagnitude) < Masks{} + Bits<T>::kInfinity;
}

// Of kLanes values a part, as doubles: kBytes of those.
template <int kBytes>
struct Part {
  using Doubles = Vector<double, kBytes>;
  using Longs = Vector<int64_t, kBytes>;
  using Floats = Vector<float, kBytes / 2>;
  using Ints = Vector<int32_t, kBytes / 2>;
  static constexpr int64_t kWidth = kBytes / sizeof(double);
  static constexpr int64_t kCount = kLanes / kWidth;

  static PENSTOCK_INLINE Doubles values(const float* x) {
    return __builtin_convertvector(load<Floats>(x), Doubles);
  }
  static PENSTOCK_INLINE Doubles values(const double* x) { return load<Doubles>(x); }
  // 0 where one is not finite.
  static PENSTOCK_INLINE Doubles finite(const float* x) {
    const Ints bits = load<Ints>(x);
    return __builtin_convertvector((Floats)(bits & finite_mask<float>(bits)), Doubles);
  }
  static PENSTOCK_INLINE Doubles finite(const double* x) {
    const Longs bits = load<Longs>(x);
    return (Doubles)(bits & finite_mask<double>(bits));
  }

  // The order is part of the result: lanes eight apart, then four, then two, then one.
  static PENSTOCK_INLINE double sum(const Doubles* parts) {
    double lanes[kLanes];
    std::memcpy(lanes, parts, sizeof lanes);
    for (int64_t apart = kLanes / 2; apart > 1; apart /= 2) {
      for (int64_t i = 0; i < apart; ++i) lanes[i] += lanes[i + apart];
    }
    return lanes[0] + lanes[1];
  }
};

// The mean of finite values whose sum overflows.
template <typename T>
double scaled_mean(const T* x, int64_t n, int64_t finite) {
  double sum = 0;
  for (int64_t i = 0; i < n; ++i) {
    if (std::isfinite(x[i])) sum += static_cast<double>(x[i]) * 0x1p-32;
  }
  return sum / static_cast<double>(finite) * 0x1p32;
}

// Differences from a mean, and squares of them.
template <int kBytes>
struct Spread {
  using P = Part<kBytes>;
  typename P::Doubles rests[P::kCount] = {};
  typename P::Doubles squares[P::kCount] = {};

  // Adds kLanes values; those that are not finite count as no difference, where there may be any.
  template <bool kAllFinite, typename T>
  PENSTOCK_INLINE void add(const T* x, double mean) {
    for (int64_t i = 0; i < P::kCount; ++i) {
      const typename P::Doubles value = P::values(x + P::kWidth * i);
      typename P::Doubles apart = value - mean;
      if (!kAllFinite) {
        using Longs = typename P::Longs;
        apart = (typename P::Doubles)((Longs)apart & finite_mask<double>((Longs)value));
      }
      rests[i] += apart;
      squares[i] += apart * apart;
    }
  }
};

template <int kBytes, typename T>
PENSTOCK_INLINE void sum_spread(const T* x, int64_t n, int64_t all_finite, double mean, double* rest,
                                double* square) {
  Spread<kBytes> spread;
  int64_t first = 0;
  for (; first < all_finite; first += kLanes) spread.template add<true>(x + first, mean);
  for (; first < n; first += kLanes) spread.template add<false>(x + first, mean);
  *rest = Part<kBytes>::sum(spread.rests);
  *square = Part<kBytes>::sum(spread.squares);
}

// Sums and extremes. Where a value that is not finite is among whole lanes, the sum is not finite either.
template <typename T, int kBytes>
struct Totals {
  using P = Part<kBytes>;
  using Values = typename Wide<T, kBytes>::Values;
  using Masks = typename Wide<T, kBytes>::Masks;
  static constexpr int64_t kWidth = Wide<T, kBytes>::kWidth;
  static constexpr T kInf = std::numeric_limits<T>::infinity();

  typename P::Doubles sums[P::kCount] = {};
  Values least = Values{} + kInf, most = Values{} - kInf;

  // Adds kLanes values: all of them, or the finite ones.
  PENSTOCK_INLINE void add_all(const T* x) {
    for (int64_t i = 0; i < kLanes; i += kWidth) {
      const Values value = load<Values>(x + i);
      least = value < least ? value : least;
      most = value > most ? value : most;
    }
    for (int64_t i = 0; i < P::kCount; ++i) sums[i] += P::values(x + P::kWidth * i);
  }
  PENSTOCK_INLINE void add_finite(const T* x) {
    for (int64_t i = 0; i < kLanes; i += kWidth) {
      const Values value = load<Values>(x + i);
      const Masks is_finite = finite_mask<T>((Masks)value);
      const Values small = is_finite ? value : Values{} + kInf, large = is_finite ? value : Values{} - kInf;
      least = small < least ? small : least;
      most = large > most ? large : most;
    }
    for (int64_t i = 0; i < P::kCount; ++i) sums[i] += P::finite(x + P::kWidth * i);
  }

  PENSTOCK_INLINE double minimum() const {
    T found = least[0];
    for (int64_t i = 1; i < kWidth; ++i) found = least[i] < found ? least[i] : found;
    return static_cast<double>(found) + 0.0;
  }
  PENSTOCK_INLINE double maximum() const {
    T found = most[0];
    for (int64_t i = 1; i < kWidth; ++i) found = most[i] > found ? most[i] : found;
    return static_cast<double>(found) + 0.0;
  }
};

// What is not NaN, finite, and out of range, one by one.
template <int kBytes, typename T>
PENSTOCK_INLINE void count_kinds(const T* x, int64_t n, T low, T high, Measured* result) {
  using Values = typename Wide<T, kBytes>::Values;
  using Masks = typename Wide<T, kBytes>::Masks;
  constexpr int64_t kWidth = Wide<T, kBytes>::kWidth;
  Masks present = {}, finite = {}, below = {}, above = {};
  for (int64_t i = 0; i < n; i += kWidth) {
    const Values value = load<Values>(x + i);
    present -= value == value;
    finite -= finite_mask<T>((Masks)value);
    below -= value < low;
    above -= value > high;
  }
  for (int64_t i = 0; i < kWidth; ++i) {
    result->present += present[i];
    result->finite += finite[i];
    result->below += below[i];
    result->above += above[i];
  }
}

template <int kBytes, typename T>
PENSTOCK_INLINE void measure(const T* x, int64_t n, T low, T high, Measured* result) {
  const int64_t whole = n / kLanes * kLanes;
  const int64_t padded = (n + kLanes - 1) / kLanes * kLanes;
  *result = Measured();
  // As if all were well: finite and in range. What is not shows in the totals.
  Totals<T, kBytes> totals;
  for (int64_t first = 0; first < whole; first += kLanes) totals.add_all(x + first);
  int64_t rest_finite = 0;
  if (whole < padded) {
    totals.add_finite(x + whole);
    for (int64_t i = whole; i < n; ++i) rest_finite += std::isfinite(x[i]) ? 1 : 0;
  }
  double sum = Part<kBytes>::sum(totals.sums);
  int64_t all_finite = whole;
  if (std::isfinite(sum) && rest_finite == n - whole) {
    result->present = result->finite = n;
    result->minimum = totals.minimum();
    result->maximum = totals.maximum();
    if (result->minimum < low || result->maximum > high) {
      result->present = result->finite = 0;
      count_kinds<kBytes>(x, padded, low, high, result);
    }
  } else {
    all_finite = 0;
    Totals<T, kBytes> finite_totals;
    for (int64_t first = 0; first < padded; first += kLanes) finite_totals.add_finite(x + first);
    count_kinds<kBytes>(x, padded, low, high, result);
    result->minimum = finite_totals.minimum();
    result->maximum = finite_totals.maximum();
    sum = Part<kBytes>::sum(finite_totals.sums);
  }
  if (result->finite == 0) return;
  const double per_value = 1 / static_cast<double>(result->finite);
  double mean = sum * per_value;
  if (!std::isfinite(mean)) mean = scaled_mean(x, n, result->finite);
  double rest, square;
  sum_spread<kBytes>(x, padded, all_finite, mean, &rest, &square);
  if (!std::isfinite(square) && std::isfinite(rest)) {
    // Near the largest number even the rounding of the mean has a square that overflows.
    mean += rest * per_value;
    sum_spread<kBytes>(x, padded, 0, mean, &rest, &square);
  }
  // What rounding left of the mean is taken out of the squares again, and put into the mean.
  result->mean = mean;
  result->squares = kInfinity;
  if (std::isfinite(square)) {
    result->mean += rest * per_value;
    const double corrected = square - rest * rest * per_value;
    result->squares = corrected > 0 ? corrected : 0;
  }
}

template <typename T, typename Index>
PENSTOCK_INLINE void bin(const T* x, int64_t n, Tree<T> tree, uint16_t* bins) {
  for (int64_t first = 0; first < n; first += kLanes) {
    Index at[kLanes] = {};
    const T* nodes = tree.nodes;
    for (int level = 0; level < tree.depth; ++level) {
      for (int64_t i = 0; i < kLanes; ++i) at[i] = 2 * at[i] + (x[first + i] >= nodes[at[i]] ? 1 : 0);
      nodes += int64_t{1} << level;
    }
    for (int64_t i = 0; i < kLanes; ++i) bins[first + i] = static_cast<uint16_t>(at[i]);
  }
}

template <typename T>
PENSTOCK_INLINE void locate(const T* x, int64_t n, const Grid& grid, uint16_t* cells) {
  for (int64_t i = 0; i < n; ++i) {
    double cell = (static_cast<double>(x[i]) - grid.low) * grid.per_unit;
    cell = cell > 0 ? cell : 0;  // NaN too
    cell = cell < grid.last ? cell : grid.last;
    cells[i] = static_cast<uint16_t>(static_cast<int32_t>(cell));
  }
}

template <typename T>
PENSTOCK_INLINE void rank(const T* x, int64_t n, T value, int64_t* below, int64_t* upto) {
  // As wide as the values: the same lanes.
  using Count = std::conditional_t<sizeof(T) == 4, int32_t, int64_t>;
  Count less = 0, no_more = 0;
  for (int64_t i = 0; i < n; ++i) {
    less += x[i] < value ? 1 : 0;
    no_more += x[i] <= value ? 1 : 0;
  }
  *below = less;
  *upto = no_more;
}

template <typename T>
PENSTOCK_INLINE void note(const T* x, int64_t n, uint8_t* registers) {
  for (int64_t i = 0; i < n; ++i) {
    if (x[i] == x[i]) note_hash(hash_number(static_cast<double>(x[i])), registers);
  }
}

void split_plain(const char* rows, int64_t stride, int64_t n, int64_t count, float* columns,
                 int64_t column_stride) {
  for (int64_t i = 0; i < n; ++i, rows += stride) {
    float values[kLanes];
    std::memcpy(values, rows, static_cast<size_t>(count) * sizeof(float));
    for (int64_t j = 0; j < count; ++j) columns[j * column_stride + i] = values[j];
  }
  for (int64_t j = 0; j < count; ++j) {
    for (int64_t i = n; i % kLanes != 0; ++i) {
      columns[j * column_stride + i] = std::numeric_limits<float>::quiet_NaN();
    }
  }
}

#define PENSTOCK_MEASURE(name, target, bytes)                                                               \
  target void measure_float_##name(const float* x, int64_t n, float low, float high, Measured* r) {         \
    measure<bytes, float>(x, n, low, high, r);                                                              \
  }                                                                                                         \
  target void measure_double_##name(const double* x, int64_t n, double low, double high, Measured* r) {     \
    measure<bytes, double>(x, n, low, high, r);                                                             \
  }                                                                                                         \
  target void locate_double_##name(const double* x, int64_t n, Grid grid, uint16_t* cells) {                \
    locate<double>(x, n, grid, cells);                                                                      \
  }                                                                                                         \
  target void rank_float_##name(const float* x, int64_t n, float value, int64_t* below, int64_t* upto) {    \
    rank<float>(x, n, value, below, upto);                                                                  \
  }                                                                                                         \
  target void rank_double_##name(const double* x, int64_t n, double value, int64_t* below, int64_t* upto) { \
    rank<double>(x, n, value, below, upto);                                                                 \
  }

#define PENSTOCK_SEARCH(name, target)                                                            \
  target void bin_double_##name(const double* x, int64_t n, Tree<double> tree, uint16_t* bins) { \
    bin<double, int64_t>(x, n, tree, bins);                                                      \
  }

void locate_float_none(const float* x, int64_t n, Grid grid, uint16_t* cells) { locate(x, n, grid, cells); }

void note_float_none(const float* x, int64_t n, uint8_t* registers) { note(x, n, registers); }

void note_double_none(const double* x, int64_t n, uint8_t* registers) { note(x, n, registers); }

void bin_float_none(const float* x, int64_t n, Tree<float> tree, uint16_t* bins) {
  bin<float, int32_t>(x, n, tree, bins);
}

PENSTOCK_MEASURE(none, , 64)
PENSTOCK_SEARCH(none, )
constexpr Kernels kNone = {
    "none",
    split_plain,
    {measure_float_none, bin_float_none, locate_float_none, rank_float_none, note_float_none},
    {measure_double_none, bin_double_none, locate_double_none, rank_double_none, note_double_none},
    true};

#ifdef PENSTOCK_MONITOR_X86
PENSTOCK_MEASURE(avx2, PENSTOCK_AVX2, 32)
PENSTOCK_SEARCH(avx2, PENSTOCK_AVX2)
constexpr Kernels kAvx2 = {
    "avx2",
    split_avx2,
    {measure_float_avx2, bin_avx2, locate_avx2, rank_float_avx2, note_avx2},
    {measure_double_avx2, bin_double_avx2, locate_double_avx2, rank_double_avx2, note_avx2},
    true};

PENSTOCK_MEASURE(avx512, PENSTOCK_AVX512, 64)
constexpr Kernels kAvx512 = {
    "avx512",
    split_avx512,
    {measure_float_avx512, bin_avx512, locate_avx2, rank_float_avx512, note_avx512},
    {measure_double_avx512, bin_avx512, locate_double_avx512, rank_double_avx512, note_avx512},
    false};
#endif

}  // namespace

const Kernels* find_kernels(const char* name) {
#ifdef PENSTOCK_MONITOR_X86
  const bool avx2 =
      __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") && __builtin_cpu_supports("lzcnt");
  const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
                      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
                      __builtin_cpu_supports("avx512cd");
  if (avx512 && (name == nullptr || std::strcmp(name, "avx512") == 0)) return &kAvx512;
  if (avx2 && (name == nullptr || std::strcmp(name, "avx2") == 0)) return &kAvx2;
#endif
  return name == nullptr || std::strcmp(name, "none") == 0 ? &kNone : nullptr;
}

}  // namespace penstock
