"""SimpleImputer and MissingIndicator."""

import numpy as np
import pandas as pd
import pytest
from against_sklearn import check, matrices, quietly_fitted, table, text_matrices
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from penstock.transform import Transform

OPTIONS = st.fixed_dictionaries({"add_indicator": st.booleans(), "keep_empty_features": st.booleans()})
PAIRS = st.integers(1, 4).flatmap(
    lambda columns: st.tuples(matrices(columns, largest=1e9), matrices(columns, largest=1e30))
)


@settings(max_examples=150)
@given(PAIRS, st.sampled_from(["mean", "median", "most_frequent"]), OPTIONS)
def test_numbers(data, strategy, options):
    fit, new = data
    fitted = quietly_fitted(SimpleImputer(strategy=strategy, **options), fit)
    check(fitted, new)


@settings(max_examples=60)
@given(PAIRS, st.sampled_from([0.0, -1.5, 0.1, 1e-30]), OPTIONS)
def test_constants(data, value, options):
    fit, new = data
    check(quietly_fitted(SimpleImputer(strategy="constant", fill_value=value, **options), fit), new)


@settings(max_examples=60)
@given(matrices(3, nan=False, largest=1e9), st.sampled_from([0.0, 1.0, -1.0, 0.1]), OPTIONS)
def test_a_number_that_means_missing(data, marker, options):
    fitted = quietly_fitted(SimpleImputer(missing_values=marker, **options), data)
    check(fitted, np.where(data == 1, np.array(marker, data.dtype), data))


@settings(max_examples=40)
@given(
    st.sampled_from(["i2", "i4", "i8"]).flatmap(
        lambda dtype: st.tuples(matrices(3, dtypes=(dtype,)), matrices(3, dtypes=(dtype,)))
    ),
    st.sampled_from(["mean", "median", "most_frequent", "constant"]),
)
def test_integers(data, strategy):
    fit, new = data
    check(quietly_fitted(SimpleImputer(missing_values=1, strategy=strategy), fit), new)


def test_columns_with_nothing_but_missing_values_are_left_out():
    fit = np.array([[np.nan, 1.0], [np.nan, np.nan]])
    check(quietly_fitted(SimpleImputer(), fit), np.array([[5.0, np.nan]]))
    check(quietly_fitted(SimpleImputer(keep_empty_features=True), fit), np.array([[np.nan, np.nan]]))
    check(quietly_fitted(SimpleImputer(add_indicator=True), fit), np.array([[np.nan, 2.0]]))


@settings(max_examples=80)
@given(
    text_matrices(),
    st.sampled_from([{"strategy": "most_frequent"}, {"strategy": "constant", "fill_value": "–"}]),
)
def test_texts_before_an_encoder(data, options):
    fit, new = data
    absent = next((x for x in [*fit.ravel(), *new.ravel()] if not isinstance(x, str)), np.nan)
    imputer = SimpleImputer(missing_values=absent, keep_empty_features=False, **options)
    fit[0] = ["a", "b"]
    fitted = quietly_fitted(make_pipeline(imputer, OneHotEncoder(handle_unknown="ignore")), fit)
    check(fitted, new)


def test_a_text_that_means_missing():
    fit = np.array([["?", "a"], ["b", "a"], ["b", "?"]], dtype=object)
    imputer = SimpleImputer(missing_values="?", strategy="most_frequent", add_indicator=True)
    check(make_pipeline(imputer, OneHotEncoder()).fit(fit), fit)


def test_texts_and_numbers_side_by_side():
    frame = pd.DataFrame({"a": ["x", None, "x"], "n": [1.5, np.nan, 2.5]}).astype({"a": object})
    imputer = SimpleImputer(missing_values=np.nan, strategy="most_frequent")
    frame["a"] = frame["a"].where(frame["a"].notna(), np.nan)
    fitted = make_pipeline(imputer, OneHotEncoder(handle_unknown="ignore")).fit(frame)
    check(fitted, frame, given=frame)


@settings(max_examples=60)
@given(PAIRS, st.sampled_from(["missing-only", "all"]))
def test_indicator(data, features):
    fit, new = data
    check(quietly_fitted(MissingIndicator(features=features, error_on_new=False), fit), new)


@pytest.mark.parametrize("marker", [None, float("nan")])
def test_indicator_of_texts(marker):
    fit = np.array([["a", marker], ["b", "c"]], dtype=object)
    fitted = MissingIndicator(missing_values=marker, features="all", error_on_new=False).fit(fit)
    transform = Transform.from_sklearn(fitted, example=table(fit), dtype="float64")
    assert transform.transform(table(fit)).tolist() == [[0.0, 1.0], [0.0, 0.0]]
