// Pieces of scikit-learn's QuantileTransformer.
#ifndef PENSTOCK_TRANSFORM_QUANTILE_H_
#define PENSTOCK_TRANSFORM_QUANTILE_H_

#include <cstddef>

namespace penstock {

// The inverse of the standard normal distribution's function; -inf at 0, inf at 1, NaN outside. The method
// and coefficients of S. L. Moshier's Cephes library, which scipy.special.ndtri computes with too.
double normal_quantile(double probability);

// numpy.interp at one place: x between `at`, ascending, n at least 1. With `negated`, at and values are read
// from their ends with the other sign. NaN stays.
double interpolate(double x, const double* at, const double* values, size_t n, bool negated);

}  // namespace penstock

#endif  // PENSTOCK_TRANSFORM_QUANTILE_H_
