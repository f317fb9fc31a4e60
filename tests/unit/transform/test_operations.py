"""The check of operations: everything in its place passes, everything out of it is refused by name."""

import difflib

import numpy as np
import pyarrow as pa
import pytest
from transform_specs import Compiled, op, spec

from penstock.errors import SignatureError, TransformError
from penstock.transform.lower.lowering import LOWERINGS
from penstock.transform.operations import OPERATIONS, check
from penstock.transform.spec import FORMAT, Column, Operation, Output, Spec

COLUMNS = {"a": "number", "b": "float32", "s": "string", "t": "timestamp[ns]"}
TWO = np.array([1.0, 2.0])
TEXTS = pa.array(["u", "v"])
CODES = np.array([0, 1], np.int32)
EDGES = {"edges": np.array([0.0, 1, 2, 0, 5]), "counts": np.array([3, 2], np.int32)}
ONE_HOT = {"widths": [2], "unknown": [-1], "missing": ["error"], "categories0": TEXTS, "columns0": CODES}
ENCODE = {
    "kind": "count",
    "unknown": [1],
    "missing": [-1],
    "categories0": TEXTS,
    "codes0": CODES,
    "values0": TWO,
}

RIGHT = (
    op("impute", "a b", "y z", fill=TWO),
    op("impute", "a b", "y z", fill=TWO.astype(np.float32), missing=-1),
    op("impute_text", "s", "y", fill=TEXTS[:1], missing="?"),
    op("missing_indicator", "a s t", "x y z", dtype="float32"),
    op("standard_scale", "a b", "y z", mean=TWO),
    op("min_max_scale", "a b", "y z", scale=TWO, min=TWO, clip=True, low=0, high=1),
    op("max_abs_scale", "a b", "y z", scale=TWO),
    op("robust_scale", "a b", "y z", center=TWO, scale=TWO),
    op("normalize", "a b", "y z", norm="l1"),
    op("function", "a b", "y z", name="log1p"),
    op("clip", "a b", "y z", low=np.array([-np.inf, 0]), high=TWO),
    op("box_cox", "a b", "y z", lambdas=TWO),
    op("yeo_johnson", "a b", "y z", lambdas=TWO),
    op("quantile", "a b", "y z", distribution="normal", references=TWO, quantiles=np.arange(4.0)),
    op("bin", "a b", "y z", **EDGES),
    op("bin_one_hot", "a b", "w x y", **EDGES),
    op("polynomial", "a b", "y z", terms=np.array([0, 1, 1], np.int32), counts=np.array([0, 3], np.int32)),
    op("one_hot", "s", "y z", **ONE_HOT),
    op("encode", "s", "z", **ENCODE),
    op("hash", "a s t", "y z", buckets=2, output="signed"),
    op("date_part", "t", "z", part="week"),
    op("cyclic", "a", "y z", period=7),
    op("project", "a b", "z", matrix=TWO, divide=TWO[:1]),
    op("constant", "", "z", value="nan"),
    op("cast", "a b", "y z", dtype="int32"),
    op("expression", "a b", "z", text="a / q", names=["a", "q"]),
)


def made(operation):
    output = next((name for name in operation[2] if operation[0] != "impute_text"), "a")
    return spec(COLUMNS, [operation], [output])


@pytest.mark.parametrize("operation", RIGHT, ids=[one[0] for one in RIGHT])
def test_what_is_right_passes(operation):
    one = made(operation)
    check(one.operations[0], one)


def test_every_operation_is_tried_documented_and_lowered():
    assert {one[0] for one in RIGHT} == OPERATIONS.keys() == LOWERINGS.keys()
    for definition in OPERATIONS.values():
        first, *_ = definition.doc.splitlines()
        assert first.endswith(".")
        assert len(first) <= 110


WRONG = (
    (
        op("standard_scaler", "a", "z"),
        'operation 0: unknown operation "standard_scaler"; did you mean "standard_scale"?',
    ),
    (op("qqqq", "a", "z"), 'operation 0: unknown operation "qqqq"'),
    (op("impute", "a b", "y z"), 'operation 0 (impute): array "fill" is missing'),
    (
        op("impute", "a b", "y z", fill=TWO[:1]),
        'operation 0 (impute): array "fill": expected 2 values, got 1',
    ),
    (op("impute", "a", "z", fill=CODES[:1]), 'array "fill": expected float or double, got int32'),
    (
        op("impute", "a", "z", fill=TWO[:1], missing="none"),
        'parameter "missing": expected "nan" or a number, got \'none\'',
    ),
    (op("impute", "a", "z", fill=pa.array([None], pa.float64())), 'array "fill": expected no nulls, got 1'),
    (op("impute", "s", "z", fill=TWO[:1]), 'operation 0 (impute): input "s": expected a number, got a text'),
    (op("impute", "t", "z", fill=TWO[:1]), 'input "t": expected a number, got a time'),
    (op("impute", "", "", fill=TWO[:0]), "expected at least 1 inputs, got 0"),
    (op("impute", "a b", "z", fill=TWO), "operation 0 (impute): expected 2 outputs, got 1"),
    (op("impute", "a", "z", fil=TWO[:1]), 'unknown array "fil"; did you mean "fill"?'),
    (op("impute", "a", "z", fill=TWO[:1], mising=1), 'unknown parameter "mising"; did you mean "missing"?'),
    (op("impute_text", "a", "z", fill=TEXTS[:1]), 'input "a": expected a text, got a number'),
    (op("missing_indicator", "a", "z", missing="?"), 'parameter "missing": expected "nan", null or a number'),
    (op("missing_indicator", "s", "z", missing=3), 'parameter "missing": expected null or a text'),
    (op("missing_indicator", "s", "z", dtype="float16"), 'parameter "dtype": expected one of bool, '),
    (op("min_max_scale", "a", "z", scale=TWO[:1], min=TWO[:1], clip=True), 'parameter "low" is missing'),
    (
        op("min_max_scale", "a", "z", scale=TWO[:1], min=TWO[:1], clip=1),
        'parameter "clip": expected true or false, got 1',
    ),
    (
        op("min_max_scale", "a", "z", scale=TWO[:1], min=TWO[:1], clip=True, low=2, high=1),
        'parameter "low": expected at most',
    ),
    (op("normalize", "a", "z", norm="l3"), 'parameter "norm": expected "l1" or "l2" or "max", got \'l3\''),
    (op("function", "a", "z", name="eval"), 'parameter "name": expected one of log, '),
    (op("clip", "a", "z", low=TWO[1:], high=TWO[:1]), "input 0: expected low <= high, got 2.0 and 1.0"),
    (
        op("quantile", "a", "z", distribution="uniform", references=TWO, quantiles=TWO[:1]),
        'array "quantiles": expected 2',
    ),
    (
        op("quantile", "a", "z", distribution="uniform", references=TWO[:0], quantiles=TWO[:0]),
        "expected at least 1 value",
    ),
    (op("bin", "a", "z", edges=TWO, counts=CODES[:1]), "expected at least 2 edges of each input, got [0]"),
    (
        op("bin", "a b", "y z", **{**EDGES, "edges": TWO}),
        'array "edges": expected 5 values, the sum of "counts", got 2',
    ),
    (
        op("bin", "a b", "y z", **{**EDGES, "edges": np.array([0, 2, 1, 0, 0.0])}),
        "edges of input 0 in ascending order",
    ),
    (op("bin_one_hot", "a b", "y z", **EDGES), "expected 3 outputs, got 2"),
    (
        op("polynomial", "a", "z", terms=CODES, counts=np.array([2], np.int32)),
        "expected values from 0 to 0, got 0 to 1",
    ),
    (
        op("polynomial", "a", "z", terms=CODES, counts=np.array([1], np.int32)),
        'array "terms": expected 1 values',
    ),
    (
        op("one_hot", "s", "y z", **{**ONE_HOT, "unknown": -1}),
        'parameter "unknown": expected a list of 1, got -1',
    ),
    (
        op("one_hot", "s", "y z", **{**ONE_HOT, "unknown": [0, 0]}),
        'parameter "unknown": expected 1 values, one an input',
    ),
    (
        op("one_hot", "s", "y z", **{**ONE_HOT, "unknown": [-2]}),
        'parameter "unknown[0]": expected "error" or a whole',
    ),
    (
        op("one_hot", "s", "y z", **{**ONE_HOT, "missing": [2]}),
        'parameter "missing[0]": expected less than 2, got 2',
    ),
    (
        op("one_hot", "s", "z", **{**ONE_HOT, "widths": [1]}),
        'array "columns0": expected values from -1 to 0, got 0 to 1',
    ),
    (
        op("one_hot", "s", "y z", **{**ONE_HOT, "categories0": TWO}),
        "expected string, as its input, got double",
    ),
    (op("one_hot", "a", "y z", **ONE_HOT), "expected double, as its input, got string"),
    (op("one_hot", "a", "y z", **{**ONE_HOT, "categories0": np.array([1, np.nan])}), "NaN is no category"),
    (
        op("one_hot", "s", "y z", **{**ONE_HOT, "categories0": pa.array(["u", "u"])}),
        "expected every category once",
    ),
    (
        op("one_hot", "s", "y z", **{**ONE_HOT, "columns0": CODES[:1]}),
        "expected 2 values, one for each category, got 1",
    ),
    (op("one_hot", "t", "y z", **ONE_HOT), 'input "t": expected a number or text, got a time'),
    (
        op("encode", "s", "z", **{**ENCODE, "width": 0}),
        'parameter "width": expected a whole number from 1 up, got 0',
    ),
    (
        op("encode", "s", "z", **{**ENCODE, "values0": np.zeros(3), "width": 2}),
        "expected a multiple of the width 2",
    ),
    (
        op("encode", "s", "z", **{**ENCODE, "values0": TWO[:1]}),
        'array "codes0": expected values from -1 to 0',
    ),
    (op("hash", "s", "z", buckets=0), 'parameter "buckets": expected a whole number from 1'),
    (op("hash", "s", "z", buckets=True), 'parameter "buckets": expected a whole number from 1'),
    (op("hash", "s", "z", buckets=3, output="one_hot"), "expected 3 outputs, got 1"),
    (op("date_part", "a", "z", part="year"), 'input "a": expected a time, got a number'),
    (op("date_part", "t", "z", part="century"), 'parameter "part": expected one of year, '),
    (op("cyclic", "a b", "w x", period=7), "expected at most 1 inputs, got 2"),
    (op("cyclic", "a", "y z", period=0), 'parameter "period": expected a number above 0, got 0'),
    (op("project", "a b", "y z", matrix=TWO), 'array "matrix": expected 4 values, got 2'),
    (op("constant", "a", "z", value=1), "expected at most 0 inputs, got 1"),
    (op("constant", "", "z"), 'parameter "value" is missing; expected "nan" or a number'),
    (op("cast", "a", "z", dtype="text"), 'parameter "dtype": expected "float32" or '),
    (op("expression", "a", "z"), 'parameter "text" is missing'),
    (op("expression", "a b", "z", text="q", names=["q", "q"]), "expected every name once"),
)


@pytest.mark.parametrize(
    ("operation", "message"), WRONG, ids=[f"{i}-{one[0][0]}" for i, one in enumerate(WRONG)]
)
def test_what_is_wrong_is_refused_by_name(operation, message):
    with pytest.raises(TransformError) as error:
        made(operation)
    assert message in str(error.value), "".join(difflib.ndiff([message], [str(error.value)]))


def test_the_position_counts_all_operations():
    with pytest.raises(TransformError, match=r"^operation 1 \(impute\): "):
        spec(COLUMNS, [op("function", "a", "y", name="log"), op("impute", "y", "z", fill=TWO)], "z")


def test_an_operation_outside_of_a_spec_has_no_position():
    one = made(RIGHT[0])
    with pytest.raises(TransformError, match=r"^operation cast: parameter "):
        check(Operation(op="cast", inputs=("a",), outputs=("q",)), one)


@pytest.mark.parametrize("kind", ["string", "date32", "timestamp[us]"])
def test_a_column_that_must_be_a_number(kind):
    with pytest.raises(SignatureError, match='column "a": expected a number, got ' + kind[:4]):
        Compiled(spec(COLUMNS, [], "a"), {"a": kind})
    with pytest.raises(SignatureError, match='column "a": expected a type of number, got none'):
        Compiled(spec(COLUMNS, [], "a"), {})


def test_a_name_that_an_expression_lacks():
    with pytest.raises(TransformError, match='unknown name "q"; inputs: a, b'):
        Compiled(spec(COLUMNS, [op("expression", "a b", "z", text="a + q")], "z"), {"a": "int8"})


def test_an_input_that_an_expression_does_not_read():
    with pytest.raises(TransformError, match='does not read its input "b"'):
        Compiled(spec(COLUMNS, [op("expression", "a b", "z", text="a + 1")], "z"), {"a": "int8"})


def test_formats_are_those_of_this_version():
    column, output = Column(name="a", type="number"), Output(name="x", dtype="float32", values=("a",))
    with pytest.raises(TransformError, match="newer version"):
        Spec(format=FORMAT + 1, columns=(column,), outputs=(output,))
