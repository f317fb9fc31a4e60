#include "transform/quantile.h"

#include <cmath>

#include "transform/step.h"

namespace penstock {
namespace {

// The first coefficient is that of the highest power.
template <size_t N>
double polynomial(double x, const double (&coefficients)[N]) {
  double sum = coefficients[0];
  for (size_t i = 1; i < N; ++i) sum = sum * x + coefficients[i];
  return sum;
}

// The same with a highest coefficient of 1 in front.
template <size_t N>
double monic(double x, const double (&coefficients)[N]) {
  double sum = x + coefficients[0];
  for (size_t i = 1; i < N; ++i) sum = sum * x + coefficients[i];
  return sum;
}

constexpr double kCentreP[] = {-5.99633501014107895267E1, 9.80010754185999661536E1, -5.66762857469070293439E1,
                               1.39312609387279679503E1, -1.23916583867381258016E0};
constexpr double kCentreQ[] = {1.95448858338141759834E0,  4.67627912898881538453E0, 8.63602421390890590575E1,
                               -2.25462687854119370527E2, 2.00260212380060660359E2, -8.20372256168333339912E1,
                               1.59056225126211695515E1,  -1.18331621121330003142E0};
constexpr double kTailP[] = {
    4.05544892305962419923E0,   3.15251094599893866154E1,   5.71628192246421288162E1,
    4.40805073893200834700E1,   1.46849561928858024014E1,   2.18663306850790267539E0,
    -1.40256079171354495875E-1, -3.50424626827848203418E-2, -8.57456785154685413611E-4};
constexpr double kTailQ[] = {1.57799883256466749731E1,   4.53907635128879210584E1,
                             4.13172038254672030440E1,   1.50425385692907503408E1,
                             2.50464946208309415979E0,   -1.42182922854787788574E-1,
                             -3.80806407691578277194E-2, -9.33259480895457427372E-4};
constexpr double kFarP[] = {3.23774891776946035970E0,  6.91522889068984211695E0,  3.93881025292474443415E0,
                            1.33303460815807542389E0,  2.01485389549179081538E-1, 1.23716634817820021358E-2,
                            3.01581553508235416007E-4, 2.65806974686737550832E-6, 6.23974539184983293730E-9};
constexpr double kFarQ[] = {6.02427039364742014255E0,  3.67983563856160859403E0,  1.37702099489081330271E0,
                            2.16236993594496635890E-1, 1.34204006088543189037E-2, 3.28014464682127739104E-4,
                            2.89247864745380683936E-6, 6.79019408009981274425E-9};

// scikit-learn's BOUNDS_THRESHOLD, and norm.ppf of it less one spacing, from both ends.
constexpr double kThreshold = 1e-7;
constexpr double kLowest = -5.199337582605575, kHighest = 5.19933758270342;

template <typename T, bool kNormal>
void quantile(const Step& step, Block* block) {
  const auto n = static_cast<size_t>(step.integers[0]);
  const double* quantiles = step.numbers.data();
  const double* references = quantiles + n;
  const double low = quantiles[0], high = quantiles[n - 1];
  const T* in = block->at<T>(step.src[0]);
  T* out = block->at<T>(step.dst);
  for (int64_t i = 0; i < block->rows; ++i) {
    const T x = in[i];
    bool below, above;
    if (kNormal) {
      below = static_cast<double>(static_cast<T>(x - static_cast<T>(kThreshold))) < low;
      above = static_cast<double>(static_cast<T>(x + static_cast<T>(kThreshold))) > high;
    } else {
      below = static_cast<double>(x) == low;
      above = static_cast<double>(x) == high;
    }
    T y;
    if (below) {
      y = 0;
    } else if (above) {
      y = 1;
    } else {
      const auto wide = static_cast<double>(x);
      y = static_cast<T>(0.5 * (interpolate(wide, quantiles, references, n, false) -
                                interpolate(-wide, quantiles, references, n, true)));
    }
    if (kNormal) {
      const auto z = static_cast<double>(static_cast<T>(normal_quantile(static_cast<double>(y))));
      y = static_cast<T>(z < kLowest ? kLowest : z > kHighest ? kHighest : z);
    }
    out[i] = y;
  }
}

}  // namespace

double normal_quantile(double probability) {
  constexpr double kRootTwoPi = 2.50662827463100050242, kTail = 0.13533528323661269189;
  if (probability == 0) return -std::numeric_limits<double>::infinity();
  if (probability == 1) return std::numeric_limits<double>::infinity();
  if (!(probability > 0 && probability < 1)) return std::numeric_limits<double>::quiet_NaN();
  const bool upper = probability > 1 - kTail;
  double y = upper ? 1 - probability : probability;
  if (y > kTail) {
    y -= 0.5;
    const double square = y * y;
    return (y + y * (square * polynomial(square, kCentreP) / monic(square, kCentreQ))) * kRootTwoPi;
  }
  double x = std::sqrt(-2 * std::log(y));
  const double first = x - std::log(x) / x, z = 1 / x;
  x = first -
      (x < 8 ? z * polynomial(z, kTailP) / monic(z, kTailQ) : z * polynomial(z, kFarP) / monic(z, kFarQ));
  return upper ? x : -x;
}

double interpolate(double x, const double* at, const double* values, size_t n, bool negated) {
  if (x != x) return x;
  const auto place = [=](size_t i) { return negated ? -at[n - 1 - i] : at[i]; };
  const auto value = [=](size_t i) { return negated ? -values[n - 1 - i] : values[i]; };
  if (x > place(n - 1)) return value(n - 1);
  if (x < place(0)) return value(0);
  size_t low = 0, high = n;  // the first place above x lies in [low, high]
  while (low < high) {
    const size_t middle = low + (high - low) / 2;
    if (x >= place(middle)) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  const size_t i = low - 1;
  if (i == n - 1 || place(i) == x) return value(i);
  const double slope = (value(i + 1) - value(i)) / (place(i + 1) - place(i));
  double result = slope * (x - place(i)) + value(i);
  if (result != result) {
    result = slope * (x - place(i + 1)) + value(i + 1);
    if (result != result && value(i) == value(i + 1)) result = value(i);
  }
  return result;
}

Kernel quantile_kernel(Kind dst, bool normal) {
  if (dst == Kind::kFloat) return normal ? quantile<float, true> : quantile<float, false>;
  if (dst == Kind::kDouble) return normal ? quantile<double, true> : quantile<double, false>;
  return nullptr;
}

}  // namespace penstock
