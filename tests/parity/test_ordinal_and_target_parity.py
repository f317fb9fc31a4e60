"""OrdinalEncoder and TargetEncoder."""

import numpy as np
import pytest
from against_sklearn import check, floats, quietly_fitted, table, text_matrices
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.preprocessing import OrdinalEncoder, TargetEncoder

from penstock.errors import SignatureError
from penstock.transform import Transform

MODES = st.fixed_dictionaries(
    {
        "unknown_value": st.sampled_from([-1, 99, np.nan]),
        "encoded_missing_value": st.sampled_from([np.nan, -2, 77]),
        "min_frequency": st.sampled_from([None, 2, 3, 0.34]),
        "max_categories": st.sampled_from([None, 1, 2, 3]),
    }
)
NUMBERS = st.sampled_from(["f4", "f8"]).flatmap(
    lambda dtype: st.tuples(
        *[
            arrays(dtype, (n, 2), elements=st.one_of(st.sampled_from([0.5, 1.0, 2.0, np.nan]), floats(dtype)))
            for n in (9, 7)
        ]
    )
)


@settings(max_examples=120)
@given(text_matrices(), MODES)
def test_ordinal_texts_in_every_mode(data, mode):
    fit, new = data
    check(quietly_fitted(OrdinalEncoder(handle_unknown="use_encoded_value", **mode), fit), new)


@settings(max_examples=60)
@given(NUMBERS, MODES)
def test_ordinal_numbers_in_every_mode(data, mode):
    fit, new = data
    check(quietly_fitted(OrdinalEncoder(handle_unknown="use_encoded_value", **mode), fit), new)


@settings(max_examples=40)
@given(text_matrices(missing=(float("nan"),)))
def test_ordinal_refuses_what_scikit_learn_refuses(data):
    fit, new = data
    fitted = quietly_fitted(OrdinalEncoder(), fit)
    transform = Transform.from_sklearn(fitted)
    try:
        fitted.transform(new)
    except ValueError:
        with pytest.raises(SignatureError, match="column"):
            transform.transform(table(new))
    else:
        check(fitted, new)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int32, np.int64, np.int8])
def test_ordinal_output_types(dtype):
    data = np.array([["a"], ["b"], ["c"]], dtype=object)
    check(OrdinalEncoder(dtype=dtype).fit(data), data)


def test_ordinal_given_categories_in_their_order():
    data = np.array([["low"], ["high"], ["middle"]], dtype=object)
    check(OrdinalEncoder(categories=[["low", "middle", "high"]]).fit(data), data)


@settings(max_examples=60)
@given(text_matrices(), st.data(), st.sampled_from(["auto", 0.0, 2.5]))
def test_target_continuous(data, more, smooth):
    fit, new = data
    target = more.draw(arrays("f8", len(fit), elements=st.floats(-1e6, 1e6)))
    check(quietly_fitted(TargetEncoder(smooth=smooth, target_type="continuous"), fit, target), new)


@settings(max_examples=60)
@given(NUMBERS, st.data(), st.sampled_from([2, 3, 4]))
def test_target_binary_and_multiclass(data, more, classes):
    fit, new = data
    target = more.draw(arrays("i8", len(fit), elements=st.integers(0, classes - 1)))
    target[:classes] = range(classes)
    check(quietly_fitted(TargetEncoder(), fit, target), new)


def test_target_multiclass_texts_and_names():
    fit = np.array([["a", "x"], ["b", "y"], ["a", "y"], ["c", "x"], ["b", "x"], [None, "y"]], dtype=object)
    fitted = TargetEncoder().fit(fit, ["p", "q", "r", "p", "q", "r"])
    new = np.array([["a", "y"], ["zzz", "x"], [None, "?"]], dtype=object)
    check(fitted, new)
    assert list(Transform.from_sklearn(fitted).names) == fitted.get_feature_names_out().tolist()
