"""What goes through logarithms, powers and sums: equal within a stated number of units in the last place."""

import numpy as np
import pytest
from against_sklearn import assert_close, check, expected_from, floats, matrices, quietly_fitted
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.decomposition import PCA, IncrementalPCA, TruncatedSVD
from sklearn.preprocessing import (
    FunctionTransformer,
    PolynomialFeatures,
    PowerTransformer,
    QuantileTransformer,
)

from penstock.transform import Transform

FUNCTIONS = [
    *(np.log, np.log1p, np.log2, np.log10, np.exp, np.expm1, np.sqrt, np.cbrt, np.abs, np.sign, np.square),
    *(np.reciprocal, np.negative, np.floor, np.ceil, np.rint, np.sin, np.cos, np.tan, np.arcsin, np.arccos),
    *(np.arctan, np.sinh, np.cosh, np.tanh, np.arcsinh, np.arccosh, np.arctanh, np.deg2rad, np.rad2deg),
]
EXACT = {np.sqrt, np.abs, np.sign, np.square, np.reciprocal, np.negative, np.floor, np.ceil, np.rint}


@settings(max_examples=25)
@given(matrices(3, infinity=True))
@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.__name__)
def test_functions(function, data):
    if function in (np.sin, np.cos, np.tan):
        data = np.where(np.abs(data) < 1e5, data, data.dtype.type(1))
    check(FunctionTransformer(function).fit(data), data, ulps=0 if function in EXACT else 4)


def test_identity_and_missing():
    data = np.array([[1.0, np.nan], [-0.0, np.inf]])
    check(FunctionTransformer().fit(data), data)
    check(FunctionTransformer(np.isnan).fit(data), data)
    check(FunctionTransformer(np.log1p, validate=True).fit(np.array([[1, 2]])), np.array([[3, 4]]), ulps=4)


LAMBDAS = arrays("f8", 2, elements=st.floats(-3, 5) | st.sampled_from([0.0, 1.0, 2.0, 1e-20, 1e-9]))


@settings(max_examples=150)
@given(
    LAMBDAS,
    arrays("f8", (6, 2), elements=st.floats(1e-6, 1e6) | st.just(np.nan)),
    st.booleans(),
    st.sampled_from(["f4", "f8"]),
)
def test_box_cox(lambdas, new, standardize, dtype):
    new[0] = 1.0
    _check_power(_powered("box-cox", lambdas, standardize, dtype), new.astype(dtype))


@settings(max_examples=150)
@given(
    LAMBDAS,
    arrays("f8", (6, 2), elements=floats("f8", largest=1e6)),
    st.booleans(),
    st.sampled_from(["f4", "f8"]),
)
def test_yeo_johnson(lambdas, new, standardize, dtype):
    _check_power(_powered("yeo-johnson", lambdas, standardize, dtype), new.astype(dtype))


@pytest.mark.parametrize("method", ["box-cox", "yeo-johnson"])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_powers_that_were_fitted(method, dtype):
    data = np.random.default_rng(4).lognormal(1, 0.5, (100, 3)).astype(dtype)
    _check_power(quietly_fitted(PowerTransformer(method), data), data)


def _powered(method, lambdas, standardize, dtype):
    """With lambdas that no fit would take long to find, nor find at all."""
    data = np.array([[1.0, 2.0], [3.0, 2.5], [2.0, 9.0], [5.0, 4.0]], dtype=dtype)
    fitted = quietly_fitted(PowerTransformer(method, standardize=standardize), data)
    fitted.lambdas_ = lambdas.astype(dtype)
    return fitted


def _check_power(fitted, new):
    """Within 8 units in the last place of the largest term, and 2 more for each unit of the exponent.

    A power is an exponential: what the logarithm is off by counts as often as the exponent is large. The
    mean that standardising subtracts can cancel all but the last units, so they are counted before it.
    """
    got = Transform.from_sklearn(fitted, dtype="float64").transform(new)
    expected = expected_from(fitted, new).astype(np.float64)
    mean, scale = (fitted._scaler.mean_, fitted._scaler.scale_) if fitted.standardize else (0.0, 1.0)
    with np.errstate(all="ignore"):
        logarithm = np.log(new) if fitted.method == "box-cox" else np.log1p(np.abs(new))
        exponent = np.abs(logarithm) * np.maximum(np.abs(fitted.lambdas_), np.abs(2 - fitted.lambdas_))
        largest = np.abs(expected) + 2 * np.abs(mean) / scale
        close = np.abs(got - expected) <= (8 + 2 * exponent) * np.finfo(new.dtype).eps * largest
    same = close | (got == expected) | (np.isnan(got) & np.isnan(expected))
    assert same.all(), (got[~same], expected[~same])


@settings(max_examples=60)
@given(
    matrices(2, rows=(2, 30), largest=1e6),
    matrices(2, largest=1e12),
    st.sampled_from(["uniform", "normal"]),
    st.integers(2, 12),
)
def test_quantile(fit, new, distribution, count):
    quantile = QuantileTransformer(n_quantiles=count, output_distribution=distribution, random_state=0)
    fitted = quietly_fitted(quantile, fit)
    data = np.concatenate([new, fit.astype(new.dtype), fitted.quantiles_.astype(new.dtype)])
    if distribution == "uniform":
        check(fitted, data)
    else:
        check(fitted, data, ulps=16)


@settings(max_examples=80)
@given(
    matrices(3, nan=False, dtypes=("f4", "f8", "i4"), largest=1e9),
    st.sampled_from([0, 1, 2, 3, 4, (2, 3), (0, 2), (3, 3)]),
    st.booleans(),
    st.booleans(),
)
def test_polynomial(data, degree, interactions, bias):
    if degree == 0 and not bias:
        return
    fitted = PolynomialFeatures(degree, interaction_only=interactions, include_bias=bias)
    if interactions and degree == (3, 3) and data.shape[1] < 3:
        return
    check(fitted.fit(data), data)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("fit_dtype", ["f4", "f8"])
@pytest.mark.parametrize(
    "projection",
    [PCA(2), PCA(3, whiten=True), IncrementalPCA(2), TruncatedSVD(2, random_state=0)],
    ids=["pca", "whitened", "incremental", "svd"],
)
def test_projections(projection, fit_dtype, dtype):
    rng = np.random.default_rng(5)
    data = rng.normal(size=(200, 6)) @ rng.normal(size=(6, 6)) + rng.normal(size=6)
    fitted = quietly_fitted(projection, data.astype(fit_dtype))
    new = data[:50].astype(dtype)
    expected = expected_from(fitted, new)
    got = Transform.from_sklearn(fitted, dtype="float64").transform(new)
    # A sum in another order: off by some units in the last place of its largest term, not of the sum.
    terms = np.abs(new).max() * np.abs(fitted.components_).max() * 6
    spread = np.sqrt(fitted.explained_variance_).min() if getattr(fitted, "whiten", False) else 1.0
    assert np.abs(got - expected).max() <= 8 * np.finfo(expected.dtype).eps * terms / min(spread, 1.0)
    assert got.shape == expected.shape


def test_ulps_are_counted_as_they_should_be():
    one = np.array([1.0, -0.0, np.nan])
    assert_close(one, np.array([np.nextafter(1.0, 2), 0.0, np.nan]), 1)
    with pytest.raises(AssertionError, match="2 ulps"):
        assert_close(np.array([5e-324]), np.array([-5e-324]), 1)
