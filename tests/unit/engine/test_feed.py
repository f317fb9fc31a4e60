"""Raw columns to the inputs of a graph: joined by name, compiled when loaded, alike for every caller."""

from __future__ import annotations

import datetime
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import models
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import transform_specs as specs
from onnx import TensorProto, helper

import penstock
from penstock import Engine, Transform
from penstock.bundle.signature import TensorSpec
from penstock.engine.feed import Feed
from penstock.errors import BundleError, SignatureError
from penstock.transform import DatePart, Expression, Feature, Impute, Ordinal

DAYS = [datetime.date(2020, 1, 1), datetime.date(1950, 5, 5), datetime.date(2024, 2, 29)]
TIMES = [datetime.datetime(2020, 1, 1, 5), None, datetime.datetime(1950, 1, 1)]
TABLE = pa.table(
    {
        "age": pa.array([1.5, None, 3], pa.float32()),
        "income": pa.array([1.0, 2, None]),
        "children": pa.array([1, 2, 3], pa.int64()),
        "big": pa.array([2**64 - 1, 2**53, 0], pa.uint64()),
        "owns": [True, False, True],
        "city": ["a", "", "ü"],
        "day": pa.array(DAYS, pa.date32()),
        "at": pa.array(TIMES, pa.timestamp("us")),
    }
)
MATRIX = (TensorSpec("x", "FP32", (-1, 3)),)


@pytest.fixture(scope="module")
def transform() -> Transform:
    return Transform.fit(
        [
            Feature(columns=("age", "income", "children", "big"), steps=(Impute(),)),
            Feature(columns=("owns",)),
            Feature(columns=("city",), steps=(Ordinal(unknown=-1),)),
            Feature(columns=("day",), steps=(DatePart(parts=("year", "day_of_week")),)),
            Feature(columns=("at",), steps=(DatePart(parts=("hour",)),)),
        ],
        TABLE,
    )


@pytest.fixture(scope="module")
def root(transform: Transform, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with a model that answers with its features."""
    root = tmp_path_factory.mktemp("feed")
    graph = models.identity(root / "features.onnx", shape=("rows", transform.width))
    penstock.pack("m", graph, repository=root / "models", transform=transform, reference=TABLE)
    return root / "models"


@pytest.fixture(scope="module")
def engine(root: Path) -> Iterator[Engine]:
    with Engine(root) as engine:
        yield engine


def changed(name: str, values: Any) -> pa.Table:
    return TABLE.set_column(TABLE.schema.get_field_index(name), name, values)


KINDS = {
    "table": lambda: TABLE,
    "batch": lambda: TABLE.to_batches()[0],
    "sliced": lambda: pa.concat_tables([TABLE, TABLE]).combine_chunks().slice(3),
    "chunks": lambda: pa.concat_tables([TABLE[:1], TABLE[:0], TABLE[1:]]),
    "reader": lambda: TABLE.to_reader(1),
    "pandas": lambda: TABLE.to_pandas(),
    "pandas with Arrow types": lambda: TABLE.to_pandas(types_mapper=pd.ArrowDtype),
    "polars": lambda: pl.from_arrow(TABLE),
    "arrays": lambda: {name: TABLE[name].to_numpy() for name in TABLE.column_names},
    "Arrow arrays": lambda: dict(zip(TABLE.column_names, TABLE.columns, strict=True)),
    "lists": lambda: TABLE.drop_columns("big").to_pydict() | {"big": TABLE["big"].to_numpy()},
    "more columns": lambda: TABLE.append_column("other", pa.array([1, 2, 3])),
    "dictionary": lambda: changed("city", TABLE["city"].dictionary_encode()),
    "large texts": lambda: changed("city", TABLE["city"].cast(pa.large_string())),
    "bytes": lambda: changed("city", TABLE["city"].cast(pa.binary())),
    "smaller integers": lambda: changed("children", TABLE["children"].cast(pa.int8())),
    "seconds": lambda: changed("at", TABLE["at"].cast(pa.timestamp("s"))),
    "a time zone": lambda: changed("at", TABLE["at"].cast(pa.timestamp("us", "UTC"))),
    "a column [-1,1]": lambda: (
        {name: TABLE[name].to_numpy() for name in TABLE.column_names}
        | {"children": np.array([[1], [2], [3]])}
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_predict_and_submit_take_what_a_transform_takes(
    engine: Engine, transform: Transform, kind: str
) -> None:
    wanted = transform.transform(TABLE).tobytes()
    assert transform.transform(KINDS[kind]()).tobytes() == wanted
    assert engine.predict("m", KINDS[kind]())["y"].tobytes() == wanted
    assert engine.submit("m", KINDS[kind]()).result(20)["y"].tobytes() == wanted


def test_score_and_single_rows_give_the_bits_of_training(
    engine: Engine, transform: Transform, root: Path, tmp_path: Path
) -> None:
    many = pa.concat_tables([TABLE] * 500).combine_chunks()
    wanted = transform.transform(many)
    assert wanted.tobytes() == transform.transform(many, threads=4).tobytes()
    assert engine.predict("m", many)["y"].tobytes() == wanted.tobytes()
    assert engine.submit("m", many).result(20)["y"].tobytes() == wanted.tobytes()
    rows = [engine.submit("m", many[row : row + 1]) for row in range(60)]
    assert b"".join(row.result(20)["y"].tobytes() for row in rows) == wanted[:60].tobytes()
    pq.write_table(many, tmp_path / "many.parquet", row_group_size=400)
    penstock.score(root / "m" / "1", [tmp_path / "many.parquet"], out=tmp_path / "scored")
    scored = pq.read_table(tmp_path / "scored")["y"].combine_chunks()
    assert scored.flatten().to_numpy().tobytes() == wanted.tobytes()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (None, "expected a dict of columns, a data frame"),
        ("x", "expected a dict of columns, a data frame"),
        ([1, 2], "expected a dict of columns, a data frame"),
        ({}, 'missing column "age"'),
        (TABLE.drop_columns("at"), 'missing column "at"'),
        (pa.table([*TABLE.columns, TABLE["at"]], names=[*TABLE.column_names, "at"]), 'one column "at"'),
        (np.ones((3, 8)), 'column "age": expected float32, got float64'),
        (np.ones((3, 7)), "expected 8 columns"),
        (changed("age", pa.array(["1", "2", "3"])), 'column "age": expected float32, got string'),
        (changed("age", pa.array([[1], [2], [3]])), 'column "age": expected float32, got list'),
        (changed("children", pa.array([1.0, 2, 3])), 'column "children": expected int64, got double|float64'),
        (changed("at", pa.array([0, 1, 2], pa.timestamp("ns"))), "expected timestamp.us., got timestamp.ns."),
        (TABLE[:0], "at least 1 row"),
        (TABLE.schema.empty_table(), "at least 1 row"),
    ],
)
def test_what_does_not_fit_is_refused_alike(engine: Engine, data: Any, message: str) -> None:
    with pytest.raises(SignatureError, match=message):
        engine.predict("m", data)
    with pytest.raises(SignatureError, match=message):
        engine.submit("m", data)


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("city", pa.array(["a", None, "ü"])),
        ("children", pa.array([1, None, 3])),
        ("owns", pa.array([True, None, False])),
        ("day", pa.array([DAYS[0], None, DAYS[2]])),
    ],
)
def test_a_missing_value_that_no_tensor_has_is_named(engine: Engine, column: str, values: Any) -> None:
    data = changed(column, values)
    assert len(engine.predict("m", data)["y"]) == 3
    with pytest.raises(SignatureError, match=f'column "{column}", row 1: a missing value'):
        engine.submit("m", data)


def test_missing_texts_and_times_become_what_their_tensors_have() -> None:
    transform = Transform(
        specs.spec(
            {"city": ("string", ("?", "-")), "at": "timestamp[ms]"},
            [
                specs.op("missing_indicator", "city", "no_city"),
                specs.op("missing_indicator", "at", "no_time"),
            ],
            "no_city no_time",
            "float32",
        )
    )
    data = {"city": ["-", "x", None], "at": np.array([0, "NaT", 5], "M8[ms]")}
    feed = Feed(transform, (TensorSpec("x", "FP32", (-1, -1)),))
    inputs, rows = feed.to_inputs(data)
    assert rows == 3
    assert inputs["city"].tolist() == [b"-", b"x", b"?"]
    assert inputs["at"].tolist() == [0, -(2**63), 5]
    assert feed.run(inputs, 3)["x"].tolist() == transform.transform(data).tolist() == [[1, 0], [0, 1], [1, 0]]


def test_the_widest_values_survive(engine: Engine, transform: Transform) -> None:
    dtypes = {spec.name: spec.dtype for spec in engine.signature("m").inputs}
    arrays = transform.tensors(TABLE, dtypes)
    assert arrays["big"].tolist() == [2**64 - 1, 2**53, 0]
    assert arrays["at"].tolist()[1] == -(2**63)
    assert {name: array.dtype for name, array in arrays.items()} == dtypes
    columns = dict(zip(TABLE.column_names, TABLE.columns, strict=True))
    with pytest.raises(SignatureError, match='column "day", row 1: out of range for date32'):
        engine.submit("m", columns | {"day": np.array([0, 2**40, 0], "M8[D]")})


def test_a_null_inside_a_dictionary_of_days_is_no_time() -> None:
    transform = Transform(
        specs.spec({"at": "timestamp[us]"}, [specs.op("date_part", "at", "d", part="day")], "d")
    )
    days = pa.DictionaryArray.from_arrays(
        pa.array([0, 1, None], pa.int8()), pa.array([datetime.date(2020, 1, 7), None], pa.date32())
    )
    assert str(transform.transform({"at": days}).ravel().tolist()) == "[7.0, nan, nan]"


def test_outputs_go_to_the_inputs_of_their_names(repository: Path) -> None:
    """Three outputs fill a matrix, a column and a flat input, each from columns of its own."""
    tensor = helper.make_tensor_value_info
    graph = helper.make_graph(
        [
            helper.make_node("Cast", ["ids"], ["wide"], to=TensorProto.FLOAT),
            helper.make_node("Unsqueeze", ["wide", "one"], ["column"]),
            helper.make_node("Concat", ["flags", "column", "features"], ["y"], axis=1),
        ],
        "three",
        [
            tensor("flags", TensorProto.FLOAT, ["n", 1]),
            tensor("ids", TensorProto.INT64, ["n"]),
            tensor("features", TensorProto.FLOAT, ["n", "k"]),
        ],
        [tensor("y", TensorProto.FLOAT, ["n", "w"])],
        [helper.make_tensor("one", TensorProto.INT64, [1], [1])],
    )
    file = models.save(repository.parent / "three.onnx", graph)
    transform = Transform(
        specs.spec(
            {"a": "float32", "b": "float64", "c": "int64"},
            [specs.op("missing_indicator", "a", "flag")],
            {"features": ("a b", "float32"), "ids": ("c", "int64"), "flags": ("flag", "float32")},
        )
    )
    data = {"a": np.array([1, np.nan], "f4"), "b": np.array([2.0, 3]), "c": np.array([7, 8])}
    assert penstock.pack("three", file, repository=repository, transform=transform, reference=data) == 1
    with Engine(repository) as engine:
        for answer in (engine.predict("three", data), engine.submit("three", data).result(20)):
            assert str(answer["y"].tolist()) == "[[0.0, 7.0, 1.0, 2.0], [1.0, 8.0, nan, 3.0]]"


@pytest.mark.parametrize(
    ("columns", "operations", "inputs", "message"),
    [
        ({"a": "number"}, (), MATRIX, 'column "a" of the transform: expected a type, got an open number'),
        ({"a": "float32"}, (), MATRIX, r"input .x. of the graph is FP32 \[-1,3\]; output .x. .* \[-1,1\]"),
        ({"a": "float32"}, (), (*MATRIX, TensorSpec("z", "FP32", (-1,))), 'the outputs "x", "z"'),
        ({"a": "float32"}, (), (TensorSpec("x", "FP64", (-1, 1)),), "is FP64"),
        ({"a": "float32"}, (), (TensorSpec("x", "BYTES", (-1, 1)),), "is BYTES"),
        ({"a": "float32"}, (), (TensorSpec("x", "FP32", (-1, 1, 1)),), r"is FP32 \[-1,1,1\]"),
        (
            {"a": "float32"},
            (specs.op("expression", "a", "b", text="open(a)"),),
            (TensorSpec("x", "FP32", (-1, 1)),),
            "the transform does not compile: expression .* unknown function open",
        ),
    ],
)
def test_what_does_not_join_is_refused_when_it_loads(
    columns: dict[str, str], operations: Any, inputs: Any, message: str
) -> None:
    transform = Transform(specs.spec(columns, operations, "b" if operations else "a", "float32"))
    with pytest.raises(BundleError, match=message):
        Feed(transform, inputs)


def test_a_graph_without_a_row_dimension_takes_no_transform(repository: Path) -> None:
    transform = Transform(specs.spec({"a": "float32"}, (), "a a a", "float32"))
    graph = models.identity(repository.parent / "fixed.onnx", shape=(1, 3))
    with pytest.raises(BundleError, match=r"rows batch|\[1,3\]"):
        penstock.pack("m", graph, repository=repository, transform=transform)


NUMBA = """
import sys
import numpy as np
from penstock import Engine
with Engine(sys.argv[1]) as engine:
    assert ("numba" in sys.modules) == (sys.argv[2] == "yes"), "numba before the first request"
    engine.predict("m", {"a": np.ones(2, np.float32)})
    engine.submit("m", {"a": np.ones(2, np.float32)}).result(20)
assert ("numba" in sys.modules) == (sys.argv[2] == "yes")
"""


@pytest.mark.parametrize("expression", ["no", "yes"])
def test_numba_is_imported_with_the_bundle_that_needs_it(
    repository: Path, monkeypatch: pytest.MonkeyPatch, expression: str
) -> None:
    """Never for others, and not with the first request: bundles without golden rows compile as well."""
    monkeypatch.setenv("PENSTOCK_CACHE_DIR", str(repository.parent / "cache"))
    operations = [specs.op("expression", "a", "b", text="a * 2")] if expression == "yes" else []
    transform = Transform(specs.spec({"a": "float32"}, operations, "b" if operations else "a", "float32"))
    graph = models.identity(repository.parent / "one.onnx", shape=("rows", 1))
    penstock.pack("m", graph, repository=repository, transform=transform)
    program = [sys.executable, "-c", NUMBA, str(repository), expression]
    done = subprocess.run(program, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


# -- trees behind a transform ---------------------------------------------------------------------


def grown(folder: Path, transform: Transform) -> Path:
    """A repository with trees over the features of a transform."""
    ensemble = models.random_trees(np.random.default_rng(3), trees=30, leaves=20, features=transform.width)
    graph = models.forest(folder / "trees.onnx", ensemble, features=transform.width)
    penstock.pack("trees", graph, repository=folder / "models", transform=transform, reference=TABLE)
    return folder / "models"


def test_trees_behind_a_transform_answer_without_python(transform: Transform, tmp_path: Path) -> None:
    rows = pa.concat_tables([TABLE] * 50).combine_chunks()
    with Engine(grown(tmp_path, transform)) as engine:
        loaded = engine._table.resolve("trees", None)
        assert loaded.pipeline.runner is not None
        wanted = engine.predict("trees", rows)["scores"]
        before = loaded.pipeline.transform.statistics
        futures = [engine.submit("trees", rows.slice(at, size)) for at, size in ((0, 1), (1, 2), (3, 147))]
        got = np.concatenate([future.result(60)["scores"] for future in futures])
        assert got.tobytes() == wanted.tobytes()
        after = loaded.pipeline.transform.statistics
        assert after["rows"] - before["rows"] == 150
        # "ü" and others are known here; what is not counts all the same.
        strange = rows.slice(0, 2).set_column(5, "city", pa.array(["nowhere", "a"]))
        wanted = engine.predict("trees", strange)["scores"]
        assert engine.submit("trees", strange).result(60)["scores"].tobytes() == wanted.tobytes()
        assert loaded.pipeline.transform.statistics["unknown"]["city"] >= 2


def test_what_a_transform_refuses_is_said_as_ever(tmp_path: Path) -> None:
    transform = Transform.fit(
        [Feature(columns=("income",), steps=(Impute(),)), Feature(columns=("city",), steps=(Ordinal(),))],
        TABLE,
    )
    good, bad = TABLE.slice(0, 1), TABLE.slice(0, 1).set_column(5, "city", pa.array(["nowhere"]))
    with Engine(grown(tmp_path, transform)) as engine:
        futures = [engine.submit("trees", one) for one in (good, bad, good)]
        with pytest.raises(SignatureError, match=r'column "city".*unknown category "nowhere"'):
            futures[1].result(60)
        for future in (futures[0], futures[2]):
            assert future.result(60)["scores"].tobytes() == engine.predict("trees", good)["scores"].tobytes()


def test_an_expression_takes_python(tmp_path: Path) -> None:
    transform = Transform.fit([Feature(steps=(Expression(text="income + 1"),), name="more")], TABLE)
    with Engine(grown(tmp_path, transform)) as engine:
        assert engine._table.resolve("trees", None).pipeline.runner is None
        wanted = engine.predict("trees", TABLE)["scores"]
        assert engine.submit("trees", TABLE).result(60)["scores"].tobytes() == wanted.tobytes()
