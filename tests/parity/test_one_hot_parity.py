"""OneHotEncoder: every mode, on texts, numbers and what is missing."""

import warnings

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from against_sklearn import (
    assert_same_bits,
    check,
    expected_from,
    floats,
    quietly_fitted,
    table,
    text_matrices,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.preprocessing import OneHotEncoder

from penstock.errors import SignatureError
from penstock.transform import Transform

MODES = st.fixed_dictionaries(
    {
        "handle_unknown": st.sampled_from(["ignore", "infrequent_if_exist"]),
        "min_frequency": st.sampled_from([None, 1, 2, 3, 0.1, 0.34]),
        "max_categories": st.sampled_from([None, 1, 2, 3]),
        "drop": st.sampled_from([None, "first", "if_binary"]),
        "sparse_output": st.booleans(),
    }
)


def without_warning(transform: Transform, data: object) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return transform.transform(data)


def check_quietly(fitted: OneHotEncoder, data: np.ndarray) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        check(fitted, data)


@settings(max_examples=150)
@given(text_matrices(), MODES)
def test_texts_in_every_mode(data, mode):
    fit, new = data
    check_quietly(quietly_fitted(OneHotEncoder(**mode), fit), new)


@settings(max_examples=80)
@given(
    st.sampled_from(["f4", "f8"]).flatmap(
        lambda dtype: st.tuples(
            *[
                arrays(
                    dtype, (n, 2), elements=st.one_of(st.sampled_from([0.5, 1.0, 2.0, np.nan]), floats(dtype))
                )
                for n in (9, 7)
            ]
        )
    ),
    MODES,
)
def test_numbers_in_every_mode(data, mode):
    fit, new = data
    check_quietly(quietly_fitted(OneHotEncoder(**mode), fit), new)


@settings(max_examples=40)
@given(
    st.sampled_from(["i1", "u1", "i4", "i8", "?"]).flatmap(
        lambda dtype: st.tuples(*[arrays(dtype, (n, 2), elements=st.integers(0, 1)) for n in (6, 6)])
    ),
    MODES,
)
def test_integers_and_booleans(data, mode):
    fit, new = data
    check_quietly(quietly_fitted(OneHotEncoder(**mode), fit), new)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int8, np.uint8, np.int64, bool])
def test_every_output_type(dtype):
    data = np.array([["a"], ["b"], ["c"]], dtype=object)
    check(OneHotEncoder(dtype=dtype).fit(data), data)


def test_given_categories_in_their_order_and_a_dropped_one_of_each():
    categories = [["z", "a", "m"], ["x", "y"]]
    data = np.array([["a", "x"], ["m", "y"], ["z", "x"]], dtype=object)
    check(OneHotEncoder(categories=categories, drop=["m", "y"]).fit(data), data)


def test_dropped_first_of_one_category_leaves_no_column():
    data = np.array([["a", "x"], ["a", "y"]], dtype=object)
    check(OneHotEncoder(drop="first").fit(data), data)


def test_infrequent_missing_category():
    data = np.array([["a"], ["a"], ["b"], ["b"], [np.nan]], dtype=object)
    fitted = OneHotEncoder(min_frequency=2, handle_unknown="infrequent_if_exist").fit(data)
    check(fitted, np.array([[np.nan], ["a"], ["new"]], dtype=object))


def test_only_missing_values_seen():
    data = np.array([[None], [None]], dtype=object)
    fitted = OneHotEncoder(handle_unknown="ignore").fit(data)
    got = Transform.from_sklearn(fitted, dtype="float64").transform(
        {"x0": np.array([None, "a"], dtype=object)}
    )
    assert_same_bits(got, expected_from(fitted, np.array([[None], ["a"]], dtype=object)))


@pytest.mark.parametrize("unseen", ["new", None, float("nan")])
def test_unknown_and_missing_are_refused_by_column(unseen):
    fitted = OneHotEncoder().fit(pd.DataFrame({"colour": ["red", "green"]}))
    transform = Transform.from_sklearn(fitted)
    with pytest.raises(SignatureError, match="colour"):
        transform.transform({"colour": np.array(["red", unseen], dtype=object)})


def test_numbers_unknown_and_missing_are_refused_by_column():
    fitted = OneHotEncoder().fit(np.array([[1.0], [2.0]]))
    transform = Transform.from_sklearn(fitted)
    for unseen in (3.0, np.nan):
        with pytest.raises(SignatureError, match="x0"):
            transform.transform(np.array([[1.0], [unseen]]))


def test_warns_of_unknown_values_when_scikit_learn_does():
    data = np.array([["a"], ["b"]], dtype=object)
    for encoder in (
        OneHotEncoder(handle_unknown="warn"),
        OneHotEncoder(handle_unknown="ignore", drop="first"),
    ):
        transform = Transform.from_sklearn(encoder.fit(data))
        with pytest.warns(UserWarning, match="x0"):
            transform.transform(table(np.array([["c"], ["a"]], dtype=object)))
        transform.transform(table(data))


def test_names_are_those_of_the_encoder():
    fitted = OneHotEncoder(drop="if_binary").fit(pd.DataFrame({"a": ["x", "y", "x"], "b": ["u", "v", "w"]}))
    assert list(Transform.from_sklearn(fitted).names) == fitted.get_feature_names_out().tolist()


def test_dictionary_and_every_layout_of_text():
    data = np.array([["a"], ["é"], ["𐀀"], ["a"], [None]], dtype=object)
    fitted = OneHotEncoder(handle_unknown="ignore").fit(data)
    plain = pa.array(data[:, 0].tolist())
    expected = expected_from(fitted, data)
    transform = Transform.from_sklearn(fitted, dtype="float64")
    for kind in (pa.string(), pa.large_string(), pa.string_view()):
        assert_same_bits(transform.transform({"x0": plain.cast(kind)}), expected)
    assert_same_bits(transform.transform({"x0": plain.dictionary_encode()}), expected)
    assert_same_bits(
        transform.transform(pa.table({"x0": pa.chunked_array([plain[:2], plain[2:]])})), expected
    )
