"""A transform as people use it: any data in, the same bytes out, refusals by name."""

import pickle
import struct
import threading
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from penstock.errors import SignatureError, TransformError
from penstock.transform import Column, Operation, Output, PrefixedText, Spec, Transform

STATES = ["AK", "CA", "MA", "NY", "TX", "WA"]
FILL, MEAN, SCALE = [30.0, 7.0], [40.0, 0.5], [10.0, 3.0]


def spec(number: str = "number", unknown: object = "error", missing: object = -1, **more: Any) -> Spec:
    return Spec(
        columns=(
            Column(name="age", type=number),
            Column(name="pay", type=number),
            Column(name="state", type="string"),
        ),
        operations=(
            Operation(
                op="impute",
                inputs=("age", "pay"),
                outputs=("age_", "pay_"),
                parameters={"missing": "nan"},
                arrays={"fill": "fill"},
            ),
            Operation(
                op="standard_scale",
                inputs=("age_", "pay_"),
                outputs=("age__", "pay__"),
                arrays={"mean": "mean", "scale": "scale"},
            ),
            Operation(
                op="one_hot",
                inputs=("state",),
                outputs=tuple(STATES),
                parameters={"widths": [len(STATES)], "unknown": [unknown], "missing": [missing]} | more,
                arrays={"categories0": "states", "columns0": "places"},
            ),
        ),
        outputs=(
            Output(
                name="features",
                dtype="float32",
                values=("age__", "pay__", *STATES),
                names=("age", "pay", *(f"state_{state}" for state in STATES)),
            ),
        ),
        arrays={
            "fill": pa.array(FILL),
            "mean": pa.array(MEAN),
            "scale": pa.array(SCALE),
            "states": pa.array(STATES),
            "places": pa.array(range(len(STATES)), pa.int32()),
        },
    )


def columns(rows: int, dtype: str = "f4", seed: int = 7) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    numbers = rng.normal(30, 20, (2, rows)).astype(dtype)
    numbers[rng.random((2, rows)) < 0.2] = np.nan
    state = np.array([*STATES, None], dtype=object)[rng.integers(0, len(STATES) + 1, rows)]
    return {"age": numbers[0], "pay": numbers[1], "state": state}


def expected(data: dict[str, Any]) -> Any:
    """What NumPy makes of float32 columns, as scikit-learn would."""
    kind = np.result_type(data["age"], data["pay"])
    parts = []
    for i, name in enumerate(("age", "pay")):
        x = np.where(np.isnan(data[name]), np.array(FILL[i], kind), data[name].astype(kind))
        parts.append(((x - np.array(MEAN[i], kind)) / np.array(SCALE[i], kind)).astype("f4"))
    hot = [(data["state"] == state).astype("f4") for state in STATES]
    return np.stack([*parts, *hot], axis=1)


def arrow(data: dict[str, Any]) -> pa.RecordBatch:
    return pa.record_batch(
        {name: pa.array(values, from_pandas=name == "age") for name, values in data.items()}
    )


def in_pieces(data: dict[str, Any], size: int = 999) -> pa.Table:
    batch = arrow(data)
    return pa.Table.from_batches([batch.slice(i, size) for i in range(0, batch.num_rows, size)])


WAYS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "dict": lambda d: d,
    "lists": lambda d: {name: list(values) for name, values in d.items()},
    "read-only": lambda d: {name: read_only(values) for name, values in d.items()},
    "strided": lambda d: {name: np.repeat(values, 3)[::3] for name, values in d.items()},
    "backwards": lambda d: {name: values[::-1].copy()[::-1] for name, values in d.items()},
    "batch": arrow,
    "table": lambda d: pa.table(arrow(d)),
    "slice": lambda d: pa.concat_batches([arrow(d), arrow(d)]).slice(len(d["age"])),
    "pieces": in_pieces,
    "large strings": lambda d: pa.table(arrow(d)).cast(
        pa.schema([("age", "f4"), ("pay", "f4"), ("state", pa.large_string())])
    ),
    "views": lambda d: pa.table(arrow(d)).cast(
        pa.schema([("age", "f4"), ("pay", "f4"), ("state", pa.string_view())])
    ),
    "dictionary": lambda d: pa.table(arrow(d)).set_column(
        2, "state", pa.array(d["state"]).dictionary_encode()
    ),
    "dictionary, int8": lambda d: pa.table(arrow(d)).set_column(
        2, "state", pa.array(d["state"]).dictionary_encode().cast(pa.dictionary(pa.int8(), pa.string()))
    ),
    "pandas": pd.DataFrame,
    "pandas of Arrow": lambda d: arrow(d).to_pandas(types_mapper=pd.ArrowDtype),
    "pandas categorical": lambda d: pd.DataFrame(d).astype({"state": "category"}),
    "pandas, rows of another frame": lambda d: pd.DataFrame(
        {name: np.repeat(values, 2) for name, values in d.items()}
    ).iloc[::2],
    "polars": lambda d: pl.DataFrame(arrow(d)),
    "polars categorical": lambda d: pl.DataFrame(arrow(d)).with_columns(pl.col("state").cast(pl.Categorical)),
    "reader": lambda d: in_pieces(d).to_reader(),
    "more columns": lambda d: {"first": [None] * len(d["age"]), **d, "last": list(d["age"])},
}


def read_only(array: Any) -> Any:
    array = array.copy()
    array.flags.writeable = False
    return array


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("rows", [1, 2, 100, 5000])
def test_any_data_give_the_same_bytes(way: Callable[[dict[str, Any]], Any], rows: int) -> None:
    data = columns(rows)
    got = Transform(spec("float32")).transform(way(data))
    assert got.dtype == np.float32
    assert got.tobytes() == expected(data).tobytes()


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_open_columns_take_the_type_that_comes(way: Callable[[dict[str, Any]], Any]) -> None:
    data = columns(300)
    if way is WAYS["lists"]:
        data = {name: values.astype("f8") if name != "state" else values for name, values in data.items()}
    assert Transform(spec()).transform(way(data)).tobytes() == expected(data).tobytes()


def test_each_type_has_its_arithmetic() -> None:
    transform = Transform(spec())
    for dtype in ("f4", "f8", "f4"):
        data = columns(500, dtype)
        assert transform.transform(data).tobytes() == expected(data).tobytes()
    narrow, wide = (columns(500, dtype) for dtype in ("f4", "f8"))
    mixed = wide | {"age": narrow["age"]}
    assert transform.transform(mixed).tobytes() == expected(mixed).tobytes()


def test_a_batch_is_its_rows() -> None:
    transform, data = Transform(spec()), columns(200)
    rows = [
        transform.transform({name: values[i : i + 1] for name, values in data.items()}) for i in range(200)
    ]
    assert np.concatenate(rows).tobytes() == transform.transform(data).tobytes()


@pytest.mark.parametrize("threads", [None, 1, 2, 7])
def test_no_value_depends_on_the_threads(threads: int | None) -> None:
    data = columns(120_000)
    assert Transform(spec()).transform(data, threads=threads).tobytes() == expected(data).tobytes()
    table = pa.concat_tables([in_pieces(data, 50_000)])
    assert Transform(spec()).transform(table, threads=threads).tobytes() == expected(data).tobytes()


def test_one_transform_in_many_threads() -> None:
    transform = Transform(spec())
    batches = [columns(1 + 37 * i, "f4" if i % 2 else "f8", seed=i) for i in range(24)]
    wanted = [expected(data).tobytes() for data in batches]
    start = threading.Barrier(6)

    def work(first: int) -> None:
        start.wait()
        for i in range(120):
            which = (first * 5 + i) % len(batches)
            data: Any = batches[which]
            data = (data, arrow(data), in_pieces(data, 100))[i % 3]
            assert transform.transform(data).tobytes() == wanted[which]

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(work, range(6)))
    assert transform.statistics["rows"] == sum(
        len(batches[(first * 5 + i) % len(batches)]["age"]) for first in range(6) for i in range(120)
    )


@pytest.mark.parametrize("number", ["number", "float32"])
def test_no_rows(number: str) -> None:
    transform = Transform(spec(number))
    data = columns(0)
    for way in ("dict", "batch", "table", "pandas", "polars", "lists"):
        assert transform.transform(WAYS[way](data)).shape == (0, 8)
    empty = pa.RecordBatchReader.from_batches(arrow(columns(1)).schema, [])
    assert transform.transform(empty).shape == (0, 8)
    assert transform.run(data, 0)["features"].shape == (0, 8)


def test_a_matrix_of_numbers() -> None:
    picked = Spec(
        columns=tuple(Column(name=name, type="number") for name in "abc"),
        outputs=(Output(name="x", dtype="float64", values=("c", "a")),),
    )
    matrix = np.arange(12, dtype=np.int16).reshape(4, 3)
    for data in (matrix, np.asfortranarray(matrix), np.repeat(matrix, 2, axis=0)[::2], matrix.astype(">i2")):
        got = Transform(picked).transform(data)
        assert got.dtype == np.float64
        assert got.tolist() == matrix[:, [2, 0]].tolist()


def test_several_outputs() -> None:
    both = Spec(
        columns=(Column(name="a", type="float64"), Column(name="b", type="int32")),
        outputs=(
            Output(name="left", dtype="float32", values=("a", "b"), names=("A", "B")),
            Output(name="right", dtype="int64", values=("b",)),
        ),
    )
    transform = Transform(both)
    got = transform.transform({"a": [0.5, 2.0], "b": [1, -3]})
    assert {name: (array.dtype.name, array.tolist()) for name, array in got.items()} == {
        "left": ("float32", [[0.5, 1.0], [2.0, -3.0]]),
        "right": ("int64", [[1], [-3]]),
    }
    assert transform.names == ("A", "B", "b")
    assert transform.width == 3


# Refusals.


@pytest.mark.parametrize("way", ["dict", "batch", "pieces", "dictionary", "pandas", "polars"])
def test_an_unknown_category_is_refused_with_its_row(way: str) -> None:
    data = columns(3000)
    for row in (2999, 1717, 17):
        data["state"][row] = 'Z"Z'
        with pytest.raises(SignatureError) as caught:
            Transform(spec()).transform(WAYS[way](data))
        assert str(caught.value) == (
            f'column "state", row {row}: unknown category "Z"Z"; '
            'expected one of "AK", "CA", "MA", "NY", "TX", … (6)'
        )


def test_a_long_unknown_category_is_cut_short() -> None:
    data = {"age": [1.0], "pay": [1.0], "state": ["é" * 100_000]}
    with pytest.raises(SignatureError, match='unknown category "' + "é" * 60 + '…"; expected'):
        Transform(spec()).transform(data)


def test_a_missing_category_is_refused_where_the_transform_says_so() -> None:
    data = columns(5) | {"state": ["CA", "MA", None, "CA", "CA"]}
    with pytest.raises(SignatureError, match=r'^column "state", row 2: missing value; expected one of "AK"'):
        Transform(spec(missing="error")).transform(data)


def test_a_code_behind_a_null_is_nobodys_business() -> None:
    buffers = [pa.py_buffer(b"\x01"), pa.py_buffer(struct.pack("<bb", 0, 99))]
    codes = pa.Array.from_buffers(pa.int8(), 2, buffers)
    state = pa.DictionaryArray.from_arrays(codes, pa.array(["CA"]), safe=False)
    got = Transform(spec()).transform({"age": [40.0] * 2, "pay": [0.5] * 2, "state": state})
    assert got.tolist() == [[0, 0, 0, 1, 0, 0, 0, 0], [0] * 8]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"age": [1.0], "pay": [1.0]}, r'^missing column "state"; expected columns: "age", "pay", "state"$'),
        (
            {"age": [1.0], "pay": [1.0], "state": [1]},
            'column "state", row 0: expected str, bytes or None, got int',
        ),
        ({"age": ["a"], "pay": [1.0], "state": ["CA"]}, 'column "age", row 0: expected float32, got str'),
        (
            {"age": np.zeros(1), "pay": [1.0], "state": ["CA"]},
            'column "age": expected float32, got float64; cast',
        ),
        ({"age": [1.0], "pay": [1.0, 2.0], "state": ["CA"]}, 'column "pay" has 2 rows; column "age" has 1'),
    ],
)
def test_data_that_do_not_fit(data: dict[str, Any], message: str) -> None:
    with pytest.raises(SignatureError, match=message):
        Transform(spec("float32")).transform(data)


# Serving.


def prefixed(values: list[str]) -> PrefixedText:
    data = b"".join(struct.pack("<I", len(value.encode())) + value.encode() for value in values)
    return PrefixedText(np.frombuffer(data, np.uint8), len(values))


def test_run_takes_columns_as_tensors() -> None:
    data = columns(50)
    data["state"] = np.array([state or "CA" for state in data["state"]], dtype=object)
    transform = Transform(spec("float32"))
    tensors = data | {"state": prefixed(list(data["state"])), "age": data["age"][:, np.newaxis]}
    for given in (data, tensors):
        got = transform.run(given, 50)
        assert list(got) == ["features"]
        assert got["features"].tobytes() == expected(data).tobytes()
    with pytest.raises(SignatureError, match='column "age" has 50 rows, expected 49'):
        transform.run(data, 49)
    with pytest.raises(SignatureError, match='missing column "pay"'):
        transform.run({"age": data["age"]}, 50)
    bad = data | {"state": prefixed(["CA"] * 49 + ["ZZ"])}
    with pytest.raises(SignatureError, match='column "state", row 49: unknown category "ZZ"'):
        transform.run(bad, 50)


def test_run_takes_times_as_counts() -> None:
    parts = Spec(
        columns=(Column(name="day", type="date32"), Column(name="at", type="timestamp[ms]")),
        operations=(
            Operation(op="date_part", inputs=("day",), outputs=("d",), parameters={"part": "day"}),
            Operation(op="date_part", inputs=("at",), outputs=("h",), parameters={"part": "hour"}),
        ),
        outputs=(Output(name="x", dtype="int32", values=("d", "h")),),
    )
    transform = Transform(parts)
    day, at = np.array([40], "i4"), np.array([3_600_000 * 5], "i8")
    assert transform.run({"day": day, "at": at}, 1)["x"].tolist() == [[10, 5]]
    typed = {"day": day.astype("M8[D]"), "at": at.view("M8[ms]")}
    assert transform.transform(typed).tolist() == [[10, 5]]
    with pytest.raises(SignatureError, match='column "day": expected date32, got int32'):
        transform.transform({"day": day, "at": at})


# Statistics and warnings.


def test_statistics() -> None:
    transform = Transform(spec(unknown=-1))
    transform.transform({"age": [1.0, 2.0], "pay": [1.0, 2.0], "state": ["CA", "ZZ"], "x": [0, 0]})
    transform.transform({"age": [1], "pay": [1], "state": ["??"]})
    assert transform.statistics == {"rows": 3, "extra_columns": 1, "unknown": {"state": 2}}


def test_old_programs_are_let_go_but_not_what_they_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("penstock.transform.transform._PROGRAMS_AT_MOST", 2)
    transform = Transform(spec(unknown=-1))
    for dtype in ("f4", "f8", "i4", "i8", "u1"):
        transform.transform({"age": np.ones(1, dtype), "pay": np.ones(1, dtype), "state": ["ZZ"]})
    assert transform.statistics["unknown"] == {"state": 5}


def test_unknown_categories_warn_where_the_encoder_does() -> None:
    transform = Transform(spec(unknown=-1, warn=True))
    known, strange = ({"age": [1.0], "pay": [1.0], "state": [state]} for state in ("CA", "ZZ"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        transform.transform(known)
    with pytest.warns(UserWarning, match='unknown categories in .*"state"'):
        transform.transform(strange)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        transform.transform(known)


# The object.


def test_saved_and_loaded(tmp_path: Path) -> None:
    transform = Transform(spec())
    path = tmp_path / "transform.arrow"
    transform.save(path)
    transform.save(str(path))
    assert [entry.name for entry in tmp_path.iterdir()] == ["transform.arrow"]
    loaded = Transform.load(path)
    assert loaded == transform
    assert hash(loaded) == hash(transform)
    assert path.read_bytes() == transform.to_bytes() == loaded.to_bytes()
    data = columns(100)
    assert loaded.transform(data).tobytes() == transform.transform(data).tobytes()
    assert Transform.from_bytes(transform.to_bytes()) == transform
    assert pickle.loads(pickle.dumps(transform)) == transform
    assert transform != Transform(spec("float32"))
    assert transform != "transform"
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(TransformError, match=r"^.*transform.arrow: the file of the transform is truncated$"):
        Transform.load(path)
    with pytest.raises(FileNotFoundError):
        Transform.load(tmp_path / "other")


def test_what_it_says_of_itself() -> None:
    transform = Transform(spec())
    assert transform.digest == transform.spec.digest
    assert [column.name for column in transform.columns] == ["age", "pay", "state"]
    assert transform.names == ("age", "pay", *(f"state_{state}" for state in STATES))
    assert transform.width == 8
    assert transform.outputs is transform.spec.outputs
    assert repr(transform) == f"Transform(3 columns -> features float32 [-1,8]; {transform.digest[:12]})"


def test_bind_fixes_open_types() -> None:
    transform = Transform(spec())
    for types in (
        {"age": "float32", "pay": "int16", "state": "string", "more": "int8"},
        pa.schema(
            [("state", pa.string()), ("age", pa.float16()), ("pay", pa.int16()), ("l", pa.list_(pa.int8()))]
        ),
    ):
        fixed = transform.bind(types)
        assert [column.type for column in fixed.columns] == ["float32", "int16", "string"]
        with pytest.raises(SignatureError, match='"age": expected float32, got float64'):
            fixed.transform({"age": np.zeros(1), "pay": np.zeros(1, "i2"), "state": ["CA"]})
    for types, message in (
        ({"age": "float32"}, 'column "pay": expected a type, got none'),
        ({"age": "string", "pay": "int8"}, 'column "age": expected a type of number, got string'),
        (pa.schema([("age", pa.float16())]), 'missing column "pay"'),
    ):
        with pytest.raises(SignatureError, match=message):
            transform.bind(types)


def test_texts_that_count_as_missing() -> None:
    transform = Transform(spec(missing=-1)).with_missing({"state": ["", "?"]})
    columns = {"age": [1.0] * 4, "pay": [1.0] * 4, "state": ["CA", "", "?", None]}
    assert transform.transform(columns)[:, 2:].sum(axis=1).tolist() == [1, 0, 0, 0]
    assert Transform.from_bytes(transform.to_bytes()).columns[2].missing == ("", "?")
    for name, message in (("age", "expected a column of text, got number"), ("city", "got no such column")):
        with pytest.raises(SignatureError, match=message):
            transform.with_missing({name: [""]})
