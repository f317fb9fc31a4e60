// One value of a row from another: arithmetic, missing values, clipping. IEEE operations only, so that the
// results are the same on every machine and for every way of computing several rows at once.
#include "transform/processor.h"
#include "transform/step.h"

namespace penstock {
namespace {

// Calls f(dst, src, row count); the two may be one register.
template <typename T, typename F>
inline void each(const Step& step, Block* block, F f) {
  T* out = block->at<T>(step.dst);
  const T* in = block->at<T>(step.src[0]);
  const int64_t n = block->rows;
  for (int64_t i = 0; i < n; ++i) out[i] = f(in[i]);
}

struct Add {
  template <typename U>
  static U apply(U x, U y) {
    return x + y;
  }
};
struct Subtract {
  template <typename U>
  static U apply(U x, U y) {
    return x - y;
  }
};
struct Multiply {
  template <typename U>
  static U apply(U x, U y) {
    return x * y;
  }
};
struct Divide {
  template <typename U>
  static U apply(U x, U y) {
    return x / y;
  }
};

// U is what is computed in.
template <typename Arithmetic, typename T, typename U>
void arithmetic(const Step& step, Block* block) {
  const auto number = static_cast<U>(step.numbers[0]);
  each<T>(step, block, [=](T x) { return static_cast<T>(Arithmetic::apply(static_cast<U>(x), number)); });
}

template <typename T>
void fill_missing(const Step& step, Block* block) {
  const auto number = static_cast<T>(step.numbers[0]);
  each<T>(step, block, [=](T x) { return x != x ? number : x; });
}

template <typename T>
void fill_equal(const Step& step, Block* block) {
  const auto equal = static_cast<T>(step.numbers[0]);
  const auto number = static_cast<T>(step.numbers[1]);
  if (equal != equal) {
    each<T>(step, block, [=](T x) { return x != x ? number : x; });
  } else {
    each<T>(step, block, [=](T x) { return x == equal ? number : x; });
  }
}

void fill_text(const Step& step, Block* block) {
  const std::string_view text = step.text, equal = step.equal;
  each<std::string_view>(step, block, [=](const std::string_view& x) {
    if (equal.data() == nullptr) return x.data() == nullptr ? text : x;
    return x.data() != nullptr && x == equal ? text : x;
  });
}

template <typename T, typename U>
void clip(const Step& step, Block* block) {
  const auto low = static_cast<U>(step.numbers[0]), high = static_cast<U>(step.numbers[1]);
  each<T>(step, block, [=](T x) {
    auto wide = static_cast<U>(x);
    wide = wide < low ? low : wide;
    wide = wide > high ? high : wide;
    return static_cast<T>(wide);
  });
}

template <typename To, typename From>
void is_missing_of(const Step& step, Block* block) {
  To* out = block->at<To>(step.dst);
  const From* in = block->at<From>(step.src[0]);
  for (int64_t i = 0; i < block->rows; ++i) out[i] = is_missing(in[i]) ? To{1} : To{0};
}

template <typename To, typename From>
void is_equal(const Step& step, Block* block) {
  To* out = block->at<To>(step.dst);
  const From* in = block->at<From>(step.src[0]);
  if constexpr (std::is_same_v<From, std::string_view>) {
    for (int64_t i = 0; i < block->rows; ++i) {
      out[i] = in[i].data() != nullptr && in[i] == step.text ? To{1} : To{0};
    }
  } else {
    const auto number = static_cast<From>(step.numbers[0]);
    for (int64_t i = 0; i < block->rows; ++i) out[i] = in[i] == number ? To{1} : To{0};
  }
}

template <typename T>
void constant(const Step& step, Block* block) {
  T* out = block->at<T>(step.dst);
  T value;
  if constexpr (std::is_same_v<T, std::string_view>) {
    value = step.text;
  } else {
    value = convert<T>(step.numbers[0]);
  }
  for (int64_t i = 0; i < block->rows; ++i) out[i] = value;
}

template <typename To, typename From>
void cast(const Step& step, Block* block) {
  To* out = block->at<To>(step.dst);
  const From* in = block->at<From>(step.src[0]);
  for (int64_t i = 0; i < block->rows; ++i) out[i] = convert<To>(in[i]);
}

template <typename T>
Kernel number_kernel(const Instruction& instruction) {
  const bool wide = instruction.wide;
  // Of two NaNs, compilers may keep either in what commutes: that is left to one piece of code.
  if ((instruction.op == Op::kAdd || instruction.op == Op::kMultiply) &&
      instruction.numbers[0] != instruction.numbers[0]) {
    if (instruction.op == Op::kAdd) return wide ? arithmetic<Add, T, double> : arithmetic<Add, T, T>;
    return wide ? arithmetic<Multiply, T, double> : arithmetic<Multiply, T, T>;
  }
  switch (instruction.op) {
    case Op::kAdd:
      return wide ? vectorized<arithmetic<Add, T, double>>() : vectorized<arithmetic<Add, T, T>>();
    case Op::kSubtract:
      return wide ? vectorized<arithmetic<Subtract, T, double>>() : vectorized<arithmetic<Subtract, T, T>>();
    case Op::kMultiply:
      return wide ? vectorized<arithmetic<Multiply, T, double>>() : vectorized<arithmetic<Multiply, T, T>>();
    case Op::kDivide:
      return wide ? vectorized<arithmetic<Divide, T, double>>() : vectorized<arithmetic<Divide, T, T>>();
    case Op::kFillMissing:
      return vectorized<fill_missing<T>>();
    case Op::kFillEqual:
      return vectorized<fill_equal<T>>();
    case Op::kClip:
      return wide ? vectorized<clip<T, double>>() : vectorized<clip<T, T>>();
    default:
      return nullptr;
  }
}

template <typename To>
Kernel flag_kernel(Op op, Kind src) {
  const bool missing = op == Op::kIsMissing;
  switch (src) {
    case Kind::kFloat:
      return missing ? vectorized<is_missing_of<To, float>>() : vectorized<is_equal<To, float>>();
    case Kind::kDouble:
      return missing ? vectorized<is_missing_of<To, double>>() : vectorized<is_equal<To, double>>();
    case Kind::kInt:
      return missing ? vectorized<is_missing_of<To, int64_t>>() : vectorized<is_equal<To, int64_t>>();
    case Kind::kText:
      return missing ? is_missing_of<To, std::string_view> : is_equal<To, std::string_view>;
    default:
      return nullptr;
  }
}

template <typename To>
Kernel cast_kernel(Kind src) {
  switch (src) {
    case Kind::kFloat:
      return vectorized<cast<To, float>>();
    case Kind::kDouble:
      return vectorized<cast<To, double>>();
    case Kind::kInt:
      return vectorized<cast<To, int64_t>>();
    case Kind::kCode:
      return vectorized<cast<To, int32_t>>();
    default:
      return nullptr;
  }
}

}  // namespace

Kernel elementwise_kernel(const Instruction& instruction, Kind dst, Kind src) {
  switch (instruction.op) {
    case Op::kConstant:
      switch (dst) {
        case Kind::kFloat:
          return constant<float>;
        case Kind::kDouble:
          return constant<double>;
        case Kind::kInt:
          return constant<int64_t>;
        case Kind::kText:
          return constant<std::string_view>;
        case Kind::kCode:
          return constant<int32_t>;
      }
      return nullptr;
    case Op::kCast:
      switch (dst) {
        case Kind::kFloat:
          return cast_kernel<float>(src);
        case Kind::kDouble:
          return cast_kernel<double>(src);
        case Kind::kInt:
          return cast_kernel<int64_t>(src);
        case Kind::kCode:
          return cast_kernel<int32_t>(src);
        default:
          return nullptr;
      }
    case Op::kFillText:
      return dst == Kind::kText && src == Kind::kText ? fill_text : nullptr;
    case Op::kIsMissing:
    case Op::kIsEqual:
      if (dst == Kind::kFloat) return flag_kernel<float>(instruction.op, src);
      return dst == Kind::kDouble ? flag_kernel<double>(instruction.op, src) : nullptr;
    default:
      if (dst != src) return nullptr;
      if (dst == Kind::kFloat) return number_kernel<float>(instruction);
      return dst == Kind::kDouble ? number_kernel<double>(instruction) : nullptr;
  }
}

}  // namespace penstock
