"""The native front and the grpcio front give the same status, message and bytes to the same request.

They count the refused alike too: by model, input and reason.

More examples than the suite has time for: PENSTOCK_DIFFERENTIAL_EXAMPLES=20000 and another
PENSTOCK_DIFFERENTIAL_SEED each time.
"""

from __future__ import annotations

import collections
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import grpc
import hypothesis
import models
import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from onnx import helper
from prometheus_client.parser import text_string_to_metric_families
from serving import ServerProcess
from wire_requests import CONTENTS, END, GROUP, Model, chunk, request_bytes, tag, varint

from penstock.batching import REFUSAL_REASONS
from penstock.bundle.signature import DATATYPES, TensorSpec

EXAMPLES = int(os.environ.get("PENSTOCK_DIFFERENTIAL_EXAMPLES", "1000"))
SEED = int(os.environ.get("PENSTOCK_DIFFERENTIAL_SEED", "1"))
METHOD = "/inference.GRPCInferenceService/ModelInfer"


def words(path: Path) -> Path:
    """`größe` FP32 [-1,1] gives `"out"` = größe: names that need care in messages."""
    graph = helper.make_graph(
        [helper.make_node("Identity", ["größe"], ['"out"'])],
        "words",
        [models.tensor("größe", "FP32", ["n", 1])],
        [models.tensor('"out"', "FP32", ["n", 1])],
    )
    return models.save(path, graph)


SERVED = (
    *(Model(name.lower(), (TensorSpec("x", name, (-1, 2)),), ("y",)) for name in DATATYPES),
    Model("affine", (TensorSpec("x", "FP32", (-1, 4)),), ("y",), versions=("1", "2")),
    Model(
        "several",
        (
            TensorSpec("a", "FP32", (-1, 2)),
            TensorSpec("b", "INT64", (-1,)),
            TensorSpec("s", "BYTES", (-1, 1)),
        ),
        ("total", "next", "text"),
    ),
    Model("free", (TensorSpec("x", "INT16", (-1, -1)),), ("y",)),
    Model("free_text", (TensorSpec("x", "BYTES", (-1, -1)),), ("y",)),
    Model("words", (TensorSpec("größe", "FP32", (-1, 1)),), ('"out"',)),
    Model("lookup", (TensorSpec("x", "INT64", (-1,)),), ("y",)),
    Model("unbatched", (TensorSpec("x", "FP32", (3,)),), ("y", "total"), batched=False),
    Model("two", (TensorSpec("x", "FP32", (-1,)), TensorSpec("z", "FP32", (-1,))), ("y",), batched=False),
    Model("scalar", (TensorSpec("x", "BYTES", ()),), ("y",), batched=False),
)


def publish(root: Path) -> None:
    for datatype in DATATYPES:
        models.publish(root, datatype.lower(), 1, models.identity, datatype=datatype, shape=("n", 2))
    for version in (1, 2, 3):
        models.publish(root, "affine", version, models.affine, bias=version)
    models.publish(root, "several", 1, models.several)
    models.publish(root, "free", 1, models.identity, datatype="INT16", shape=("n", "k"))
    models.publish(root, "free_text", 1, models.identity, datatype="BYTES", shape=("n", "k"))
    models.publish(root, "words", 1, words)
    models.publish(root, "lookup", 1, models.lookup)
    models.publish(root, "unbatched", 1, models.unbatched)
    models.publish(root, "two", 1, models.two_symbols)
    models.publish(root, "scalar", 1, models.identity, datatype="BYTES", shape=())
    models.publish(root, "broken", 1, models.unknown_operator)


@dataclass(frozen=True)
class Answer:
    """What a client sees of a call."""

    code: str
    message: str
    request_id: str
    response: bytes


class Side:
    """One front, asked over one connection."""

    def __init__(self, process: ServerProcess) -> None:
        self.process = process
        self.channel = grpc.insecure_channel(process.grpc)
        self._call = self.channel.unary_unary(METHOD)

    def ask(self, data: bytes) -> Answer:
        """Send bytes under a request id of ours, which failures then repeat."""
        try:
            response, call = self._call.with_call(data, metadata=(("x-request-id", "the-same"),), timeout=60)
        except grpc.RpcError as error:
            ids = dict(error.trailing_metadata())
            return Answer(error.code().name, error.details(), str(ids.get("x-request-id")), b"")
        return Answer(call.code().name, call.details(), "", response)


@pytest.fixture(scope="module")
def sides(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Side, Side]]:
    pytest.importorskip("penstock.serve._front", reason="the native front is not built here")
    root = tmp_path_factory.mktemp("models")
    publish(root)
    config = {"affine": {"version": 2, "extra_versions": [1]}}
    pair = [Side(ServerProcess(root, front, models=config)) for front in ("native", "grpcio")]
    yield pair[0], pair[1]
    for side in pair:
        side.channel.close()
        side.process.close()


def refusals(side: Side) -> dict[tuple[str, str, str, str], float]:
    """Return the refused requests by model, version, input and reason."""
    labels = ("model", "version", "input", "reason")
    families = text_string_to_metric_families(side.process.get("/metrics").text)
    (family,) = (family for family in families if family.name == "penstock_refused_inputs")
    return {
        tuple(sample.labels[label] for label in labels): sample.value
        for sample in family.samples
        if sample.name == "penstock_refused_inputs_total"
    }  # type: ignore[return-value]


SERVED_BY_NAME = {model.name: model for model in SERVED}
KNOWN_INPUTS = {spec.name for model in SERVED for spec in model.inputs}

EXPECTED = {
    "OK",
    "INVALID_ARGUMENT",
    "NOT_FOUND",
    "UNAVAILABLE",
    "DEADLINE_EXCEEDED",
    "INTERNAL",
}


def same(sides: tuple[Side, Side], data: bytes) -> Answer:
    native, oracle = (side.ask(data) for side in sides)
    assert native == oracle
    assert native.code in EXPECTED, native
    assert native.code != "UNAVAILABLE" or "is not ready: " in native.message, native
    assert native.request_id == ("" if native.code == "OK" else "the-same")
    return native


def test_generated_requests(sides: tuple[Side, Side]) -> None:
    codes: collections.Counter[str] = collections.Counter()
    messages: set[str] = set()

    @hypothesis.seed(SEED)
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(request_bytes(SERVED))
    def run(data: bytes) -> None:
        answer = same(sides, data)
        codes[answer.code] += 1
        messages.add("".join(answer.message.split('"')[::2]))

    run()
    print(dict(codes))
    assert codes["OK"] > EXAMPLES / 10, codes
    # Whether a deadline of a microsecond passes before the request is read is up to the machine.
    assert set(codes) | {"DEADLINE_EXCEEDED"} == EXPECTED, codes
    assert len(messages) > 30, sorted(messages)
    for side in sides:
        assert side.process.process.poll() is None


@pytest.mark.parametrize("model", SERVED, ids=lambda model: model.name)
def test_good_requests_are_answered(sides: tuple[Side, Side], model: Model) -> None:
    tensors, buffers = b"", b""
    for spec in model.inputs:
        shape = [1 if size < 0 else size for size in spec.shape]
        element = b"\1\0\0\0k" if spec.datatype == "BYTES" else bytes(spec.element_bytes)
        dims = chunk(3, b"".join(map(varint, shape))) if shape else b""
        tensors += chunk(5, chunk(1, spec.name) + chunk(2, spec.datatype) + dims)
        buffers += chunk(7, element * int(np.prod(shape)))
    assert same(sides, chunk(1, model.name) + tensors + buffers).code == "OK"


def groups(depth: int) -> bytes:
    """Groups of field 15 in each other."""
    return tag(15, GROUP) * depth + tag(15, END) * depth


EDGES = {
    "nothing": b"",
    "tag of field 0": b"\0\0",
    "tag of eleven bytes": b"\xff" * 10 + b"\1",
    "tag over 32 bits": varint(2**33 | 8) + b"\0",
    "tag of wire type 6": varint(9 << 3 | 6),
    "tag of wire type 7": varint(9 << 3 | 7) + b"\0",
    **{f"tag of {n + 2} bytes": b"\x8a" + b"\x80" * n + b"\0" + b"\1x" for n in range(10)},
    "overlong length": b"\x0a\x81\x80\x80\0x",
    "length of ten bytes": b"\x0a" + b"\x81" + b"\x80" * 8 + b"\0x",
    "length of 2 GiB": b"\x0a" + varint(2**31) + b"x",
    "length of 2^64 - 1": b"\x0a" + varint(2**64 - 1) + b"x",
    "varint of ten bytes": tag(9, 0) + b"\xff" * 9 + b"\1",
    "varint of ten bytes, over 64 bits": tag(9, 0) + b"\xff" * 9 + b"\2",
    "length of ten bytes, over 64 bits": tag(1, 2) + b"\x80" * 9 + b"\2",
    **{
        f"dim of ten bytes, the last {n}": chunk(1, "affine")
        + chunk(5, chunk(1, "x") + chunk(2, "FP32") + chunk(3, b"\xff" * 9 + bytes([n])))
        for n in (1, 2, 3, 127)
    },
    "varint of eleven bytes": tag(9, 0) + b"\xff" * 10 + b"\1",
    "end of a group that did not begin": tag(9, 4),
    "group that does not end": tag(9, 3),
    "group that ends as another": tag(9, 3) + tag(10, 4),
    **{f"groups {n} deep": groups(n) for n in (99, 100, 101, 200, 5000)},
    **{f"groups {n} deep in a tensor": chunk(5, groups(n)) for n in (99, 100)},
    **{f"groups {n} deep in an output": chunk(6, groups(n)) for n in (99, 100)},
    **{f"groups {n} deep in contents": chunk(5, chunk(5, groups(n))) for n in (98, 99)},
    **{f"groups {n} deep in a parameter": chunk(4, chunk(2, groups(n))) for n in (98, 99)},
    **{f"groups {n} deep in a parameter of a tensor": chunk(5, chunk(4, groups(n))) for n in (98, 99)},
    "invalid UTF-8 in a name": chunk(1, b"\xff"),
    "a surrogate in a name": chunk(1, b"\xed\xa0\x80"),
    "overlong UTF-8 in a name": chunk(1, b"\xc0\x80"),
    "a code point beyond Unicode": chunk(1, b"\xf4\x90\x80\x80"),
    "cut UTF-8 after eight bytes": chunk(1, b"a" * 8 + b"\xe2\x82"),
    "invalid UTF-8 that a later name replaces": chunk(1, b"\xff") + chunk(1, b"affine"),
    "invalid UTF-8 in an id": chunk(1, "affine") + chunk(3, b"\xfe"),
    "invalid UTF-8 in a key": chunk(1, "affine") + chunk(4, chunk(1, b"\xfe")),
    "invalid UTF-8 in a string parameter": chunk(4, chunk(1, "k") + chunk(2, chunk(3, b"\xfe"))),
    "invalid UTF-8 in an unknown field": chunk(1, "affine") + chunk(99, b"\xfe"),
    "invalid UTF-8 in a datatype": chunk(1, "affine") + chunk(5, chunk(2, b"\xfe")),
    "invalid UTF-8 in an output": chunk(1, "affine") + chunk(6, chunk(1, b"\xfe")),
    "a map entry with an unknown field": chunk(1, "affine")
    + chunk(4, chunk(1, "timeout") + tag(2, 0) + b"\2"),
    "a map entry without a key": chunk(1, "affine") + chunk(4, chunk(2, tag(1, 0) + b"\1")),
    "a map entry without a value": chunk(1, "affine") + chunk(4, chunk(1, "timeout")),
    "cut packed floats": chunk(1, "affine") + chunk(5, chunk(5, chunk(6, b"123"))),
    "cut packed varints": chunk(1, "affine") + chunk(5, chunk(5, chunk(3, b"\x80"))),
    "cut packed shape": chunk(1, "affine") + chunk(5, chunk(3, b"\1\x80")),
}


@pytest.mark.parametrize("data", EDGES.values(), ids=EDGES.keys())
def test_edges_of_the_wire_format(sides: tuple[Side, Side], data: bytes) -> None:
    assert same(sides, data).code in ("INVALID_ARGUMENT", "NOT_FOUND")


@pytest.mark.parametrize(
    ("shape", "code"),
    [
        ((2**62, 0), "INVALID_ARGUMENT"),
        ((65_537, 0), "INVALID_ARGUMENT"),
        ((65_536, 0), "OK"),
        ((3, 0), "OK"),
        ((3, 2**62), "INVALID_ARGUMENT"),
        ((0, 0), "INVALID_ARGUMENT"),
        ((0, 2**62), "INVALID_ARGUMENT"),
    ],
)
@pytest.mark.parametrize(("model", "datatype"), [("free", "INT16"), ("free_text", "BYTES")])
def test_rows_without_elements(
    sides: tuple[Side, Side], model: str, datatype: str, shape: tuple[int, int], code: str
) -> None:
    tensor = chunk(1, "x") + chunk(2, datatype) + chunk(3, b"".join(map(varint, shape)))
    answer = same(sides, chunk(1, model) + chunk(5, tensor) + chunk(7, b""))
    assert answer.code == code
    if code != "OK":
        assert answer.message == f'input "x": expected shape [-1,-1], got [{shape[0]},{shape[1]}]'


@pytest.mark.parametrize("datatype", sorted(set(DATATYPES) - {"FP16"}))
def test_typed_and_raw_contents_give_the_same_bytes(sides: tuple[Side, Side], datatype: str) -> None:
    number, _ = CONTENTS[datatype]
    if datatype == "BYTES":
        raw, typed = b"\1\0\0\0a" + b"\0\0\0\0", chunk(8, b"a") + chunk(8, b"")
    else:
        array = np.array([1, 0], DATATYPES[datatype])
        raw = array.tobytes()
        typed = chunk(number, raw if array.dtype.kind == "f" else b"\1\0")
    head = chunk(1, datatype.lower())
    tensor = chunk(1, "x") + chunk(2, datatype) + chunk(3, b"\1\2")
    first = same(sides, head + chunk(5, tensor) + chunk(7, raw))
    assert first.code == "OK", first
    assert same(sides, head + chunk(5, tensor + chunk(5, typed))) == first


def test_refusals_are_counted_alike(sides: tuple[Side, Side]) -> None:
    """Of all requests above, and of one for each reason that they may leave out."""
    head = chunk(1, "several")
    a, b, s = (chunk(1, spec.name) + chunk(2, spec.datatype) for spec in SERVED_BY_NAME["several"].inputs)
    tensors = (
        chunk(5, a + chunk(3, b"\1\2")) + chunk(5, b + chunk(3, b"\1")) + chunk(5, s + chunk(3, b"\1\1"))
    )
    more = tensors.replace(chunk(3, b"\1\1"), chunk(3, b"\2\1"))
    data, text = chunk(7, bytes(8)) + chunk(7, bytes(8)), chunk(7, b"\1\0\0\0\xff")
    assert same(sides, head + tensors + data + text).message.endswith("is not valid UTF-8")
    assert " rows; input " in same(sides, head + more + data + chunk(7, bytes(8))).message
    twice = chunk(5, a + chunk(3, b"\1\2"))
    assert same(sides, head + twice + twice + data).message.endswith("is given more than once")
    large = chunk(5, chunk(1, "x") + chunk(2, "INT8") + chunk(3, b"\1\2") + chunk(5, chunk(2, b"\1\x80\1")))
    assert same(sides, chunk(1, "int8") + large).message.endswith("is out of range for INT8")
    refused = refusals(sides[0])
    assert refused == refusals(sides[1])
    assert {reason for *_, reason in refused} == set(REFUSAL_REASONS) - {"rule", "value"}
    assert {name for _, _, name, _ in refused} <= KNOWN_INPUTS | {"", "other"}
