"""Binding: whatever holds the columns, the same values come out; what does not fit is refused by name."""

import datetime
import gc
import struct
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from penstock.errors import SignatureError
from penstock.transform._columns import Binder, Columns, PrefixedText, types_of

TEXTS = ["CA", None, "", "Zürich, a name of more than twelve bytes", "MA", None, "ナ"]
NUMBERS = [1.5, None, -0.0, 3.25, float("inf"), None, 7.0]


def listed(chunks: list[Columns], column: int = 0) -> list[Any]:
    return [chunk.value(column, row) for chunk in chunks for row in range(chunk.rows)]


def bound(value: Any, kind: str) -> list[Any]:
    return listed(Binder(["x"], [kind]).bind({"x": value}))


def type_of(value: Any, kind: str = "number") -> str:
    return Binder(["x"], [kind]).bind({"x": value})[0].types[0]


def refused(data: Any, message: str, **types: str) -> None:
    with pytest.raises(SignatureError, match=message):
        Binder(list(types), list(types.values())).bind(data)


TEXT_COLUMNS: dict[str, Callable[[list[str | None]], Any]] = {
    "string": lambda v: pa.array(v, pa.string()),
    "large_string": lambda v: pa.array(v, pa.large_string()),
    "string_view": lambda v: pa.array(v, pa.string_view()),
    "binary": lambda v: pa.array([None if t is None else t.encode() for t in v], pa.binary()),
    "large_binary": lambda v: pa.array([None if t is None else t.encode() for t in v], pa.large_binary()),
    "binary_view": lambda v: pa.array([None if t is None else t.encode() for t in v], pa.binary_view()),
    "dictionary": lambda v: pa.array(v, pa.string()).dictionary_encode(),
    "dictionary_int8": lambda v: pa.array(v).dictionary_encode().cast(pa.dictionary(pa.int8(), pa.string())),
    "dictionary_large": lambda v: pa.DictionaryArray.from_arrays(
        pa.array(v).dictionary_encode().indices.cast(pa.uint64()),
        pa.array(v).dictionary_encode().dictionary.cast(pa.large_string()),
    ),
    "dictionary_null_value": lambda v: pa.DictionaryArray.from_arrays(
        pa.array(range(len(v)), pa.int16()), pa.array(v)
    ),
    "object": lambda v: np.array(v, dtype=object),
    "bytes": lambda v: np.array([None if t is None else t.encode() for t in v], dtype=object),
    "nan": lambda v: np.array([float("nan") if t is None else t for t in v], dtype=object),
    "float32 nan": lambda v: np.array([np.float32("nan") if t is None else t for t in v], dtype=object),
    "pandas.NA": lambda v: np.array([pd.NA if t is None else t for t in v], dtype=object),
    "string_dtype": lambda v: np.array(
        [np.nan if t is None else t for t in v], dtype=np.dtypes.StringDType(na_object=np.nan)
    ),
    "list": list,
    "tuple": tuple,
    "series": pd.Series,
    "series of objects": lambda v: pd.Series(v, dtype=object),
    "series, nullable": lambda v: pd.Series(v, dtype="string"),
    "series, python": lambda v: pd.Series(v, dtype=pd.StringDtype("python")),
    "series, pyarrow": lambda v: pd.Series(v, dtype=pd.ArrowDtype(pa.string())),
    "categorical": lambda v: pd.Series(v, dtype="category"),
    "polars": lambda v: pl.Series(v, dtype=pl.String),
    "polars categorical": lambda v: pl.Series(v, dtype=pl.Categorical),
    "polars enum": lambda v: pl.Series(v, dtype=pl.Enum([t for t in dict.fromkeys(v) if t is not None])),
    "chunked": lambda v: pa.chunked_array([v[:2], [], v[2:]], pa.string()),
    "chunked view": lambda v: pa.chunked_array([v[:2], v[2:]], pa.string_view()),
    "chunked dictionary": lambda v: pa.chunked_array(
        [pa.array(part, pa.string()).dictionary_encode() for part in (v[:4], v[4:])]
    ),
}


@pytest.mark.parametrize("make", TEXT_COLUMNS.values(), ids=TEXT_COLUMNS)
@pytest.mark.parametrize("part", [slice(None), slice(1, 6), slice(3, 4), slice(2, 2)])
def test_text_is_the_same_whatever_holds_it(make: Callable[[list[str | None]], Any], part: slice) -> None:
    assert bound(make(TEXTS)[part], "string") == TEXTS[part]


@pytest.mark.parametrize("make", TEXT_COLUMNS.values(), ids=TEXT_COLUMNS)
def test_text_without_a_missing_value(make: Callable[[list[str | None]], Any]) -> None:
    assert bound(make(["a", "b", "a"]), "string") == ["a", "b", "a"]


def test_fixed_width_text() -> None:
    assert bound(np.array(["a", "bcd", "Zürich"]), "string") == ["a", "bcd", "Zürich"]
    assert bound(np.array([b"a", b"bcd"]), "string") == ["a", "bcd"]
    assert bound(np.array(["a", "b", "c", "d"])[::-2], "string") == ["d", "b"]


NUMBER_COLUMNS: dict[str, Callable[[list[float | None]], Any]] = {
    "float64": lambda v: pa.array(v, pa.float64()),
    "float32": lambda v: pa.array(v, pa.float32()),
    "half": lambda v: pa.array([None if x is None else np.float16(x) for x in v], pa.float16()),
    "dictionary": lambda v: pa.array(v, pa.float64()).dictionary_encode(),
    "numpy": lambda v: np.array([np.nan if x is None else x for x in v]),
    "numpy half": lambda v: np.array([np.nan if x is None else x for x in v], dtype=np.float16),
    "swapped": lambda v: np.array([np.nan if x is None else x for x in v], dtype=">f8"),
    "strided": lambda v: np.repeat(np.array([np.nan if x is None else x for x in v]), 3)[::3],
    "backwards": lambda v: np.array([np.nan if x is None else x for x in v[::-1]])[::-1],
    "column of a matrix": lambda v: np.array([[np.nan if x is None else x] for x in v]),
    "object": lambda v: np.array(v, dtype=object),
    "list": list,
    "series": pd.Series,
    "nullable": lambda v: pd.Series(v, dtype="Float32"),
    "arrow series": lambda v: pd.Series(v, dtype=pd.ArrowDtype(pa.float64())),
    "sparse": lambda v: pd.Series(pd.arrays.SparseArray([np.nan if x is None else x for x in v])),
    "polars": lambda v: pl.Series(v, dtype=pl.Float64),
    "chunked": lambda v: pa.chunked_array([v[:3], v[3:]], pa.float32()),
}


@pytest.mark.parametrize("make", NUMBER_COLUMNS.values(), ids=NUMBER_COLUMNS)
@pytest.mark.parametrize("kind", ["number", "float64"])
@pytest.mark.parametrize("part", [slice(None), slice(1, 6), slice(2, 2)])
def test_numbers_are_the_same_whatever_holds_them(
    make: Callable[[list[float | None]], Any], kind: str, part: slice
) -> None:
    got = bound(make(NUMBERS)[part], kind)
    assert got == NUMBERS[part]
    assert [str(x) for x in got] == [str(x) for x in NUMBERS[part]]


@pytest.mark.parametrize("dtype", ["?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8"])
def test_open_columns_have_the_type_that_came(dtype: str) -> None:
    array = np.array([0, 1], dtype=dtype)
    expected = "float32" if dtype == "f2" else np.dtype(dtype).name
    for column in (array, pa.array(array), pa.array(array).dictionary_encode(), pl.Series(array)):
        if dtype == "?" and isinstance(column, pl.Series):
            column = pl.Series([False, True])
        assert type_of(column) == expected
        assert bound(column, "number") == [0, 1]


@pytest.mark.parametrize("code", ["longlong", "ulonglong", "long", "ulong", "intc", "uintc"])
def test_every_name_of_an_integer_type(code: str) -> None:
    assert type_of(np.array([3], dtype=code)) == np.dtype(code).name


@given(
    hnp.arrays(st.sampled_from([np.float32, np.float64, np.int8, np.uint64, np.bool_]), st.integers(0, 40)),
    st.integers(-3, 3).filter(bool),
    st.booleans(),
)
def test_any_stride_and_read_only(array: Any, step: int, frozen: bool) -> None:
    view = array[::step]
    view.flags.writeable = not frozen
    got = np.array(bound(view, "number"), dtype=object)
    expected = np.array([None if x != x else x for x in view.tolist()], dtype=object)
    np.testing.assert_array_equal(got, expected)


@given(st.lists(st.one_of(st.none(), st.booleans()), max_size=40), st.integers(0, 9))
def test_bits_at_any_offset(values: list[bool | None], first: int) -> None:
    assert bound(pa.array(values, pa.bool_())[first:], "bool") == values[first:]


@given(st.lists(st.one_of(st.none(), st.text(max_size=20)), max_size=30), st.integers(0, 5))
def test_any_text_at_any_offset(values: list[str | None], first: int) -> None:
    for kind in (pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string())):
        assert bound(pa.array(values, kind)[first:], "string") == values[first:]


def test_a_column_without_a_value_fits_anything() -> None:
    for kind in ("number", "float32", "int8", "bool", "string", "date32", "timestamp[us]"):
        for column in (pa.nulls(3), [None] * 3, np.array([None] * 3), pd.Series([None] * 3, dtype=object)):
            assert bound(column, kind) == [None] * 3
    assert type_of(pa.nulls(3)) == "float64"
    assert bound(pa.nulls(0), "string") == []


LOSSLESS = [
    ("float64", ["float16", "float32", "int8", "int16", "int32", "uint8", "uint16", "uint32"]),
    ("float32", ["float16", "int8", "int16", "uint8", "uint16"]),
    ("int64", ["int8", "int16", "int32", "uint8", "uint16", "uint32"]),
    ("uint64", ["uint8", "uint16", "uint32"]),
    ("int16", ["int8", "uint8"]),
]


@pytest.mark.parametrize(("want", "got"), [(want, got) for want, types in LOSSLESS for got in types])
def test_types_that_convert_without_loss_fit(want: str, got: str) -> None:
    column = np.array([0, 100], dtype=got)
    assert type_of(column, want) == want
    assert bound(column, want) == [0, 100]


@pytest.mark.parametrize(
    ("column", "want", "message"),
    [
        (np.zeros(1), "float32", r'^column "x": expected float32, got float64; cast it to float32$'),
        (np.zeros(1, "i4"), "float32", "expected float32, got int32; cast it to float32"),
        (np.zeros(1), "int64", "expected int64, got float64"),
        (np.zeros(1, "u8"), "int64", "expected int64, got uint64"),
        (np.zeros(1, "i1"), "uint8", "expected uint8, got int8"),
        (np.zeros(1, "i8"), "bool", "expected bool, got int64"),
        (np.zeros(1, "?"), "float64", "expected float64, got bool"),
        (np.array(["a"]), "float32", r'^column "x": expected float32, got string$'),
        (np.array(["a"]), "number", r'^column "x": expected a number, got string$'),
        (np.zeros(1), "string", r'^column "x": expected string, got float64$'),
        (pa.array(["a"]), "number", "expected a number, got string"),
        (pa.array(["a"]).dictionary_encode(), "number", "expected a number, got string"),
        (pa.array([1]), "string", "expected string, got int64"),
        (np.zeros(1, "c8"), "number", "expected a number, got complex64"),
        (np.zeros(1, "g"), "number", "expected a number, got float128|expected a number, got longdouble"),
        (np.zeros(1, "m8[s]"), "timestamp[s]", r"expected timestamp\[s\], got timedelta64\[s\]"),
        (np.zeros(1, [("a", "i4")]), "number", "expected a number, got "),
        (np.zeros((2, 2)), "number", r'^column "x": expected shape \[-1\], got \[2,2\]$'),
        (np.zeros(()), "number", r"expected shape \[-1\], got \[\]"),
        (pa.array([[1]]), "number", r'^column "x": expected a number, got list$'),
        (pa.array([{"a": 1}]), "number", "expected a number, got struct"),
        (pa.array([1], pa.decimal128(5, 2)), "float64", "expected float64, got decimal"),
        (pa.array([1], pa.duration("s")), "number", "expected a number, got duration"),
        (pa.array([1], pa.time32("s")), "number", "expected a number, got time"),
        (pa.array([b"ab"], pa.binary(2)), "string", "expected string, got fixed_size_binary"),
        (pa.array([[1, 2]], pa.list_(pa.int8(), 2)), "number", "got fixed_size_list"),
        (pa.array([[(1, 2)]], pa.map_(pa.int8(), pa.int8())), "number", "got map"),
        (
            pa.RunEndEncodedArray.from_arrays(pa.array([1], pa.int32()), pa.array([1])),
            "number",
            "got run_end_encoded",
        ),
        (pa.array([0], pa.date64()), "date32", "expected date32, got date64"),
        (pl.Series([[1]]), "number", "expected a number, got large_list"),
        (
            "CA",
            "string",
            r'^column "x": expected an array or a list, got str; one row is a list of one value$',
        ),
        (3, "number", "expected an array or a list, got int"),
        (np.float32(3), "number", "expected an array or a list, got numpy.float32"),
        (None, "number", "got NoneType"),
        (object(), "number", "expected an array or a list, got object$"),
        (np.ma.masked_array([1.0]), "number", "expected a plain array, got a masked one; fill it first"),
        (
            np.array(["a", 3], dtype=object),
            "string",
            r'^column "x", row 1: expected str, bytes or None, got int$',
        ),
        ([None, "a", 2.5], "string", r"row 2: expected str, bytes or None, got float"),
        (["a", "\ud800"], "string", r'^column "x", row 1: not valid UTF-8$'),
        (np.array([1.0, "a"], dtype=object), "number", r'^column "x", row 1: expected a number, got str$'),
        ([1, [2]], "number", "expected one value a row, got a list of lists"),
        ([[1], [2, 3]], "number", "expected one value a row, got a list of lists"),
        ([1, 1 << 70], "number", 'column "x": expected int64 values'),
        ([300], "int8", 'column "x": expected int8 values'),
        ([1.5], "int8", r'column "x", row 0: expected int8, got float'),
        ([True], "int8", "row 0: expected int8, got bool"),
        ([1], "bool", "row 0: expected bool, got int"),
        (["a"], "number", "row 0: expected a number, got str"),
        ([3], "date32", "row 0: expected date32, got int"),
        (np.array([1.5], dtype=object), "float32", "row 0: expected float32, got float"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(column: Any, want: str, message: str) -> None:
    refused({"x": column}, message, x=want)


def test_whole_numbers_are_floats_where_that_is_exact() -> None:
    assert bound(np.array([2**53, -(2**53)]), "float64") == [2**53, -(2**53)]
    assert bound(np.array([2**53], dtype=np.uint64), "float64") == [2**53]
    assert bound(pa.array([2**53 + 1, None], mask=np.array([True, False])), "float64") == [None, None]
    message = r'^column "x", row 1: expected float64, got int64 9007199254740993, which float64 cannot hold'
    refused({"x": np.array([1, 2**53 + 1])}, message, x="float64")
    refused({"x": pa.array([1, 2**53 + 1]).dictionary_encode()}, message, x="float64")
    refused({"x": np.array([2**64 - 1], np.uint64)}, "uint64 18446744073709551615", x="float64")


def test_python_numbers_carry_no_type() -> None:
    assert (type_of([1, 2]), type_of([1, 2.5]), type_of([True]), type_of([1, None])) == (
        "int64",
        "float64",
        "bool",
        "float64",
    )
    assert type_of([True, 2]) == "int64"
    assert bound([1, 2**53 - 1], "float64") == [1, 2**53 - 1]
    assert bound([0.1, 7, None], "float32") == [float(np.float32(0.1)), 7, None]
    assert bound([5, None], "int8") == [5, None]
    assert bound([True, None], "bool") == [True, None]
    assert bound([np.int32(5), np.float32(0.5)], "number") == [5, 0.5]
    assert bound([], "number") == bound([], "string") == bound([], "date32") == []


DAYS = [datetime.date(2020, 2, 29), None, datetime.date(1969, 12, 31)]


@pytest.mark.parametrize(
    "column",
    [
        pa.array(DAYS),
        np.array(DAYS, "M8[D]"),
        np.array(DAYS, "M8[D]").astype(">M8[D]"),
        DAYS,
        np.array(DAYS, dtype=object),
        pl.Series(DAYS),
        pd.Series(DAYS, dtype=pd.ArrowDtype(pa.date32())),
        pd.Series(DAYS),
    ],
)
def test_dates(column: Any) -> None:
    assert bound(column, "date32") == [18321, None, -1]


SECONDS = 1_582_977_600


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize(
    "make",
    [
        lambda unit: pa.array([SECONDS, None, -1], pa.timestamp("s")).cast(pa.timestamp(unit)),
        lambda unit: pa.array([SECONDS, None, -1], pa.timestamp("s", "Asia/Tokyo")),
        lambda unit: np.array([SECONDS, "NaT", -1], "M8[s]").astype(f"M8[{unit}]"),
        lambda unit: np.array([SECONDS, "NaT", -1], "M8[s]"),
        lambda unit: pd.Series(np.array([SECONDS, "NaT", -1], "M8[s]").astype(f"M8[{unit}]")),
        lambda unit: pd.Series(np.array([SECONDS, "NaT", -1], "M8[s]")).dt.tz_localize("UTC"),
        lambda unit: (
            pl.Series(pa.array([SECONDS, None, -1], pa.timestamp("s"))).dt.cast_time_unit(
                "us" if unit == "us" else "ms"
            )
            if unit in ("ms", "us")
            else pa.array([SECONDS, None, -1], pa.timestamp("s")).dictionary_encode()
        ),
        lambda unit: [
            datetime.datetime(2020, 2, 29, 12, tzinfo=datetime.UTC),
            None,
            np.datetime64(-1, "s").item(),
        ],
    ],
)
def test_times_are_instants_in_the_unit_of_the_transform(unit: str, make: Callable[[str], Any]) -> None:
    scale = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[unit]
    assert bound(make(unit), f"timestamp[{unit}]") == [SECONDS * scale, None, -scale]


def test_times_that_do_not_fit() -> None:
    fine = np.array([1], "M8[ns]")
    refused({"x": fine}, r'"x": expected timestamp\[s\], got timestamp\[ns\]; cast it', x="timestamp[s]")
    refused({"x": fine}, r"expected date32, got timestamp\[ns\]", x="date32")
    refused({"x": np.array([1])}, r"expected timestamp\[s\], got int64", x="timestamp[s]")
    far = np.array([2**40], "M8[s]")
    refused({"x": far}, r'"x", row 0: timestamp\[s\] is out of range for timestamp\[ns\]', x="timestamp[ns]")
    assert bound(np.array([1], "M8[D]"), "timestamp[s]") == [86400]
    assert bound(np.array([1], "M8[h]"), "timestamp[s]") == [3600]
    assert bound(np.array(["2000-01"], "M8[M]"), "date32") == [10957]


def test_tensors_hold_times_as_counts() -> None:
    binder = Binder(["d", "t"], ["date32", "timestamp[us]"], tensors=True)
    columns = binder.bind_mapping({"d": np.array([3], "i4"), "t": np.array([5])})
    assert (columns.value(0, 0), columns.value(1, 0)) == (3, 5)
    with pytest.raises(SignatureError, match='"d": expected date32, got int64'):
        binder.bind_mapping({"d": np.array([3]), "t": np.array([5])})


# Whole batches.

ROWS: dict[str, list[Any]] = {
    "age": [41.0, None, 18.0],
    "state": ["CA", None, "MA"],
    "employed": [True, False, None],
    "unused": [1, 2, 3],
}
KINDS = {"state": "string", "age": "number", "employed": "bool"}


def batch() -> pa.RecordBatch:
    return pa.record_batch({name: pa.array(values) for name, values in ROWS.items()})


WHOLE: dict[str, Callable[[], Any]] = {
    "batch": batch,
    "slice": lambda: pa.concat_batches([batch(), batch(), batch()]).slice(3, 3),
    "struct": lambda: batch().to_struct_array(),
    "sliced struct": lambda: pa.concat_batches([batch(), batch()]).to_struct_array()[3:6],
    "table": lambda: pa.table(batch()),
    "chunks": lambda: pa.concat_tables([pa.table(batch().slice(i, 1)) for i in range(3)]),
    "uneven chunks": lambda: pa.table(
        {
            name: pa.chunked_array([values[:cut], values[cut:]], pa.array(values).type)
            for cut, (name, values) in enumerate(ROWS.items())
        }
    ),
    "reader": lambda: pa.RecordBatchReader.from_batches(batch().schema, [batch().slice(0, 2), batch()[2:]]),
    "dict": lambda: dict(ROWS),
    "dict of arrays": lambda: {name: pa.array(values) for name, values in ROWS.items()},
    "pandas": lambda: batch().to_pandas(types_mapper={pa.bool_(): pd.BooleanDtype()}.get),
    "pandas of objects": lambda: pd.DataFrame(ROWS, dtype=object),
    "pandas of Arrow": lambda: batch().to_pandas(types_mapper=pd.ArrowDtype),
    "polars": lambda: pl.DataFrame(ROWS),
    "polars, pieces": lambda: pl.concat(
        [pl.DataFrame(batch()[:1]), pl.DataFrame(batch()[1:])], rechunk=False
    ),
}


@pytest.mark.parametrize("make", WHOLE.values(), ids=WHOLE)
def test_a_batch_is_the_same_whatever_holds_it(make: Callable[[], Any]) -> None:
    chunks = Binder(list(KINDS), list(KINDS.values())).bind(make())
    assert [listed(chunks, i) for i in range(3)] == [ROWS[name] for name in KINDS]
    assert {chunk.extra for chunk in chunks} == {1}
    assert {chunk.types for chunk in chunks} == {("string", "float64", "bool")}


def test_pieces_of_a_table_are_pieces_of_the_result() -> None:
    binder = Binder(["age"], ["number"])
    assert [len(chunk) for chunk in binder.bind(WHOLE["chunks"]())] == [1, 1, 1]
    assert [len(chunk) for chunk in binder.bind(WHOLE["reader"]())] == [2, 1]


@pytest.mark.parametrize("make", WHOLE.values(), ids=WHOLE)
def test_the_views_keep_the_memory(make: Callable[[], Any]) -> None:
    chunks = Binder(list(KINDS), list(KINDS.values())).bind(make())
    gc.collect()
    junk = [bytearray(b"\xaa" * size) for size in range(8, 4096, 8)]
    assert [listed(chunks, i) for i in range(3)] == [ROWS[name] for name in KINDS]
    del chunks, junk
    gc.collect()


def test_arrow_memory_is_released() -> None:
    before = pa.total_allocated_bytes()
    binder = Binder(["x", "s"], ["number", "string"])
    for _ in range(3):
        table = pa.table({"x": pa.array(range(1000)), "s": pa.array(["a"] * 1000)})
        chunks = binder.bind(pa.concat_tables([table, table]))
        assert len(chunks) == 2
        del table, chunks
    gc.collect()
    assert pa.total_allocated_bytes() == before


def test_python_texts_are_held_and_let_go() -> None:
    text = "a text that is nowhere else" + str(id(object()))
    array = np.array([text], dtype=object)
    count = sys.getrefcount(text)
    columns = Binder(["x"], ["string"]).bind({"x": array})
    array[0] = None
    assert listed(columns) == [text]
    assert sys.getrefcount(text) == count
    del columns
    assert sys.getrefcount(text) == count - 1


def test_empty_data() -> None:
    binder = Binder(list(KINDS), list(KINDS.values()))
    schema = batch().schema
    for data in (
        schema.empty_table(),
        batch().slice(0, 0),
        pa.RecordBatchReader.from_batches(schema, []),
        {name: pa.array(values)[:0] for name, values in ROWS.items()},
        pd.DataFrame(ROWS, dtype=object)[:0],
        pl.DataFrame(ROWS)[:0],
    ):
        (columns,) = binder.bind(data)
        assert columns.rows == 0
        assert columns.types[0] == "string"
    with pytest.raises(SignatureError, match='"age": expected a number, got string'):
        binder.bind(pa.schema([("state", "string"), ("age", "string"), ("employed", "bool")]).empty_table())


@pytest.mark.parametrize("order", ["C", "F"])
def test_the_columns_of_a_matrix_are_those_of_the_transform(order: Any) -> None:
    binder = Binder(["a", "b"], ["number", "float64"])
    matrix = np.array([[1, 2], [3, 4], [5, 6]], dtype=np.float32, order=order)
    (columns,) = binder.bind(matrix[::2])
    assert [listed([columns], 0), listed([columns], 1)] == [[1, 5], [2, 6]]
    assert columns.types == ("float32", "float64")
    objects = np.array([[1.5, "x"], [None, "y"]], dtype=object)
    (columns,) = Binder(["a", "s"], ["number", "string"]).bind(objects)
    assert [listed([columns], 0), listed([columns], 1)] == [[1.5, None], ["x", "y"]]
    assert binder.bind(np.zeros((0, 2)))[0].rows == 0


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"a": [1]}, r'^missing column "b"; expected columns: "a", "b"$'),
        (pa.table({"b": [1.0]}), r'^missing column "a"; expected columns: "a", "b"$'),
        (pd.DataFrame({"a": [1]}), 'missing column "b"'),
        (pl.DataFrame({"a": [1]}), 'missing column "b"'),
        (pd.DataFrame([[1, 2]]), 'missing column "a"'),
        ({"a": [1], "b": [1.0, 2.0]}, r'^column "b" has 2 rows; column "a" has 1$'),
        (np.zeros((1, 3)), r'^expected 2 columns \("a", "b"\), got an array with 3$'),
        (np.zeros(2), r"^expected an array of shape \[-1,2\], got \[2\]$"),
        (np.ma.masked_array([[1.0, 2.0]]), "got a masked one"),
        (pa.array([1]), "expected Arrow data with named columns"),
        (pa.chunked_array([[1]]), "expected Arrow data with named columns"),
        ([1, 2], r"^expected a dict of columns, a data frame, .* or a numpy array, got list$"),
        (None, "got NoneType"),
        (
            pa.RecordBatch.from_arrays([pa.array([1]), pa.array([1]), pa.array([1.0])], ["a", "a", "b"]),
            r'^expected one column "a", got more than one$',
        ),
        (pd.DataFrame([[1, 2, 3.0]], columns=["a", "a", "b"]), 'expected one column "a", got more than one'),
        (pa.array([{"a": 1, "b": 2.0}, None]), "got a struct array with nulls"),
    ],
)
def test_batches_that_do_not_fit(data: Any, message: str) -> None:
    refused(data, message, a="number", b="float64")


def test_the_lookup_by_name_follows_the_schema() -> None:
    binder = Binder(["b", "a"], ["number", "number"])
    first, second, third = (
        pa.record_batch({"a": [1], "b": [2]}),
        pa.record_batch({"b": [3], "a": [4]}),
        pa.record_batch({"c": ["x"], "b": [5], "a": [6]}),
    )
    for _ in range(2):
        for data, expected in ((first, (2, 1)), (second, (3, 4)), (third, (5, 6))):
            (columns,) = binder.bind(data)
            assert (columns.value(0, 0), columns.value(1, 0)) == expected
    with pytest.raises(SignatureError, match='missing column "b"'):
        binder.bind(pa.record_batch({"a": [1], "x": [2]}))
    assert binder.bind(first)[0].value(0, 0) == 2


def test_extra_columns_may_be_of_any_type_and_name() -> None:
    data = pa.record_batch([pa.array([1]), pa.array([[1]]), pa.array([{}])], ["a", "l", "l"])
    assert Binder(["a"], ["number"]).bind(data)[0].extra == 2


def test_dictionary_codes_outside_the_dictionary_are_refused() -> None:
    for code in (2, -1):
        codes = pa.array([0, 1, code], pa.int8())
        bad = pa.DictionaryArray.from_arrays(codes, pa.array(["a", "b"]), safe=False)
        refused({"x": bad}, r'^column "x", row 2: the dictionary code is outside the dictionary$', x="string")
        refused(pa.record_batch({"x": bad}), "row 2", x="string")
        assert bound(bad[:2], "string") == ["a", "b"]
    buffers = [pa.py_buffer(b"\x01"), pa.py_buffer(struct.pack("<bb", 0, 99))]
    hidden = pa.Array.from_buffers(pa.int8(), 2, buffers)
    column = pa.DictionaryArray.from_arrays(hidden, pa.array(["a"]), safe=False)
    assert bound(column, "string") == ["a", None]


def test_a_stream_that_fails() -> None:
    def batches() -> Iterator[pa.RecordBatch]:
        yield pa.record_batch({"x": [1]})
        raise OSError("the disk went away")

    reader = pa.RecordBatchReader.from_batches(pa.schema([("x", "int64")]), batches())
    refused(reader, "reading the Arrow stream failed: .*the disk went away", x="number")


class Flat:
    """Gives its Arrow data away as anybody's library would."""

    def __init__(self, data: Any) -> None:
        self.data = data

    def __arrow_c_array__(self, requested_schema: object = None) -> Any:
        return self.data.__arrow_c_array__()


def test_any_library_that_speaks_the_arrow_interface() -> None:
    assert listed(Binder(["age"], ["number"]).bind(Flat(batch()))) == ROWS["age"]
    assert bound(Flat(pa.array(TEXTS)), "string") == TEXTS


# Text as tensors lay it.


def prefixed(values: list[bytes]) -> bytes:
    return b"".join(struct.pack("<I", len(value)) + value for value in values)


@given(st.lists(st.binary(max_size=20), max_size=20))
def test_length_prefixed_text(values: list[bytes]) -> None:
    expected = [value.decode(errors="replace") for value in values]
    data = prefixed(values)
    for buffer in (data, np.frombuffer(data, np.uint8), memoryview(data)):
        assert bound(PrefixedText(buffer, len(values)), "string") == expected


@pytest.mark.parametrize(
    ("data", "rows"),
    [
        (prefixed([b"abc"]), 2),
        (prefixed([b"abc"]), 0),
        (prefixed([b"abc", b"de"]), 1),
        (prefixed([b"abc"])[:-1], 1),
        (prefixed([b"abc"]) + b"\0", 1),
        (b"\xff\xff\xff\xff", 1),
        (b"\0\0", 1),
        (b"", 1),
        (b"", 2**62),
        (prefixed([b"abc"]), -1),
    ],
)
def test_length_prefixed_text_that_does_not_fit_its_buffer(data: bytes, rows: int) -> None:
    refused({"x": PrefixedText(data, rows)}, r'^column "x": expected -?\d+ length-prefixed texts', x="string")


def test_length_prefixed_text_is_text() -> None:
    refused({"x": PrefixedText(b"", 0)}, "expected a number, got string", x="number")


def test_one_value_at_a_time() -> None:
    (columns,) = Binder(["x"], ["number"]).bind({"x": np.array([2**64 - 1], np.uint64)})
    assert columns.value(0, 0) == 2**64 - 1
    for column, row in ((0, 1), (1, 0), (-1, 0), (0, -1)):
        with pytest.raises(IndexError):
            columns.value(column, row)
    assert types_of(columns.key) == ("uint64",)
