"""Hypothesis strategies for the bytes of ModelInferRequests: good ones, faulty ones, and no message at all.

Messages are written field by field, so that they can hold what no protobuf library writes: repeated
scalars, fields in any order, unknown ones, other wire types. A request starts as a good one for a
model; faults and noise are drawn on top.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from hypothesis import strategies as st

from penstock.bundle.signature import DATATYPES, TensorSpec

VARINT, FIXED64, BYTES, GROUP, END, FIXED32 = range(6)
CONTENTS = {
    "BOOL": (1, VARINT),
    "INT8": (2, VARINT),
    "INT16": (2, VARINT),
    "INT32": (2, VARINT),
    "INT64": (3, VARINT),
    "UINT8": (4, VARINT),
    "UINT16": (4, VARINT),
    "UINT32": (4, VARINT),
    "UINT64": (5, VARINT),
    "FP32": (6, FIXED32),
    "FP64": (7, FIXED64),
    "BYTES": (8, BYTES),
}
"""Field number and wire type of the typed contents of a datatype."""

Draw = Callable[[st.SearchStrategy[Any]], Any]


# Wire format


def varint(value: int) -> bytes:
    value &= 2**64 - 1
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def tag(number: int, kind: int) -> bytes:
    return varint(number << 3 | kind)


def chunk(number: int, value: bytes | str) -> bytes:
    """One length-delimited field."""
    data = value.encode() if isinstance(value, str) else value
    return tag(number, BYTES) + varint(len(data)) + data


def scalar(kind: int, value: Any) -> bytes:
    """A number without its tag."""
    if kind == FIXED32:
        return struct.pack("<f", value)
    return struct.pack("<d", value) if kind == FIXED64 else varint(value)


# A request, before it is written


@dataclass
class Tensor:
    name: str
    datatype: str
    shape: list[int]
    raw: bytes | None = None
    contents: list[bytes] = field(default_factory=list)  # InferTensorContents, each merged into those before
    parameters: list[bytes] = field(default_factory=list)


@dataclass
class Output:
    name: str
    parameters: list[bytes] = field(default_factory=list)


@dataclass
class Request:
    model: str
    version: str = ""
    id: str = ""
    parameters: list[bytes] = field(default_factory=list)
    inputs: list[Tensor] = field(default_factory=list)
    outputs: list[Output] = field(default_factory=list)
    more_raw: list[bytes] = field(default_factory=list)

    def raw(self) -> list[bytes]:
        return [tensor.raw for tensor in self.inputs if tensor.raw is not None] + self.more_raw


@dataclass(frozen=True)
class Model:
    """What a served model takes, gives, and which versions a request may name."""

    name: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[str, ...]
    batched: bool = True
    versions: tuple[str, ...] = ("1",)


# Values

_TEXT = st.text(max_size=6)
_ELEMENTS: dict[str, st.SearchStrategy[Any]] = {
    "BOOL": st.integers(0, 2**64 - 1) | st.integers(0, 1),
    "FP32": st.floats(width=32),
    "FP64": st.floats(),
    "BYTES": _TEXT.map(str.encode),
}


def elements(datatype: str) -> st.SearchStrategy[Any]:
    """What typed contents of a datatype may hold."""
    if datatype in _ELEMENTS:
        return _ELEMENTS[datatype]
    limits = np.iinfo(DATATYPES[datatype])
    return st.integers(int(limits.min), int(limits.max))


def text_element(data: bytes) -> bytes:
    return struct.pack("<I", len(data)) + data


def raw_of(draw: Draw, datatype: str, count: int) -> bytes:
    if datatype == "BYTES":
        return b"".join(text_element(draw(_ELEMENTS["BYTES"])) for _ in range(count))
    size = count * DATATYPES[datatype].itemsize
    return bytes(draw(st.binary(min_size=size, max_size=size)))


def contents_of(draw: Draw, number: int, kind: int, values: Sequence[Any]) -> bytes:
    """InferTensorContents with values in one field, packed, one by one, or some of each."""
    out, values = b"", list(values)
    while values:
        taken = draw(st.integers(1, len(values)))
        part, values = values[:taken], values[taken:]
        if kind == BYTES:
            out += b"".join(chunk(number, value) for value in part)
        elif draw(st.booleans()):
            out += chunk(number, b"".join(scalar(kind, value) for value in part))
        else:
            out += b"".join(tag(number, kind) + scalar(kind, value) for value in part)
    return out


def fill(draw: Draw, tensor: Tensor, raw: bool) -> None:
    """Give a tensor as many elements as its shape holds."""
    count = int(np.prod(tensor.shape, dtype=object)) if min(tensor.shape, default=0) >= 0 else 1
    count = min(count, 32)
    if raw or tensor.datatype not in CONTENTS:
        datatype = tensor.datatype if tensor.datatype in DATATYPES else "FP32"
        tensor.raw = raw_of(draw, datatype, count)
        return
    number, kind = CONTENTS[tensor.datatype]
    values = draw(st.lists(elements(tensor.datatype), min_size=count, max_size=count))
    cut = draw(st.integers(0, len(values)))
    tensor.contents = [contents_of(draw, number, kind, part) for part in (values[:cut], values[cut:])]


# Parameters

_SIGNED = [-(2**63), -1, 0, 1, 2, 3, 10**8, 2**63 - 1]
_UNSIGNED = [0, 1, 2, 3, 10**8, 2**64 - 1]
_PARAMETERS: dict[int, st.SearchStrategy[bytes]] = {
    1: st.integers(0, 2).map(lambda n: tag(1, VARINT) + varint(n)),
    2: st.sampled_from([-(2**63), -1, 0, 1, 2, 3, 10**6, 2**63 - 1]).map(
        lambda n: tag(2, VARINT) + varint(n)
    ),
    3: _TEXT.map(lambda text: chunk(3, text)),
    4: st.floats().map(lambda x: tag(4, FIXED64) + struct.pack("<d", x)),
    5: st.sampled_from(_UNSIGNED).map(lambda n: tag(5, VARINT) + varint(n)),
}


@st.composite
def parameter(draw: Draw, keys: Sequence[str]) -> bytes:
    """An entry of a parameters map: with a value, several of a oneof, or none."""
    key = chunk(1, draw(st.sampled_from(keys)))
    kinds = draw(st.lists(st.sampled_from(sorted(_PARAMETERS)), max_size=2))
    values = [chunk(2, draw(_PARAMETERS[kind])) for kind in kinds]
    return b"".join(draw(st.permutations([key, *values])))


def good_parameter(key: str, value: int) -> bytes:
    return chunk(1, key) + chunk(2, tag(2, VARINT) + varint(value))


# Good requests


@st.composite
def good_request(draw: Draw, models: Sequence[Model]) -> tuple[Request, Model]:
    model = draw(st.sampled_from(models))
    rows = draw(st.integers(1, 3))
    request = Request(model.name, draw(st.sampled_from(["", *model.versions])), draw(_TEXT))
    raw = draw(st.booleans()) or any(spec.datatype == "FP16" for spec in model.inputs)
    for spec in draw(st.permutations(model.inputs)):
        shape = [draw(st.integers(0, 3)) if size < 0 else size for size in spec.shape]
        if model.batched:
            shape[0] = rows
        tensor = Tensor(spec.name, spec.datatype, shape)
        fill(draw, tensor, raw)
        request.inputs.append(tensor)
    if draw(st.booleans()):
        wanted = draw(st.lists(st.sampled_from(model.outputs), unique=True))
        request.outputs = [Output(name) for name in wanted]
    if draw(st.integers(0, 3)) == 0:
        request.parameters.append(good_parameter("priority", draw(st.integers(0, 2))))
    if draw(st.integers(0, 3)) == 0:
        request.parameters.append(good_parameter("timeout", draw(st.sampled_from([0, 10**8, 2**63 - 1]))))
    return request, model


# Faults: each spoils a request in one way, or leaves it good in an unusual one

_NAMES = st.sampled_from(["", "x", "X", "a", "y", "ünknown", "naïve\n\0", '"', "%20%", "z" * 1100, "é" * 600])
_DIMS = st.sampled_from([-(2**63), -2, -1, 0, 1, 2, 3, 7, 2**31 - 1, 2**31, 2**32, 2**62, 2**63 - 1])
_VERSIONS = st.sampled_from(
    ["1", "2", "3", "4", "0", "01", "-1", "+1", " 1", "1.0", "x", "١", "999999999", "1000000000", "9" * 30]
)


def _any_input(draw: Draw, request: Request) -> Tensor:
    if not request.inputs:
        request.inputs.append(Tensor("x", "FP32", [1, 2], raw=bytes(8)))
    return draw(st.sampled_from(request.inputs))


def _other_model(draw: Draw, request: Request, model: Model) -> None:
    request.model = draw(_NAMES | st.just("broken"))


def _other_version(draw: Draw, request: Request, model: Model) -> None:
    request.version = draw(_VERSIONS)


def _parameters(draw: Draw, request: Request, model: Model) -> None:
    keys = ["priority", "timeout", "other", ""]
    request.parameters += draw(st.lists(parameter(keys), min_size=1, max_size=3))


def _short_timeout(draw: Draw, request: Request, model: Model) -> None:
    request.parameters.append(good_parameter("timeout", 1))


def _input_name(draw: Draw, request: Request, model: Model) -> None:
    _any_input(draw, request).name = draw(_NAMES)


def _input_datatype(draw: Draw, request: Request, model: Model) -> None:
    names = [*DATATYPES, "", "fp32", "BF16", "FLOAT", "FP32 ", "ü"]
    _any_input(draw, request).datatype = draw(st.sampled_from(names))


def _input_shape(draw: Draw, request: Request, model: Model) -> None:
    _any_input(draw, request).shape = draw(st.lists(_DIMS, max_size=4))


def _one_dim(draw: Draw, request: Request, model: Model) -> None:
    tensor = _any_input(draw, request)
    if tensor.shape:
        tensor.shape[draw(st.integers(0, len(tensor.shape) - 1))] = draw(_DIMS)


def _refill(draw: Draw, request: Request, model: Model) -> None:
    """Other rows, with data to match: the row counts may come to differ."""
    tensor = _any_input(draw, request)
    if tensor.shape:
        tensor.shape[0] = draw(st.integers(0, 4))
        fill(draw, tensor, raw=tensor.raw is not None)


def _input_parameter(draw: Draw, request: Request, model: Model) -> None:
    keys = ["shared_memory_region", "binary_data_size", ""]
    _any_input(draw, request).parameters.append(draw(parameter(keys)))


def _raw_size(draw: Draw, request: Request, model: Model) -> None:
    tensor = _any_input(draw, request)
    raw = tensor.raw or b""
    cut = draw(st.integers(0, len(raw)))
    tensor.raw = raw[:cut] + draw(st.binary(max_size=9))


def _typed_values(draw: Draw, request: Request, model: Model) -> None:
    """Elements in some field, of some number."""
    tensor = _any_input(draw, request)
    datatype = draw(st.sampled_from([*CONTENTS, tensor.datatype]))
    number, kind = CONTENTS.get(datatype, (6, FIXED32))
    wide: dict[int, st.SearchStrategy[Any]] = {
        VARINT: st.integers(-(2**63), 2**64 - 1) | st.integers(-300, 70_000),
        FIXED32: st.floats(width=32),
        FIXED64: st.floats(),
        BYTES: st.binary(max_size=4),
    }
    contents = contents_of(draw, number, kind, draw(st.lists(wide[kind], max_size=8)))
    if draw(st.booleans()):
        tensor.contents = []
    tensor.contents.append(contents)


def _out_of_range(draw: Draw, request: Request, model: Model) -> None:
    tensor = _any_input(draw, request)
    number, kind = CONTENTS.get(tensor.datatype, (6, FIXED32))
    if kind == VARINT and min(tensor.shape, default=0) >= 0:
        count = min(int(np.prod(tensor.shape, dtype=object)), 32)
        values = draw(st.lists(st.integers(-(2**33), 2**33), min_size=count, max_size=count))
        tensor.raw, tensor.contents = None, [contents_of(draw, number, kind, values)]


def _mixed(draw: Draw, request: Request, model: Model) -> None:
    tensor = _any_input(draw, request)
    tensor.raw = tensor.raw if tensor.raw is not None else b"\0" * 8
    tensor.contents.append(draw(st.sampled_from([b"", chunk(6, b""), chunk(6, bytes(4)), chunk(8, b"")])))


def _raw_count(draw: Draw, request: Request, model: Model) -> None:
    if draw(st.booleans()):
        request.more_raw = draw(st.lists(st.binary(max_size=12), min_size=1, max_size=3))
    else:
        _any_input(draw, request).raw = None


def _other_inputs(draw: Draw, request: Request, model: Model) -> None:
    tensors = request.inputs
    request.inputs = draw(st.lists(st.sampled_from(tensors), max_size=4)) if tensors else []


def _more_input(draw: Draw, request: Request, model: Model) -> None:
    tensor = Tensor(draw(_NAMES), "FP32", [1, 2])
    fill(draw, tensor, raw=draw(st.booleans()))
    request.inputs.insert(draw(st.integers(0, len(request.inputs))), tensor)


def _other_outputs(draw: Draw, request: Request, model: Model) -> None:
    names = st.sampled_from(model.outputs) | _NAMES
    request.outputs += [Output(name) for name in draw(st.lists(names, min_size=1, max_size=3))]


def _output_parameter(draw: Draw, request: Request, model: Model) -> None:
    keys = ["classification", "shared_memory_region", "binary_data"]
    output = Output(
        draw(st.sampled_from(model.outputs)), draw(st.lists(parameter(keys), min_size=1, max_size=2))
    )
    request.outputs.append(output)


FAULTS = (
    _other_model,
    _other_version,
    _parameters,
    _short_timeout,
    _input_name,
    _input_datatype,
    _input_shape,
    _one_dim,
    _refill,
    _input_parameter,
    _raw_size,
    _typed_values,
    _out_of_range,
    _mixed,
    _raw_count,
    _other_inputs,
    _more_input,
    _other_outputs,
    _output_parameter,
)


# Writing, with noise


@st.composite
def unknown_field(draw: Draw, known: int) -> bytes:
    """A field that a message does not have: a number beyond its own, or one of its own as another type."""
    numbers = st.integers(known + 1, known + 12) | st.sampled_from([100, 2**28, 2**29 - 1])
    number = draw(numbers | st.integers(1, known))
    kinds = [VARINT, FIXED64, FIXED32, GROUP] if number <= known else [VARINT, FIXED64, BYTES, FIXED32, GROUP]
    kind = draw(st.sampled_from(kinds))
    if kind == GROUP:
        inner = draw(
            st.sampled_from([b"", chunk(1, b"x"), tag(3, GROUP) + tag(3, END), tag(9, FIXED32) + b"1234"])
        )
        return tag(number, GROUP) + inner + tag(number, END)
    if kind == BYTES:
        return chunk(number, draw(st.binary(max_size=5)))
    size = {FIXED64: 8, FIXED32: 4}.get(kind)
    return tag(number, kind) + (varint(draw(st.integers(0, 2**64 - 1))) if size is None else bytes(size))


class Writer:
    """Writes messages; with noise it adds unknown fields, repeats scalars and reorders."""

    def __init__(self, draw: Draw, noise: int) -> None:
        self._draw = draw
        self._noise = noise  # of 10, how often

    def _noisy(self) -> bool:
        return bool(self._noise) and self._draw(st.integers(0, 9)) < self._noise

    def message(self, fields: list[bytes], known: int) -> bytes:
        if self._noisy() and fields:
            again = self._draw(st.sampled_from(fields))
            fields = [*fields, again]
        if self._noisy():
            fields = [*fields, self._draw(unknown_field(known))]
        if self._noisy():
            fields = self._draw(st.permutations(fields))
        return b"".join(fields)

    def shape(self, dims: list[int]) -> list[bytes]:
        if not dims:
            return []
        if self._noisy():
            return [tag(3, VARINT) + varint(dim) for dim in dims]
        return [chunk(3, b"".join(map(varint, dims)))]

    def tensor(self, tensor: Tensor) -> bytes:
        fields = [
            chunk(1, tensor.name),
            chunk(2, tensor.datatype),
            *self.shape(tensor.shape),
            *(chunk(4, entry) for entry in tensor.parameters),
            *(chunk(5, self.message([part], 8)) for part in tensor.contents),
        ]
        return self.message(fields, 5)

    def output(self, output: Output) -> bytes:
        return self.message([chunk(1, output.name), *(chunk(2, entry) for entry in output.parameters)], 2)

    def request(self, request: Request) -> bytes:
        fields = [
            chunk(1, request.model),
            *([chunk(2, request.version)] if request.version or self._noisy() else []),
            *([chunk(3, request.id)] if request.id else []),
            *(chunk(4, entry) for entry in request.parameters),
            *(chunk(5, self.tensor(tensor)) for tensor in request.inputs),
            *(chunk(6, self.output(output)) for output in request.outputs),
            *(chunk(7, raw) for raw in request.raw()),
        ]
        return self.message(fields, 7)


def _damaged(draw: Draw, data: bytes) -> bytes:
    """Cut, flip, insert, delete or repeat some bytes."""
    at = draw(st.integers(0, len(data)))
    end = min(len(data), at + draw(st.integers(0, 6)))
    how = draw(st.sampled_from(["cut", "flip", "insert", "delete", "repeat"]))
    if how == "cut":
        return data[:at]
    if how == "flip" and at < len(data):
        return data[:at] + bytes([data[at] ^ 1 << draw(st.integers(0, 7))]) + data[at + 1 :]
    if how == "insert":
        return data[:at] + draw(st.binary(min_size=1, max_size=6)) + data[at:]
    if how == "repeat":
        return data[:end] + data[at:]
    return data[:at] + data[end:]


@st.composite
def request_bytes(draw: Draw, models: Sequence[Model]) -> bytes:
    """The bytes of a request: some good, most with a fault or two, some no message at all."""
    request, model = draw(good_request(models))
    for fault in draw(st.lists(st.sampled_from(FAULTS), max_size=2)):
        fault(draw, request, model)
    data = Writer(draw, draw(st.sampled_from([0, 0, 1, 3]))).request(request)
    for _ in range(draw(st.sampled_from([0, 0, 0, 0, 1, 2]))):
        data = _damaged(draw, data)
    return data
