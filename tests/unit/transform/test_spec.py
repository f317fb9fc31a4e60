"""The definition of a transform: what it refuses, its digest, and its file bit for bit."""

import random
import struct
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.errors import TransformError
from penstock.transform import Column, Operation, Output, Spec
from penstock.transform.file import canonical_array

AGE = Column(name="age", type="number")
STATE = Column(name="state", type="string", missing=("", "?"))
SCALE = Operation(
    op="standard_scale", inputs=("age",), outputs=("z",), arrays={"mean": "mean", "scale": "scale"}
)
ONE_HOT = Operation(
    op="one_hot",
    inputs=("state",),
    outputs=("ca", "ma"),
    parameters={"widths": [2], "unknown": ["error"], "missing": [-1]},
    arrays={"categories0": "states", "columns0": "places"},
)
ARRAYS = {
    "mean": pa.array([40.0]),
    "scale": pa.array([10.0]),
    "states": pa.array(["CA", "MA"]),
    "places": pa.array([0, 1], pa.int32()),
}


def output(*values: str, **more: Any) -> Output:
    return Output(**{"name": "features", "dtype": "float32", "values": values} | more)


def spec(**changes: Any) -> Spec:
    parts = {
        "columns": (AGE, STATE),
        "operations": (SCALE, ONE_HOT),
        "outputs": (output("z", "ca", "ma"),),
        "arrays": ARRAYS,
    }
    return Spec(**(parts | changes))


def changed(operation: Operation, **changes: Any) -> Operation:
    return msgspec.structs.replace(operation, **changes)


def test_what_is_read_back_is_the_same() -> None:
    data = spec().to_bytes()
    back = Spec.from_bytes(data)
    assert back == spec()
    assert hash(back) == hash(spec())
    assert back.to_bytes() == data
    assert (back.columns, back.outputs) == (spec().columns, spec().outputs)
    assert [array.equals(spec().arrays[name]) for name, array in back.arrays.items()] == [True] * 4
    assert spec() != "spec"


def test_the_digest_is_fixed_for_good() -> None:
    assert spec().digest == DIGEST


DIGEST = "7014c7f6c9a7003fa9b017b0cac8e1f37700f8d1c8b6d8521a490f287240e062"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": 2}, r"^expected format 1, got 2; a newer version of Penstock wrote it$"),
        ({"format": 0}, r"^expected format 1, got 0$"),
        ({"columns": ()}, "expected at least 1 column, got none"),
        ({"columns": (AGE, STATE, AGE)}, 'expected one column "age", got more than one'),
        ({"columns": (AGE, STATE, Column(name="", type="bool"))}, "expected a name for every column"),
        (
            {"columns": (AGE, STATE, Column(name="x", type="half"))},
            'column "x": expected a type of number, .*got half',
        ),
        (
            {"columns": (AGE, STATE, Column(name="x", type="int8", missing=("",)))},
            'column "x": texts that count as missing are for columns of strings, this one is int8',
        ),
        ({"outputs": ()}, "expected at least 1 output, got none"),
        ({"outputs": (output("z"), output("z"))}, 'expected one output "features", got more than one'),
        ({"outputs": (output(),)}, 'output "features": expected at least 1 value'),
        ({"outputs": (output("z", dtype="float16"),)}, "expected dtype float32, .*; got float16"),
        ({"outputs": (output("z", names=("a", "b")),)}, "expected 1 names, one for each value, got 2"),
        ({"outputs": (output("y"),)}, 'output "features": value "y" is no column and nothing makes it'),
        ({"outputs": (output("state"),)}, 'value "state": expected a number, got string'),
        ({"operations": (SCALE,)}, "no operation uses array"),
        (
            {"operations": (changed(SCALE, op="standard_scaler"), ONE_HOT)},
            'unknown operation "standard_scaler"',
        ),
        (
            {"operations": (SCALE, changed(SCALE, outputs=("z",)), ONE_HOT)},
            r'operation 1 \(standard_scale\): value "z" is made twice',
        ),
        ({"operations": (changed(SCALE, outputs=("age",)), ONE_HOT)}, 'value "age" is made twice'),
        (
            {"operations": (changed(SCALE, inputs=("ca",)), ONE_HOT)},
            r'operation 0 \(standard_scale\): value "ca" is used before it is made',
        ),
        (
            {"operations": (changed(SCALE, inputs=("y",)), ONE_HOT)},
            'value "y" is no column and nothing makes it',
        ),
        (
            {"arrays": {name: ARRAYS[name] for name in ("mean", "states", "places")}},
            r'operation 0 \(standard_scale\): array "scale": the transform has no array "scale"',
        ),
        ({"arrays": ARRAYS | {"more": pa.array([1.0])}}, 'no operation uses array "more"'),
        ({"arrays": ARRAYS | {"mean": pa.array([1])}}, r'array "mean": expected .*, got int64'),
        ({"arrays": ARRAYS | {"mean": pa.array([1.0, 2.0])}}, 'array "mean"'),
        ({"arrays": ARRAYS | {"mean": pa.array([[1.0]])}}, r'array "mean": expected float32, .*got list'),
        ({"arrays": ARRAYS | {"mean": pa.array([1], pa.uint8())}}, "got uint8"),
        ({"arrays": ARRAYS | {"mean": np.zeros(1)}}, "expected a pyarrow array, got numpy.ndarray"),
        ({"arrays": ARRAYS | {"mean": [1.0]}}, "expected a pyarrow array, got builtins.list"),
        *(
            ({"operations": (changed(SCALE, parameters={"x": value}), ONE_HOT)}, message)
            for value, message in (
                (float("nan"), 'parameter "x": nan has no place in JSON'),
                ([1, float("inf")], 'parameter "x": inf has no place in JSON'),
                (np.int64(3), "expected a JSON scalar or a list, got numpy.int64"),
                ({"a": 1}, "expected a JSON scalar or a list, got builtins.dict"),
                (1 << 64, "does not fit 64 bits"),
            )
        ),
        ({"columns": (AGE, STATE, Column(name="\ud800", type="bool"))}, "does not fit JSON"),
    ],
)
def test_parts_that_do_not_make_a_transform(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(TransformError, match=message):
        spec(**changes).digest  # noqa: B018


ARRAY_TYPES = (pa.float32(), pa.float64(), pa.int32(), pa.int64(), pa.string())


@given(st.sampled_from(ARRAY_TYPES), st.integers(0, 3), st.data())
def test_the_digest_does_not_depend_on_how_arrays_lie(
    kind: pa.DataType, cut: int, data: st.DataObject
) -> None:
    element = {
        "string": st.text(max_size=5),
        "int32": st.integers(-(2**31), 2**31 - 1),
        "int64": st.integers(-(2**63), 2**63 - 1),
    }.get(str(kind), st.floats(width=32))
    values = data.draw(st.lists(st.one_of(st.none(), element), max_size=10))
    plain = canonical_array("a", pa.array(values, kind))
    padded = pa.array([*[None] * 3, *values, *values], kind)[3 : 3 + len(values)]
    chunked = pa.chunked_array([values[:cut], values[cut:]], kind)
    masked = pa.array([*values, None], kind)[: len(values)]
    for other in (padded, chunked, masked):
        got = canonical_array("a", other)
        got.validate(full=True)
        assert [None if part is None else part.to_pybytes() for part in got.buffers()] == [
            None if part is None else part.to_pybytes() for part in plain.buffers()
        ]
        assert repr(got.to_pylist()) == repr(pa.array(values, kind).to_pylist())


def test_values_behind_nulls_do_not_count() -> None:
    for junk in (1.0, 2.0):
        bits = [pa.py_buffer(b"\x01"), pa.py_buffer(struct.pack("<dd", 5.0, junk))]
        array = canonical_array("a", pa.Array.from_buffers(pa.float64(), 2, bits))
        assert array.buffers()[1].to_pybytes() == struct.pack("<dd", 5.0, 0.0)


def scaled(mean: pa.Array) -> Spec:
    return spec(
        columns=(AGE,),
        operations=(SCALE,),
        outputs=(output("z"),),
        arrays={"mean": mean, "scale": pa.array([1.0])},
    )


@given(st.integers(0, 2**64 - 1))
def test_any_bits_of_a_parameter_come_back(bits: int) -> None:
    mean = pa.Array.from_buffers(pa.float64(), 1, [None, pa.py_buffer(struct.pack("<Q", bits))])
    back = Spec.from_bytes(scaled(mean).to_bytes())
    assert back.arrays["mean"].buffers()[1].to_pybytes() == struct.pack("<Q", bits)


def test_what_differs_has_another_digest() -> None:
    def mean(value: float) -> str:
        return scaled(pa.array([value])).digest

    digests = {
        mean(0.0),
        mean(-0.0),
        mean(float("nan")),
        scaled(pa.array([0.0], pa.float32())).digest,
        spec().digest,
        spec(columns=(STATE, AGE)).digest,
        spec(outputs=(output("ca", "z", "ma"),)).digest,
        spec(outputs=(output("z", "ca", "ma", dtype="float64"),)).digest,
        spec(arrays=ARRAYS | {"states": pa.array(["CA", "MB"])}).digest,
        spec(arrays=ARRAYS | {"states": pa.array(["CAM", "A"])}).digest,
    }
    assert len(digests) == 10


def test_arrays_come_in_any_order_and_any_text_type() -> None:
    arrays = {name: ARRAYS[name] for name in sorted(ARRAYS, reverse=True)}
    arrays["states"] = pa.chunked_array([["CA"], ["MA"]], pa.large_string())
    assert spec(arrays=arrays).to_bytes() == spec().to_bytes()


def test_a_transform_without_arrays() -> None:
    plain = spec(columns=(AGE,), operations=(), outputs=(output("age"),), arrays={})
    assert Spec.from_bytes(plain.to_bytes()) == plain


def test_an_empty_array_and_texts_of_any_length() -> None:
    vocabulary = pa.array(["", "é", "a\0b", "x" * 10_000])
    many = spec(
        operations=(
            SCALE,
            changed(ONE_HOT, outputs=tuple("abcd"), parameters={**ONE_HOT.parameters, "widths": [4]}),
        ),
        outputs=(output("z", *"abcd"),),
        arrays=ARRAYS | {"states": vocabulary, "places": pa.array(range(4), pa.int32())},
    )
    back = Spec.from_bytes(many.to_bytes())
    assert back == many
    assert back.arrays["states"].equals(vocabulary)
    empty = canonical_array("a", pa.array([], pa.string()))
    assert len(empty) == 0
    empty.validate(full=True)


def rewritten(change: Any, *, digest: bool = False) -> bytes:
    """The file of a spec whose definition is changed behind its back, with its old digest or a right one."""
    from penstock.transform import file

    data = spec().to_bytes()
    reader = pa.ipc.open_file(data)
    metadata = dict(reader.schema.metadata)
    definition = msgspec.json.decode(metadata[b"penstock.transform"])
    change(definition)
    metadata[b"penstock.transform"] = msgspec.json.encode(definition, order="deterministic")
    if digest:
        metadata[b"penstock.digest"] = file._digest(metadata[b"penstock.transform"], spec().arrays).encode()
    batch = reader.get_batch(0).replace_schema_metadata(metadata)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return sink.getvalue().to_pybytes()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda d: d.update(format=2),
            r"^it: expected format 1, got 2; a newer version of Penstock wrote it$",
        ),
        (lambda d: d.update(more=1), r"^it: Object contains unknown field `more`$"),
        (lambda d: d["operations"][0].update(more=1), r"unknown field `more` - at `\$.operations\[0\]`"),
        (lambda d: d["operations"][0].update(op="sin"), r'^it: operation 0: unknown operation "sin"'),
        (lambda d: d["columns"][0].update(type="text"), '^it: column "age": expected a type of number'),
        (lambda d: d.pop("outputs"), "^it: Object missing required field `outputs`$"),
        (lambda d: d.update(outputs=3), "Expected `array`, got `int`"),
    ],
)
def test_files_of_what_is_no_transform_here(change: Any, message: str) -> None:
    with pytest.raises(TransformError, match=message):
        Spec.from_bytes(rewritten(change, digest=True), "it")


def test_a_changed_definition_is_damage() -> None:
    with pytest.raises(TransformError, match=r"^it: the file of the transform is damaged: expected digest "):
        Spec.from_bytes(rewritten(lambda d: d["columns"][0].update(type="float32")), "it")


def test_other_files() -> None:
    table = pa.table({"x": [1]})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    for data, message in (
        (b"", "expected the file of a transform, an Arrow file"),
        (b"PK\x03\x04", "expected the file of a transform, an Arrow file"),
        (sink.getvalue().to_pybytes(), "expected the file of a transform, got another Arrow file"),
        (b"ARROW1\0\0ARROW1", "the file of the transform is damaged"),
    ):
        with pytest.raises(TransformError, match=f"^it: {message}"):
            Spec.from_bytes(data, "it")


def test_a_truncated_file_at_every_length() -> None:
    data = spec().to_bytes()
    for size in range(8, len(data)):
        with pytest.raises(TransformError, match="truncated"):
            Spec.from_bytes(data[:size])


@pytest.mark.parametrize("seed", range(4))
def test_a_damaged_file_is_refused_or_the_same(seed: int) -> None:
    data = spec().to_bytes()
    rng = random.Random(seed)
    refused = 0
    for _ in range(400):
        damaged = bytearray(data)
        for _ in range(rng.choice([1, 1, 1, 4])):
            damaged[rng.randrange(len(data))] ^= rng.randrange(1, 256)
        try:
            assert Spec.from_bytes(bytes(damaged)) == spec()
        except TransformError as error:
            assert str(error).startswith("transform: ")  # noqa: PT017
            refused += 1
    assert refused > 100


def test_data_may_lie_anywhere() -> None:
    data = spec().to_bytes()
    assert Spec.from_bytes((b"x" + data)[1:]) == spec()
    assert Spec.from_bytes(memoryview(b"x" + data)[1:]) == spec()  # type: ignore[arg-type]
