"""What each refusal of a request is counted as: the input and the reason, in both fronts by one table."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from penstock.batching import REFUSAL_REASONS
from penstock.bundle.signature import Signature, TensorSpec
from penstock.errors import SignatureError
from penstock.serve.codec import ModelInferRequest, decode

SIGNATURE = Signature(
    (
        TensorSpec("a", "FP32", (-1, 3)),
        TensorSpec("b", "INT8", (-1,)),
        TensorSpec("s", "BYTES", (-1,)),
        TensorSpec("h", "FP16", (-1,)),
    ),
    (TensorSpec("p", "FP32", (-1,)),),
    batched=True,
)


class Catalog:
    def signature(self, model: str, version: int | None = None) -> Signature:
        return SIGNATURE


def good() -> Any:
    request = ModelInferRequest(model_name="m")
    for spec, raw in zip(
        SIGNATURE.inputs, (bytes(24), b"\1\2", struct.pack("<IsI", 1, b"x", 0), bytes(4)), strict=True
    ):
        shape = [2, 3] if spec.name == "a" else [2]
        request.inputs.add(name=spec.name, datatype=spec.datatype, shape=shape)
        request.raw_input_contents.append(raw)
    return request


def typed(request: Any, index: int, **contents: Any) -> None:
    """Send all inputs in typed fields; one as it is told."""
    del request.raw_input_contents[:]
    usual: list[dict[str, Any]] = [
        {"fp32_contents": np.zeros(6)},
        {"int_contents": [1, 2]},
        {"bytes_contents": [b"x", b""]},
        {},
    ]
    usual[index] = contents
    for tensor, fields in zip(request.inputs, usual, strict=True):
        for field, values in fields.items():
            getattr(tensor.contents, field).extend(values)


def named(index: int, name: str) -> Callable[[Any], None]:
    return lambda request: setattr(request.inputs[index], "name", name)


def shaped(index: int, *shape: int) -> Callable[[Any], None]:
    def change(request: Any) -> None:
        request.inputs[index].shape[:] = shape

    return change


def sent(index: int, raw: bytes) -> Callable[[Any], None]:
    def change(request: Any) -> None:
        request.raw_input_contents[index] = raw

    return change


def three_rows(request: Any) -> None:
    shaped(1, 3)(request)
    sent(1, b"\1\2\3")(request)


REFUSED: list[tuple[str, Callable[[Any], Any], str, str]] = [
    ("an input that is not there", lambda r: (r.inputs.pop(), r.raw_input_contents.pop()), "h", "missing"),
    ("an input that the model has not", named(0, "z"), "", "unknown"),
    ("an input twice", lambda r: r.inputs[1].CopyFrom(r.inputs[0]), "a", "repeated"),
    ("another datatype", lambda r: setattr(r.inputs[1], "datatype", "INT16"), "b", "datatype"),
    ("another shape", shaped(0, 2, 4), "a", "shape"),
    ("no rows", shaped(1, 0), "b", "shape"),
    ("other rows", three_rows, "b", "rows"),
    ("too few bytes", sent(0, bytes(20)), "a", "size"),
    ("texts that are cut", sent(2, b"\1\0\0\0"), "s", "size"),
    ("a text that is not UTF-8", sent(2, struct.pack("<IsI", 1, b"\xff", 0)), "s", "text"),
    (
        "shared memory",
        lambda r: r.inputs[0].parameters["shared_memory_region"].SetInParent(),
        "a",
        "unsupported",
    ),
    ("half precision in typed fields", lambda r: typed(r, 3), "h", "unsupported"),
    ("too few elements", lambda r: typed(r, 0, fp32_contents=[1.0]), "a", "size"),
    ("elements of another field", lambda r: typed(r, 1, int64_contents=[1, 2]), "b", "size"),
    ("an element out of range", lambda r: typed(r, 1, int_contents=[1, 200]), "b", "range"),
    ("a typed text that is not UTF-8", lambda r: typed(r, 2, bytes_contents=[b"\xff", b""]), "s", "text"),
    ("buffers without inputs", lambda r: r.raw_input_contents.append(b""), "", "contents"),
    ("raw and typed", lambda r: r.inputs[0].contents.fp32_contents.append(1), "", "contents"),
    ("a priority", lambda r: setattr(r.parameters["priority"], "int64_param", 9), "", "parameter"),
    ("a timeout", lambda r: setattr(r.parameters["timeout"], "int64_param", -1), "", "parameter"),
    ("an unknown output", lambda r: r.outputs.add(name="q"), "", "output"),
    ("an output twice", lambda r: (r.outputs.add(name="p"), r.outputs.add(name="p")), "", "output"),
]


@pytest.mark.parametrize(
    ("change", "name", "reason"), [row[1:] for row in REFUSED], ids=[r[0] for r in REFUSED]
)
def test_every_refusal_says_what_it_counts_as(change: Callable[[Any], Any], name: str, reason: str) -> None:
    request = good()
    change(request)
    with pytest.raises(SignatureError) as caught:
        decode(request, Catalog())
    assert (caught.value.name, caught.value.reason) == (name, reason)
    assert reason in REFUSAL_REASONS


def test_the_request_before_it_is_changed_is_good() -> None:
    assert decode(good(), Catalog()).inputs["s"].tolist() == ["x", ""]
