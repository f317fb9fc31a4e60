"""Fitting on data of every shape: the same rows give the same transform; what cannot be fitted is refused."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from penstock.errors import SignatureError, TransformError
from penstock.transform import (
    Bin,
    BoxCox,
    Clip,
    Count,
    Cross,
    Cyclic,
    DatePart,
    Expression,
    Feature,
    Function,
    Hash,
    Impute,
    Log,
    OneHot,
    Ordinal,
    Pca,
    Project,
    Quantile,
    RobustScale,
    Select,
    StandardScale,
    Target,
    Transform,
    Winsorize,
    YeoJohnson,
)
from penstock.transform.fit import fit, fit_with_report
from penstock.transform.fit import source as source_module
from penstock.transform.steps import Step

ROWS = 1000
RNG = np.random.default_rng(1)


def table() -> pa.Table:
    rng = np.random.default_rng(2)
    income = pa.array(rng.lognormal(3, 1, ROWS).astype(np.float32))
    age = rng.normal(40, 9, ROWS)
    return pa.table(
        {
            "age": pa.array(age, mask=rng.random(ROWS) < 0.1),
            "income": income,
            "rooms": rng.integers(0, 9, ROWS),
            "city": pa.array(rng.choice(["Bonn", "Ulm", "Ahlen"], ROWS), mask=rng.random(ROWS) < 0.1),
            "day": pa.array(
                [datetime.date(2026, 1, 1) + datetime.timedelta(days=int(i)) for i in range(ROWS)],
                pa.date32(),
            ),
            "paid": rng.random(ROWS) < 0.3,
        }
    )


TABLE = table()
ONE_PASS = [
    Feature(columns=("age", "rooms"), steps=(Impute(strategy="median", indicator=True), StandardScale())),
    Feature(columns=("income",), steps=(Log(), Clip(low=0.0)), name="log"),
    Feature(columns=("income",), steps=(Winsorize(),), name="cut"),
    Feature(columns=("income",), steps=(YeoJohnson(),), name="normal"),
    Feature(columns=("income",), steps=(Bin(strategy="kmeans", output="one_hot"),), name="bin"),
    Feature(columns=("age",), steps=(Quantile(quantiles=20),), name="rank"),
    Feature(columns=("city",), steps=(Impute(strategy="most_frequent"), OneHot())),
    Feature(columns=("city",), steps=(Target(),), name="paid_by_city"),
    Feature(columns=("city", "rooms"), steps=(Cross(buckets=16),), name="cross"),
    Feature(columns=("day",), steps=(DatePart(parts=("month",)), Cyclic(period=12)), name="month"),
    Feature(steps=(Expression(text="log1p(income) / (rooms + 1)"),), name="rate"),
]
TWO_PASSES = [Feature(columns=("income", "age"), steps=(Impute(), StandardScale(), Pca()), name="pca")]


def digest(features: list[Feature], data: Any) -> str:
    return fit(features, data, target="paid").digest


@pytest.mark.parametrize("rows", [1, 7, 64, 999, 5000])
def test_batches_of_any_size_give_the_same(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_module, "BLOCK_ROWS", 64)
    expected = digest(ONE_PASS, TABLE)
    batches = TABLE.to_batches(max_chunksize=rows)
    assert digest(ONE_PASS, iter(batches)) == expected
    assert digest([*ONE_PASS, *TWO_PASSES], batches) == digest([*ONE_PASS, *TWO_PASSES], TABLE)


def test_blocks_of_any_size_give_nearly_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    features = [*ONE_PASS, *TWO_PASSES]
    whole = Transform(fit(features, TABLE, target="paid", dtype="float64")).transform(TABLE)
    for rows in (1, 3, 100):
        monkeypatch.setattr(source_module, "BLOCK_ROWS", rows)
        blocks = Transform(fit(features, TABLE, target="paid", dtype="float64")).transform(TABLE)
        np.testing.assert_allclose(blocks, whole, rtol=1e-10, atol=1e-10)


class Counted:
    """A function that gives batches, and counts how often."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self) -> Iterator[pa.RecordBatch]:
        self.calls += 1
        return iter(TABLE.to_batches(max_chunksize=100))


def test_every_shape_of_data_gives_the_same(tmp_path: Path) -> None:
    expected = digest(ONE_PASS, TABLE)
    pq.write_table(TABLE.slice(0, 300), tmp_path / "1.parquet")
    pq.write_table(TABLE.slice(300), tmp_path / "2.parquet")
    encoded = TABLE.set_column(3, "city", TABLE["city"].dictionary_encode())
    shapes: list[Any] = [
        TABLE.combine_chunks().to_batches()[0],
        {name: TABLE[name] for name in TABLE.column_names},
        pl.from_arrow(TABLE),
        ds.dataset(tmp_path),
        ds.dataset(tmp_path).scanner(),
        TABLE.to_reader(max_chunksize=77),
        Counted(),
        lambda: TABLE,
        [TABLE.slice(0, 10), TABLE.slice(10)],
        encoded,
        encoded.to_batches(max_chunksize=9),
        TABLE.append_column("extra", pa.nulls(ROWS)),
    ]
    for data in shapes:
        assert digest(ONE_PASS, data) == expected, type(data)


def test_frames_of_pandas() -> None:
    frame = TABLE.select(["age", "income", "city"]).to_pandas()
    assert isinstance(frame, pd.DataFrame)
    features = [
        Feature(columns=("age", "income"), steps=(Impute(), StandardScale())),
        Feature(columns=("city",), steps=(OneHot(),)),
    ]
    assert fit(features, frame) == fit(features, TABLE)


def test_dicts_of_numpy() -> None:
    data = {"a": np.arange(9.0)[::-2], "b": np.array(["x", "y", "x", "z", "y"]), "c": [1, None, 3, 4, 5]}
    features = [
        Feature(columns=("a", "c"), steps=(Impute(),)),
        Feature(columns=("b",), steps=(Ordinal(),)),
    ]
    result = Transform(fit(features, data)).transform(data)
    np.testing.assert_array_equal(result, [[8, 1, 0], [6, 3.25, 1], [4, 3, 0], [2, 4, 2], [0, 5, 1]])


def test_data_are_read_as_often_as_they_must_be() -> None:
    counted = Counted()
    assert fit_with_report(ONE_PASS, counted, target="paid").passes == 1
    assert counted.calls == 1
    for steps, passes in [
        ((Log(),), 0),
        ((Impute(), StandardScale()), 1),
        ((Impute(strategy="constant", value=0.0), RobustScale()), 1),
        ((Impute(), Log(), StandardScale()), 2),
        ((Impute(), StandardScale(), Pca()), 2),
        ((Impute(missing=-1.0), StandardScale()), 2),
        ((Impute(), Pca()), 2),
        ((Impute(), StandardScale(), Pca(), StandardScale()), 3),
    ]:
        counted = Counted()
        report = fit_with_report([Feature(columns=("age", "income"), steps=steps)], counted)
        assert report.passes == passes
        assert report.rows == (ROWS if passes else 0)
        assert counted.calls == max(passes, 1)  # the schema is read from the first batch


def test_an_iterator_is_refused_where_more_passes_are_needed() -> None:
    with pytest.raises(TransformError, match=r"'pca': its steps learn .* in 2 passes .* read once"):
        fit(TWO_PASSES, iter(TABLE.to_batches()))
    with pytest.raises(TransformError, match="2 passes"):
        fit(TWO_PASSES, TABLE.to_reader())


def test_data_that_change_between_passes_are_refused() -> None:
    sizes = iter([ROWS, ROWS - 1])
    with pytest.raises(TransformError, match="the data changed: 1000 rows in the first pass, 999 in pass 2"):
        fit(TWO_PASSES, lambda: TABLE.slice(0, next(sizes)))


def test_values_that_go_through_steps_are_those_of_the_transform() -> None:
    two = [Feature(columns=("income",), steps=(Log(), StandardScale()))]
    logs = np.log1p(TABLE["income"].to_numpy()).astype(np.float64)
    result = Transform(fit(two, TABLE, dtype="float64")).transform(TABLE)
    np.testing.assert_allclose(result[:, 0], (logs - logs.mean()) / logs.std(), atol=1e-6)


def test_outputs_and_names() -> None:
    features = [
        Feature(columns=("age", "income")),
        Feature(columns=("city",), steps=(Ordinal(),), name="code", output="ids"),
        Feature(columns=("city",), steps=(OneHot(missing="ignore"),), name="c"),
        Feature(
            columns=("age", "income"), steps=(Impute(indicator=True), Select(columns=("income",))), name="i"
        ),
    ]
    transform = Transform(fit(features, TABLE, dtype={"ids": "int64"}))
    names = {output.name: output.names for output in transform.outputs}
    assert names == {
        "features": (
            "age",
            "income",
            "c__city_Ahlen",
            "c__city_Bonn",
            "c__city_Ulm",
            "i__income",
            "i__age_missing",
        ),
        "ids": ("code",),
    }
    result = transform.transform(TABLE)
    assert result["ids"].dtype == np.int64
    assert result["features"].shape == (ROWS, 7)
    missing = TABLE["age"].is_null().to_numpy()
    np.testing.assert_array_equal(result["features"][:, 6], missing)


def test_a_step_may_follow_another_of_texts() -> None:
    features = [
        Feature(
            columns=("city",),
            steps=(
                Impute(strategy="constant", value="Ulm"),
                Select(),
                Impute(strategy="most_frequent"),
                Count(),
            ),
        )
    ]
    result = Transform(fit(features, TABLE)).transform(TABLE)
    filled = TABLE["city"].fill_null("Ulm").to_pylist()
    np.testing.assert_array_equal(result[:, 0], [filled.count(city) for city in filled])


def test_categories_that_were_not_seen() -> None:
    features = [
        Feature(columns=("city",), steps=(OneHot(unknown="ignore"),), name="a"),
        Feature(columns=("city",), steps=(OneHot(unknown="infrequent", max_outputs=2),), name="b"),
        Feature(columns=("city",), steps=(Ordinal(unknown=-1),), name="c"),
        Feature(columns=("city",), steps=(Count(),), name="d"),
    ]
    transform = Transform(fit(features, {"city": ["x", "x", "y", "z"]}))
    np.testing.assert_array_equal(transform.transform({"city": ["w"]}), [[0, 0, 0, 0, 1, -1, 0]])
    strict = Transform(fit([Feature(columns=("city",), steps=(OneHot(),))], TABLE))
    with pytest.raises(SignatureError, match="city"):
        strict.transform({"city": ["Trier"]})


@pytest.mark.parametrize(
    "step", [StandardScale(), RobustScale(), Bin(), Pca(), YeoJohnson()], ids=lambda s: s.op
)
def test_no_infinity(step: Step) -> None:
    data = {"a": [1.0, 2.0, np.inf, 3.0]}
    if isinstance(step, RobustScale):
        assert fit([Feature(columns=("a",), steps=(step,))], data)
        return
    with pytest.raises(TransformError, match=r"'a'.*infinity"):
        fit([Feature(columns=("a",), steps=(step,))], data)


@pytest.mark.parametrize(
    ("columns", "steps", "words"),
    [
        (("city",), (StandardScale(),), '"city": expected numbers, got texts'),
        (("city",), (Impute(),), "texts have no mean"),
        (("city",), (Impute(strategy="constant", value=1.0),), "expected numbers, got texts"),
        (("age",), (Impute(strategy="constant", value="x"),), "expected texts, got numbers"),
        (("day",), (StandardScale(),), "got dates or times; take date_part first"),
        (("age",), (DatePart(parts=("year",)),), "expected dates or times, got numbers"),
        (("city",), (), "expected numbers, got texts"),
        (("day",), (), "expected numbers, got dates"),
        (("city",), (Function(name="log"),), "expected numbers, got texts"),
        (("rooms",), (BoxCox(),), "box_cox needs values above 0, got 0.0; yeo_johnson takes any"),
        (("age",), (Pca(),), '"age": pca cannot learn from missing'),
        (("rooms",), (Pca(components=2),), "2 components of 1"),
        (("rooms",), (Project(matrix=((1.0, 2.0),)),), "expected rows of 1 numbers, got 2"),
        (("rooms",), (Cross(buckets=2),), "two values or more"),
        (("rooms",), (Expression(text="age + 1"),), "no value 'age' here; there are: rooms"),
        (("rooms",), (Select(columns=("age",)),), "no value 'age' here"),
        (("city",), (OneHot(max_categories=2),), "more than 2 categories; use Hash, or raise max_categories"),
        (("city",), (Target(max_categories=2),), "more than 2 categories"),
    ],
    ids=str,
)
def test_what_cannot_be_fitted_is_named(columns: tuple[str, ...], steps: tuple[Any, ...], words: str) -> None:
    with pytest.raises(TransformError) as caught:
        fit([Feature(columns=columns, steps=steps)], TABLE, target="paid")
    assert words in str(caught.value)
    assert str(caught.value).startswith(f"feature {', '.join(columns)!r}: ")


@pytest.mark.parametrize(
    ("step", "words"),
    [
        (Impute(), "every value is missing"),
        (StandardScale(), "no values to learn standard_scale from"),
        (Quantile(), "no values to learn quantile from"),
        (Pca(), "missing"),
    ],
    ids=str,
)
def test_a_column_without_values(step: Step, words: str) -> None:
    with pytest.raises(TransformError, match=words):
        fit([Feature(columns=("a",), steps=(step,))], {"a": pa.array([None, None], pa.float32())})


def test_no_rows() -> None:
    with pytest.raises(TransformError, match="no values"):
        fit([Feature(columns=("age",), steps=(StandardScale(),))], TABLE.slice(0, 0))
    with pytest.raises(TransformError, match="no data"):
        fit([Feature(columns=("age",), steps=(StandardScale(),))], iter([]))
    with pytest.raises(TransformError, match="no values"):
        fit([Feature(columns=("city",), steps=(Target(),))], TABLE.slice(0, 0), target="paid")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"b": [1.0]}, 'missing column "a"; the data has: b'),
        ({"a": pa.array([[1.0]])}, 'column "a": expected numbers, texts, dates or times, got list'),
        ({"a": pa.nulls(2)}, 'column "a": expected numbers, texts, dates or times, got null'),
        ([{"a": [1.0]}, {"a": ["x"]}], 'column "a": expected double, got string'),
        ([{"a": [1.0]}, {"b": [1.0]}], 'missing column "a"'),
        ({"a": [1.0, "x"]}, "data that Arrow cannot hold"),
        (pa.table([[1.0], [1.0]], names=["a", "a"]), 'column "a" is there 2 times'),
    ],
    ids=str,
)
def test_data_of_the_wrong_shape_are_refused(data: Any, words: str) -> None:
    with pytest.raises(SignatureError) as caught:
        fit([Feature(columns=("a",), steps=(StandardScale(),))], data)
    assert words in str(caught.value)


@pytest.mark.parametrize("data", ["data.parquet", 7, [7]], ids=str)
def test_what_is_no_data_is_refused(data: Any) -> None:
    with pytest.raises(TransformError, match="expected"):
        fit([Feature(columns=("a",), steps=(StandardScale(),))], data)


def test_batches_of_a_narrower_type_are_widened() -> None:
    batches = [{"a": np.array([1.0, 2.0])}, {"a": np.array([3], dtype=np.int32)}]
    assert fit([Feature(columns=("a",), steps=(StandardScale(),))], batches) == fit(
        [Feature(columns=("a",), steps=(StandardScale(),))], {"a": [1.0, 2.0, 3.0]}
    )


@pytest.mark.parametrize(
    ("target", "values", "words"),
    [
        (None, [1.0, 2.0], "needs the name of the target column"),
        ("a", [1.0, 2.0], "which is the target"),
        ("y", [1.0, None], 'target "y": a value is missing'),
        ("y", ["u", None], 'target "y": 1 values are missing'),
        ("z", [1.0, 2.0], 'missing column "z"'),
    ],
    ids=str,
)
def test_targets_are_checked(target: str | None, values: list[Any], words: str) -> None:
    with pytest.raises((TransformError, SignatureError), match=words):
        fit([Feature(columns=("a",), steps=(Target(),))], {"a": ["x", "y"], "y": values}, target=target)


def test_features_are_checked_together() -> None:
    with pytest.raises(TransformError, match="two values of 'features' are called 'age'"):
        fit([Feature(columns=("age",)), Feature(columns=("age",), steps=(Log(),))], TABLE)
    with pytest.raises(TransformError, match="one feature or more"):
        fit([], TABLE)
    with pytest.raises(TransformError, match="dtype of 'ids'"):
        fit([Feature(columns=("age",))], TABLE, dtype={"ids": "int64"})


def test_hash_needs_no_data() -> None:
    features = [Feature(columns=("city",), steps=(Hash(buckets=1000),))]
    report = fit_with_report(features, TABLE)
    assert report.passes == 0
    result = Transform(report.spec).transform({"city": ["Bonn", "Trier", "Bonn"]})
    assert result[0, 0] == result[2, 0] != result[1, 0]


def test_a_missing_number_of_its_own() -> None:
    data = {"a": [1.0, -1.0, 3.0, -1.0]}
    features = [Feature(columns=("a",), steps=(Impute(missing=-1.0, indicator=True),))]
    np.testing.assert_array_equal(
        Transform(fit(features, data)).transform(data), [[1, 0], [2, 1], [3, 0], [2, 1]]
    )


def test_progress_is_told() -> None:
    told: list[tuple[int, int, int]] = []
    fit_with_report(TWO_PASSES, TABLE, progress=lambda *numbers: told.append(numbers))
    assert told == [(1, 2, ROWS), (2, 2, ROWS)]
