"""Columns to inputs: what is taken, what is refused, and that nothing is cast silently."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from penstock.bundle.signature import DATATYPES, Signature, TensorSpec
from penstock.engine.columns import to_inputs
from penstock.errors import SignatureError

OUT = (TensorSpec("out", "FP32", (-1,)),)
MATRIX = Signature((TensorSpec("x", "FP32", (-1, 3)),), OUT, batched=True)


def signature(*inputs: tuple[str, str, tuple[int, ...]], batched: bool = True) -> Signature:
    return Signature(tuple(TensorSpec(*spec) for spec in inputs), OUT, batched=batched)


def refused(columns: Any, of: Signature, message: str) -> None:
    with pytest.raises(SignatureError, match=message):
        to_inputs(columns, of)


@given(
    st.sampled_from([name for name in DATATYPES if name != "BYTES"]),
    st.sampled_from("CF"),
    st.sampled_from("<>"),
    st.integers(1, 3),
    st.booleans(),
    st.data(),
)
def test_any_layout_gives_the_same_contiguous_array(
    datatype: str, order: Any, endian: Any, step: int, frozen: bool, data: st.DataObject
) -> None:
    dtype = DATATYPES[datatype]
    array = data.draw(hnp.arrays(dtype, (4 * step, 3)))
    columns = np.array(array, dtype=dtype.newbyteorder(endian), order=order)[::step]
    columns.flags.writeable = not frozen
    inputs, rows = to_inputs({"x": columns}, signature(("x", datatype, (-1, 3))))
    assert rows == 4
    assert inputs["x"].flags.c_contiguous
    assert inputs["x"].dtype == dtype
    np.testing.assert_array_equal(inputs["x"], array[::step])


def test_a_good_array_is_not_copied() -> None:
    x = np.zeros((2, 3), "f4")
    assert to_inputs({"x": x}, MATRIX)[0]["x"] is x
    assert to_inputs(x, MATRIX)[0]["x"] is x


def test_inputs_come_in_the_order_of_the_signature() -> None:
    both = signature(("a", "INT64", (-1,)), ("b", "BYTES", (-1, 1)))
    inputs, rows = to_inputs({"b": ["x", b"y"], "a": [1, 2]}, both)
    assert (list(inputs), rows) == (["a", "b"], 2)
    assert inputs["b"].tolist() == [["x"], [b"y"]]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({}, r'^missing input "x"; expected inputs: "x"$'),
        ({"x": np.zeros((1, 3), "f4"), "z": [1]}, r'^unknown input "z"; expected inputs: "x"$'),
        (np.zeros((1, 3)), r'"x": expected datatype FP32, got FP64; cast it with .astype\(numpy.float32\)$'),
        (np.zeros((1, 3), "i4"), "expected datatype FP32, got INT32"),
        (np.zeros((1, 3), "c8"), "expected datatype FP32, got complex64"),
        (np.array([["a", "b", "c"]]), "expected datatype FP32, got BYTES"),
        (np.zeros((2, 29), "f4"), r'^input "x": expected shape \[-1,3\], got \[2,29\]$'),
        (np.zeros(3, "f4"), r"expected shape \[-1,3\], got \[3\]"),
        (np.zeros((0, 3), "f4"), r"expected at least 1 row, got shape \[0,3\]"),
        ({"x": []}, r"expected shape \[-1,3\], got \[0\]"),
        ({"x": [[1, 2, 3], [4]]}, "rows of one length"),
        ({"x": [["a", "b", "c"]]}, "expected datatype FP32, got BYTES values"),
        ({"x": [[1, 2, None]]}, "expected datatype FP32, got mixed values"),
        ({"x": [[True, False, True]]}, "expected datatype FP32, got BOOL values"),
        ({"x": [[2**70, 1, 1]]}, "got mixed values"),
        ({"x": np.ma.masked_array(np.zeros((1, 3), "f4"), mask=True)}, "masked"),
        ({1: [1]}, 'unknown input "1"'),
        ([[1.0, 2.0, 3.0]], "expected a dict of arrays, .* got builtins.list"),
        (None, "got builtins.NoneType"),
        (pa.array([1.0]), "got pyarrow.lib"),
    ],
)
def test_what_does_not_fit_is_refused(columns: Any, message: str) -> None:
    refused(columns, MATRIX, message)


def test_integers_from_lists_are_range_checked() -> None:
    assert to_inputs({"x": [-128, 127]}, signature(("x", "INT8", (-1,))))[0]["x"].dtype == np.int8
    refused({"x": [0, 1, 128]}, signature(("x", "INT8", (-1,))), "element 2 is out of range for INT8")
    refused({"x": [-1]}, signature(("x", "UINT64", (-1,))), "element 0 is out of range for UINT64")
    refused({"x": [1.0]}, signature(("x", "INT8", (-1,))), "expected datatype INT8, got FP64 values")
    refused({"x": [2**63]}, signature(("x", "INT64", (-1,))), "element 0 is out of range for INT64")
    assert to_inputs({"x": [2**64 - 1]}, signature(("x", "UINT64", (-1,))))[0]["x"][0] == 2**64 - 1


def test_text() -> None:
    text = signature(("s", "BYTES", (-1,)))
    for value in (["a", "é"], np.array(["a", "é"]), np.array(["a", "é"], dtype=object)):
        assert to_inputs({"s": value}, text)[0]["s"].tolist() == ["a", "é"]
    assert to_inputs({"s": np.array([b"a"])}, text)[0]["s"].tolist() == [b"a"]
    refused({"s": ["a", 1]}, text, "expected str or bytes, got int in element 1")
    refused({"s": [1]}, text, "expected str or bytes, got int")
    refused({"s": [None]}, text, "got NoneType")
    refused({"s": [b"a", b"\xff"]}, text, "element 1 is not valid UTF-8")
    refused({"s": np.array([1])}, text, "expected datatype BYTES, got INT64$")


def test_rows_must_agree() -> None:
    both = signature(("a", "INT64", (-1,)), ("b", "INT64", (-1,)))
    refused({"a": [1, 2, 3, 4], "b": [1, 2, 3]}, both, r'^input "b" has 3 rows; input "a" has 4$')
    refused(np.array([1]), both, 'expected a dict with the inputs "a", "b", got one array')


def test_models_without_rows_take_exact_shapes() -> None:
    fixed = signature(("x", "FP32", (3,)), ("n", "INT64", ()), ("free", "FP32", (-1, 2)), batched=False)
    columns = {"x": [1.0, 2.0, 3.0], "n": 4, "free": np.zeros((0, 2), "f4")}
    inputs, rows = to_inputs(columns, fixed)
    assert rows == 1
    assert [array.shape for array in inputs.values()] == [(3,), (), (0, 2)]
    refused(columns | {"x": [1.0]}, fixed, r"expected shape \[3\], got \[1\]")


def arrow(columns: dict[str, Any], chunks: bool) -> Any:
    table = pa.table(columns)
    if chunks:
        return pa.concat_tables([table.slice(0, 1), table.slice(1)])
    return table.to_batches()[0]


@pytest.mark.parametrize("chunks", [False, True])
def test_arrow_columns_by_name(chunks: bool) -> None:
    named = signature(
        ("f", "FP32", (-1,)),
        ("i", "INT64", (-1, 1)),
        ("b", "BOOL", (-1,)),
        ("s", "BYTES", (-1,)),
        ("m", "FP64", (-1, 2)),
        ("c", "FP32", (-1, 2, 1)),
    )
    table = arrow(
        {
            "s": pa.array(["a", "b", "a"]).dictionary_encode(),
            "f": pa.array([1, None, 3], pa.float32()),
            "i": pa.array([1, 2, 3]),
            "b": [True, False, True],
            "m": pa.array([[1, 2], [3, None], [5, 6]], pa.list_(pa.float64(), 2)),
            "c": pa.array([[[1], [2]]] * 3, pa.list_(pa.list_(pa.float32(), 1), 2)),
        },
        chunks,
    )
    inputs, rows = to_inputs(table, named)
    assert rows == 3
    np.testing.assert_array_equal(inputs["f"], np.array([1, np.nan, 3], "f4"), strict=True)
    assert inputs["i"].tolist() == [[1], [2], [3]]
    assert inputs["b"].tolist() == [True, False, True]
    assert inputs["s"].tolist() == ["a", "b", "a"]
    np.testing.assert_array_equal(inputs["m"], [[1, 2], [3, np.nan], [5, 6]])
    assert inputs["c"].shape == (3, 2, 1)
    assert to_inputs(table.slice(1, 2), named)[0]["m"].tolist()[1] == [5, 6]


@pytest.mark.parametrize(
    ("column", "datatype", "message"),
    [
        (pa.array([1, None]), "INT64", 'input "x": expected no nulls in a column of type int64, got 1'),
        (pa.array(["a", None]), "BYTES", "expected no nulls"),
        (pa.array([True, None]), "BOOL", "expected no nulls"),
        (pa.array([1.0]), "FP32", "expected datatype FP32, got FP64"),
        (pa.array([[1.0], None], pa.list_(pa.float32(), 1)), "FP32", "expected no nulls"),
        (pa.array([[1.0]]), "FP32", r"a column of type list<.*> cannot fill a tensor"),
        (pa.array([{"a": 1}]), "FP32", "cannot fill a tensor"),
        (pa.array([], pa.float32()), "FP32", "expected at least 1 row"),
    ],
)
def test_arrow_columns_that_do_not_fit(column: Any, datatype: str, message: str) -> None:
    refused(pa.table({"x": column}), signature(("x", datatype, (-1,))), message)


@pytest.mark.parametrize("chunks", [False, True])
def test_numeric_arrow_columns_fill_a_matrix(chunks: bool) -> None:
    columns = {
        "first": pa.array([1, None, 3]),
        "second": pa.array([0.1, None, 3.5]),
        "third": pa.array([True, None, False]),
    }
    inputs, rows = to_inputs(arrow(columns, chunks), MATRIX)
    expected = np.array([[1, 0.1, 1], [np.nan] * 3, [3, 3.5, 0]], "f4")
    np.testing.assert_array_equal(inputs["x"], expected, strict=True)
    assert rows == 3


def test_arrow_columns_that_do_not_fill_a_matrix() -> None:
    refused(
        pa.table({"a": [1.0]}), MATRIX, "expected a column of that name or 3 numeric columns, got 1 columns"
    )
    refused(
        pa.table({"a": [1.0], "b": [1], "c": ["x"]}),
        MATRIX,
        'expected numeric columns, got "c" of type string',
    )
    refused(pa.table({"x": pa.array([1.0], pa.float32()), "b": [1]}), MATRIX, 'unknown input "b"')
    refused(pa.table([[1.0], [2.0]], names=["x", "x"]), MATRIX, "unique column names")


def test_outputs_are_checked() -> None:
    assert MATRIX.check_outputs(None) == ("out",)
    with pytest.raises(SignatureError, match="unknown output"):
        MATRIX.check_outputs(["no"])
