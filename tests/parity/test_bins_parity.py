"""KBinsDiscretizer and Binarizer."""

import numpy as np
import pytest
from against_sklearn import check, matrices, quietly_fitted
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Binarizer, KBinsDiscretizer, StandardScaler

from penstock.transform import Transform

PAIRS = st.integers(1, 3).flatmap(
    lambda columns: st.tuples(
        matrices(columns, nan=False, largest=1e6, rows=(3, 20), dtypes=("f4", "f8", "i2", "i8")),
        matrices(columns, nan=False, largest=1e30, dtypes=("f4", "f8", "i2", "i8")),
    )
)


@settings(max_examples=150)
@given(
    PAIRS,
    st.sampled_from(["uniform", "quantile", "kmeans"]),
    st.sampled_from(["ordinal", "onehot", "onehot-dense"]),
    st.integers(2, 6),
    st.sampled_from([None, np.float32, np.float64]),
)
def test_bins(data, strategy, encode, n_bins, dtype):
    fit, new = data
    if strategy == "kmeans":
        fit = np.unique(fit, axis=0)
        n_bins = min(n_bins, *(len(np.unique(column)) for column in fit.T))
        if n_bins < 2:
            return
    bins = KBinsDiscretizer(
        n_bins, encode=encode, strategy=strategy, dtype=dtype, quantile_method="averaged_inverted_cdf"
    )
    fitted = quietly_fitted(bins, fit)
    check(fitted, np.concatenate([new, fit.astype(new.dtype), _edges(fitted, new.dtype)]))


def _edges(fitted: KBinsDiscretizer, dtype: np.dtype) -> np.ndarray:
    """Rows on the edges and right beside them."""
    rows = []
    for column, edges in enumerate(fitted.bin_edges_):
        for edge in edges[np.abs(edges) < 1e30]:
            for value in (edge, np.nextafter(edge, -np.inf), np.nextafter(edge, np.inf)):
                row = np.zeros(len(fitted.bin_edges_))
                row[column] = value
                rows.append(row)
    values = np.array(rows).reshape(-1, len(fitted.bin_edges_))
    if dtype.kind == "i":
        # An edge, and a number beside it, may lie just beyond what the type holds.
        limits = np.iinfo(dtype)
        values = values[((values >= limits.min) & (values < limits.max)).all(axis=1)]
    return values.astype(dtype)


def test_a_missing_value_which_scikit_learn_refuses_has_no_bin():
    fitted = KBinsDiscretizer(2, encode="ordinal", strategy="uniform").fit(np.array([[0.0], [1.0]]))
    got = Transform.from_sklearn(fitted).transform(np.array([[np.nan], [0.9]]))
    assert np.isnan(got[0, 0])
    assert got[1, 0] == 1


@settings(max_examples=100)
@given(
    matrices(2, nan=False, dtypes=("f4", "f8", "i2", "i8")),
    st.sampled_from([0.0, 0.1, 1.0, -3.7, 5e-324, 1e300]),
)
def test_binarizer(data, threshold):
    data = np.concatenate([data, np.full((1, 2), threshold).astype(data.dtype)]) if threshold < 1e30 else data
    check(Binarizer(threshold=threshold).fit(data), data)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_type_goes_on_to_the_next_step(dtype):
    data = np.linspace(0, 1, 40).reshape(20, 2).astype(dtype) ** 2
    for encode in ("ordinal", "onehot-dense"):
        bins = KBinsDiscretizer(3, encode=encode, strategy="uniform")
        check(make_pipeline(bins, StandardScaler()).fit(data), data)
    check(make_pipeline(Binarizer(threshold=0.1), StandardScaler()).fit(data), data)
