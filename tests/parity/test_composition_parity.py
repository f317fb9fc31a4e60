"""ColumnTransformer, Pipeline and FeatureUnion: selection, order, nesting, and the types that go through."""

import numpy as np
import pandas as pd
import pytest
import sklearn
from against_sklearn import check, expected_from, matrices, quietly_fitted
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.compose import ColumnTransformer, make_column_selector, make_column_transformer
from sklearn.feature_selection import VarianceThreshold
from sklearn.impute import SimpleImputer
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline, make_union
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    MaxAbsScaler,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    RobustScaler,
    StandardScaler,
    TargetEncoder,
)

from penstock.transform import Transform

RNG = np.random.default_rng(11)
ROWS = 60
FRAME = pd.DataFrame(
    {
        "age": RNG.integers(18, 90, ROWS),
        "income": RNG.lognormal(10, 1, ROWS).astype(np.float32),
        "hours": np.where(RNG.random(ROWS) < 0.2, np.nan, RNG.normal(40, 9, ROWS)),
        "owner": RNG.random(ROWS) < 0.5,
        "state": RNG.choice(["MA", "NY", "CT"], ROWS),
        "job": RNG.choice(["nurse", "Lehrer", "工程师"], ROWS),
        "rank": RNG.integers(0, 5, ROWS).astype(np.int8),
    }
)
FRAME.loc[RNG.random(ROWS) < 0.2, "job"] = None


def check_frame(fitted, frame=FRAME):
    check(fitted, frame, given=frame, example=frame)
    check(fitted, frame, given=frame)


@pytest.mark.parametrize("remainder", ["drop", "passthrough", MinMaxScaler()])
@pytest.mark.parametrize("sparse_threshold", [0.0, 1.0])
def test_columns(remainder, sparse_threshold):
    columns = ColumnTransformer(
        [
            ("cat", OneHotEncoder(), ["state"]),
            ("num", make_pipeline(SimpleImputer(add_indicator=True), StandardScaler()), ["hours", "age"]),
            ("gone", "drop", ["job"]),
            ("kept", "passthrough", ["rank"]),
            ("nothing", StandardScaler(), []),
        ],
        remainder=remainder,
        sparse_threshold=sparse_threshold,
    )
    fitted = columns.fit(FRAME)
    check_frame(fitted)
    transform = Transform.from_sklearn(fitted)
    assert list(transform.names) == fitted.get_feature_names_out().tolist()
    assert "job" not in [column.name for column in transform.columns]


@pytest.mark.parametrize(
    "selection",
    [
        ["age", "income"],
        [0, 1],
        [-1, 0],
        slice(0, 2),
        slice("age", "hours"),
        [True, True, False, False, False, False, False],
        make_column_selector(dtype_include=np.number),
        lambda frame: ["hours", "age"],
    ],
    ids=str,
)
def test_every_way_to_select(selection):
    check_frame(ColumnTransformer([("scale", StandardScaler(), selection)], remainder="drop").fit(FRAME))


def test_nested_column_transformers_on_frames_and_arrays():
    inner = ColumnTransformer(
        [("log", FunctionTransformer(np.sqrt), ["income"]), ("bins", KBinsDiscretizer(3), ["age"])],
        remainder="passthrough",
    )
    outer = ColumnTransformer(
        [
            ("inner", Pipeline([("impute", SimpleImputer()), ("scale", RobustScaler())]), ["hours"]),
            ("columns", inner, ["age", "income", "rank"]),
            ("codes", OrdinalEncoder(encoded_missing_value=-1), ["job", "state"]),
        ]
    )
    again = ColumnTransformer([("abs", MaxAbsScaler(), [0, 2, 4]), ("rest", MinMaxScaler(), slice(5, None))])
    check_frame(quietly_fitted(outer, FRAME))
    check_frame(quietly_fitted(make_pipeline(outer, again), FRAME))


def test_types_of_a_matrix_go_on_though_a_step_takes_some_of_it():
    # The scaled column is float32, but stands in a float64 matrix when the second step scales it alone.
    first = ColumnTransformer([("a", StandardScaler(), ["income"]), ("b", StandardScaler(), ["age"])])
    second = ColumnTransformer([("again", StandardScaler(), [0])])
    check_frame(make_pipeline(first, second).fit(FRAME))
    # Booleans and small integers beside float32 leave it float32; alone they are computed in float64.
    small = [("b", "passthrough", ["rank"]), ("c", "passthrough", ["owner"])]
    first = ColumnTransformer([("a", StandardScaler(), ["income"]), *small])
    check_frame(make_pipeline(first, ColumnTransformer([("x", StandardScaler(), [0, 2])])).fit(FRAME))
    # A frame of both becomes an array of objects.
    first = ColumnTransformer([("a", StandardScaler(), ["income"]), ("b", "passthrough", ["rank", "owner"])])
    fitted = make_pipeline(first, ColumnTransformer([("x", StandardScaler(), [0, 2])])).fit(FRAME)
    check(fitted, FRAME, given=FRAME, example=FRAME)
    two = FRAME[["owner", "rank"]]
    check_frame(make_pipeline(VarianceThreshold(), StandardScaler()).fit(two), two)
    encode = OneHotEncoder(dtype=np.int8, sparse_output=False)
    check_frame(make_pipeline(encode, StandardScaler()).fit(FRAME[["state"]]), FRAME[["state"]])


def test_texts_and_numbers_in_one_array_of_objects():
    first = ColumnTransformer(
        [
            ("text", SimpleImputer(strategy="constant", fill_value="none", missing_values=np.nan), ["state"]),
            ("number", "passthrough", ["income"]),
        ]
    )
    second = ColumnTransformer([("text", OneHotEncoder(), [0]), ("number", StandardScaler(), [1])])
    check_frame(make_pipeline(first, second).fit(FRAME))


def test_frames_between_steps_keep_the_type_of_each_column():
    first = ColumnTransformer([("a", StandardScaler(), ["income"]), ("b", StandardScaler(), ["age"])])
    second = ColumnTransformer(
        [("again", StandardScaler(), ["a__income"]), ("both", MinMaxScaler(), slice(0, 2))]
    )
    fitted = make_pipeline(first, second).set_output(transform="pandas").fit(FRAME)
    check_frame(fitted)
    with sklearn.config_context(transform_output="pandas"):
        check_frame(make_pipeline(first, second).fit(FRAME))


def test_unions_weights_and_passthrough():
    union = FeatureUnion(
        [("scale", StandardScaler()), ("range", MinMaxScaler()), ("same", "passthrough"), ("no", "drop")],
        transformer_weights={"scale": 0.1, "range": -2, "same": 0.5},
    )
    data = FRAME[["income"]].to_numpy()
    check(union.fit(data), data, example=data)
    check(make_union(StandardScaler(), MaxAbsScaler()).fit(data), data)
    columns = make_column_transformer((StandardScaler(), [0]), remainder="passthrough").fit(data)
    check(columns.set_params(transformer_weights={"standardscaler": 0.25}), data)


def test_pipeline_steps_that_do_nothing():
    fitted = Pipeline([("a", "passthrough"), ("b", StandardScaler()), ("c", None)]).fit(FRAME[["income"]])
    check_frame(fitted, FRAME[["income"]])


@settings(max_examples=60)
@given(
    st.sampled_from([1, 2, 3]).flatmap(
        lambda columns: st.tuples(matrices(columns, largest=1e6, rows=(3, 9)), matrices(columns, largest=1e9))
    ),
    st.permutations(
        [SimpleImputer(), StandardScaler(), MinMaxScaler(), MaxAbsScaler(clip=True), RobustScaler()]
    ),
)
def test_chains(data, steps):
    fit, new = data
    fit[0] = 1
    with np.errstate(all="ignore"):
        check(quietly_fitted(make_pipeline(*steps), fit), new)


def test_frame_given_in_another_order_and_with_more_columns():
    fitted = ColumnTransformer([("s", StandardScaler(), ["age", "income"])]).fit(FRAME)
    shuffled = FRAME[["state", "income", "rank", "age"]]
    check(fitted, FRAME, given=shuffled)


def test_target_encoder_inside():
    columns = ColumnTransformer([("mean", TargetEncoder(), ["state", "job"])], remainder=StandardScaler())
    fitted = quietly_fitted(columns, FRAME, FRAME["owner"].astype(int))
    check_frame(fitted)


def test_types_without_an_example_follow_the_data():
    fitted = make_pipeline(SimpleImputer(), KBinsDiscretizer(3, encode="ordinal"), StandardScaler())
    fitted = quietly_fitted(fitted, FRAME[["hours", "income"]].to_numpy())
    transform = Transform.from_sklearn(fitted, dtype="float64")
    for dtype in ("f4", "f8"):
        data = FRAME[["hours", "income"]].to_numpy().astype(dtype)
        np.testing.assert_array_equal(transform.transform(data), expected_from(fitted, data))
