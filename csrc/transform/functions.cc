// Functions of one value that are more than one operation.
#include <cmath>

#include "transform/step.h"

namespace penstock {
namespace {

// Calls f on each value and rounds to T once: f is in double unless said.
template <typename T, typename F>
inline void each(const Step& step, Block* block, F f) {
  T* out = block->at<T>(step.dst);
  const T* in = block->at<T>(step.src[0]);
  for (int64_t i = 0; i < block->rows; ++i) out[i] = static_cast<T>(f(in[i]));
}

template <typename T, double (*F)(double)>
void through(const Step& step, Block* block) {
  each<T>(step, block, [](double x) { return F(x); });
}

double sign(double x) { return x > 0 ? 1 : x < 0 ? -1 : x == 0 ? 0 : x; }
double identity(double x) { return x; }

// In T, as NumPy has them.
template <typename T>
void square(const Step& step, Block* block) {
  each<T>(step, block, [](T x) { return x * x; });
}
template <typename T>
void reciprocal(const Step& step, Block* block) {
  each<T>(step, block, [](T x) { return T{1} / x; });
}
constexpr double kPi = 3.141592653589793238462643383279502884;
template <typename T>
void to_radians(const Step& step, Block* block) {
  constexpr T kFactor = static_cast<T>(kPi) / T{180};
  each<T>(step, block, [](T x) { return x * kFactor; });
}
template <typename T>
void to_degrees(const Step& step, Block* block) {
  constexpr T kFactor = T{180} / static_cast<T>(kPi);
  each<T>(step, block, [](T x) { return x * kFactor; });
}

template <typename T>
Kernel unary_kernel(Unary function) {
  switch (function) {
    case Unary::kLog:
      return through<T, std::log>;
    case Unary::kLog1p:
      return through<T, std::log1p>;
    case Unary::kLog2:
      return through<T, std::log2>;
    case Unary::kLog10:
      return through<T, std::log10>;
    case Unary::kExp:
      return through<T, std::exp>;
    case Unary::kExpm1:
      return through<T, std::expm1>;
    case Unary::kSqrt:
      return through<T, std::sqrt>;
    case Unary::kCbrt:
      return through<T, std::cbrt>;
    case Unary::kAbs:
      return through<T, std::fabs>;
    case Unary::kSign:
      return through<T, sign>;
    case Unary::kSquare:
      return square<T>;
    case Unary::kReciprocal:
      return reciprocal<T>;
    case Unary::kNegative:
      return [](const Step& step, Block* block) { each<T>(step, block, [](T x) { return -x; }); };
    case Unary::kFloor:
      return through<T, std::floor>;
    case Unary::kCeil:
      return through<T, std::ceil>;
    case Unary::kRint:
      return through<T, std::rint>;
    case Unary::kSin:
      return through<T, std::sin>;
    case Unary::kCos:
      return through<T, std::cos>;
    case Unary::kTan:
      return through<T, std::tan>;
    case Unary::kArcsin:
      return through<T, std::asin>;
    case Unary::kArccos:
      return through<T, std::acos>;
    case Unary::kArctan:
      return through<T, std::atan>;
    case Unary::kSinh:
      return through<T, std::sinh>;
    case Unary::kCosh:
      return through<T, std::cosh>;
    case Unary::kTanh:
      return through<T, std::tanh>;
    case Unary::kArcsinh:
      return through<T, std::asinh>;
    case Unary::kArccosh:
      return through<T, std::acosh>;
    case Unary::kArctanh:
      return through<T, std::atanh>;
    case Unary::kDegToRad:
      return to_radians<T>;
    case Unary::kRadToDeg:
      return to_degrees<T>;
    case Unary::kIdentity:
      return through<T, identity>;
  }
  return nullptr;
}

// scipy.special.boxcox; SciPy computes it in double for both types.
double box_cox(double x, double lambda) {
  const double log_x = std::log(x);
  if (std::fabs(lambda) < 1e-19) return log_x;
  if (lambda * log_x < 709.78) return std::expm1(lambda * log_x) / lambda;
  return std::copysign(1.0, lambda) * std::exp(lambda * log_x - std::log(std::fabs(lambda))) - 1 / lambda;
}

template <typename T>
void box_cox_of(const Step& step, Block* block) {
  const auto lambda = step.wide ? step.numbers[0] : static_cast<double>(static_cast<T>(step.numbers[0]));
  each<T>(step, block, [=](double x) { return box_cox(x, lambda); });
}

// A function of the C library, computed in double and rounded to T.
template <typename T>
T log1p_of(T x) {
  return static_cast<T>(std::log1p(static_cast<double>(x)));
}
template <typename T>
T expm1_of(T x) {
  return static_cast<T>(std::expm1(static_cast<double>(x)));
}

// scipy.stats.yeojohnson: logarithms in T, the rest in U, the type of T and lambda together.
template <typename T, typename U>
void yeo_johnson(const Step& step, Block* block) {
  const auto lambda = static_cast<U>(step.numbers[0]);
  constexpr U kEpsilon = std::numeric_limits<U>::epsilon();
  const bool zero = std::fabs(lambda) < kEpsilon;
  const U rest = U{2} - lambda;
  const bool two = !(std::fabs(lambda - U{2}) > kEpsilon);
  each<T>(step, block, [=](T x) -> U {
    if (x >= 0) {
      const auto log_x = static_cast<U>(log1p_of(x));
      return zero ? log_x : expm1_of<U>(lambda * log_x) / lambda;
    }
    const auto log_x = static_cast<U>(log1p_of(-x));
    return two ? -log_x : -expm1_of<U>(rest * log_x) / rest;
  });
}

template <typename T, double (*F)(double)>
void cyclic(const Step& step, Block* block) {
  const double period = step.numbers[0], origin = step.numbers[1];
  each<T>(step, block, [=](double x) { return F(2 * kPi * (x - origin) / period); });
}

template <typename T>
Kernel kernel_in(const Instruction& instruction) {
  switch (instruction.op) {
    case Op::kUnary:
      return unary_kernel<T>(static_cast<Unary>(instruction.integers[0]));
    case Op::kBoxCox:
      return box_cox_of<T>;
    case Op::kYeoJohnson:
      return instruction.wide ? yeo_johnson<T, double> : yeo_johnson<T, T>;
    case Op::kCyclicSin:
      return cyclic<T, std::sin>;
    case Op::kCyclicCos:
      return cyclic<T, std::cos>;
    default:
      return nullptr;
  }
}

}  // namespace

Kernel function_kernel(const Instruction& instruction, Kind dst, Kind src) {
  if (dst != src) return nullptr;
  if (dst == Kind::kFloat) return kernel_in<float>(instruction);
  return dst == Kind::kDouble ? kernel_in<double>(instruction) : nullptr;
}

}  // namespace penstock
