"""Scalers: every bit, in float32, float64 and from integers."""

import numpy as np
import pytest
from against_sklearn import check, matrices, quietly_fitted
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    OneHotEncoder,
    RobustScaler,
    StandardScaler,
)

FLAGS = st.booleans()
SCALERS = st.one_of(
    st.builds(StandardScaler, with_mean=FLAGS, with_std=FLAGS),
    st.builds(MinMaxScaler, feature_range=st.sampled_from([(0, 1), (-1, 1), (0.1, 0.7)]), clip=FLAGS),
    st.builds(MaxAbsScaler, clip=FLAGS),
    st.builds(
        RobustScaler,
        with_centering=FLAGS,
        with_scaling=FLAGS,
        unit_variance=FLAGS,
        quantile_range=st.sampled_from([(25.0, 75.0), (10.0, 99.0)]),
    ),
)
TYPES = ("f4", "f8", "i1", "u1", "i4", "i8")
PAIRS = st.integers(1, 4).flatmap(
    lambda columns: st.tuples(
        matrices(columns, dtypes=TYPES, largest=1e6, rows=(2, 12)),
        matrices(columns, dtypes=TYPES, largest=1e35),
    )
)


@settings(max_examples=300)
@given(PAIRS, SCALERS)
def test_to_the_bit(data, scaler):
    fit, new = data
    check(quietly_fitted(scaler, fit), new)


@settings(max_examples=100)
@given(PAIRS, SCALERS, SCALERS)
def test_one_after_the_other(data, first, second):
    fit, new = data
    with np.errstate(all="ignore"):
        fitted = quietly_fitted(make_pipeline(first, second), fit)
    check(fitted, new)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_column_of_one_value_is_not_divided(dtype):
    fit = np.array([[0.1, 1e-9], [0.1, 3e-9], [0.1, 2e-9]], dtype)
    for scaler in (StandardScaler(), MinMaxScaler(), MaxAbsScaler(), RobustScaler()):
        check(scaler.fit(fit), fit)


@pytest.mark.parametrize(
    "scaler",
    [
        StandardScaler(with_mean=False),
        MaxAbsScaler(),
        MaxAbsScaler(clip=True),
        RobustScaler(with_centering=False),
    ],
)
def test_sparse_matrices_are_multiplied_as_scikit_learn_does(scaler):
    data = np.array([["a"], ["b"], ["c"], ["a"], ["a"]], dtype=object)
    check(quietly_fitted(make_pipeline(OneHotEncoder(), scaler), data), data)


@settings(max_examples=100)
@given(matrices(dtypes=("f4", "f8", "i4"), nan=False, largest=1e15), st.sampled_from(["l1", "l2", "max"]))
def test_normalizer(data, norm):
    check(Normalizer(norm=norm).fit(data), data, ulps=4 if norm != "max" else 0)
