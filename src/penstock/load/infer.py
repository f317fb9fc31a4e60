"""ModelInfer requests to load a server with: random rows, or rows of a table, one message each."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

import numpy as np

from penstock.bundle.signature import Signature, TensorSpec
from penstock.protos import message_class

__all__ = ["INFER_PATH", "encode_request", "random_inputs", "signature_of", "slices"]

INFER_PATH = "/inference.GRPCInferenceService/ModelInfer"

_LENGTH = struct.Struct("<I")
_MAX_INTEGER = 100


def signature_of(metadata: Any) -> Signature:
    """Return the signature that a ModelMetadataResponse describes.

    The protocol does not say whether a model is batched; one whose tensors all have a variable first
    dimension is taken to be.
    """

    def specs(tensors: Any) -> tuple[TensorSpec, ...]:
        return tuple(TensorSpec(tensor.name, tensor.datatype, tuple(tensor.shape)) for tensor in tensors)

    inputs, outputs = specs(metadata.inputs), specs(metadata.outputs)
    batched = all(spec.shape[:1] == (-1,) for spec in inputs + outputs)
    return Signature(inputs, outputs, batched=batched)


def random_inputs(signature: Signature, rows: int, seed: int = 0) -> dict[str, np.ndarray[Any, Any]]:
    """Draw inputs of so many rows: standard normal floats, integers of 0 to 99, coin flips, short words.

    Other variable dimensions get the size 1. A model that is not batched gets one set, whatever `rows`.

    Examples
    --------
    >>> x, y = TensorSpec("x", "FP32", (-1, 2)), TensorSpec("y", "FP32", (-1,))
    >>> random_inputs(Signature((x,), (y,), batched=True), rows=3)["x"].shape
    (3, 2)
    """
    random = np.random.default_rng(seed)

    def draw(spec: TensorSpec) -> np.ndarray[Any, Any]:
        first = (rows,) if signature.batched else ()
        shape = first + tuple(1 if size == -1 else size for size in spec.shape[len(first) :])
        if spec.dtype.kind == "f":
            return random.standard_normal(shape).astype(spec.dtype)
        if spec.dtype.kind == "b":
            return random.random(shape) < 0.5
        integers = random.integers(0, _MAX_INTEGER, shape)
        if spec.dtype.kind == "O":
            return np.char.add("word", integers.astype(str)).astype(object)
        return integers.astype(spec.dtype)

    return {spec.name: draw(spec) for spec in signature.inputs}


def slices(
    inputs: dict[str, np.ndarray[Any, Any]], rows: int, step: int
) -> Iterator[dict[str, np.ndarray[Any, Any]]]:
    """Cut inputs into consecutive requests of `step` rows; an incomplete last one is left out."""
    for start in range(0, rows - step + 1, step):
        yield {name: array[start : start + step] for name, array in inputs.items()}


def encode_request(
    model: str, version: int | None, signature: Signature, inputs: dict[str, np.ndarray[Any, Any]]
) -> bytes:
    """Serialize a ModelInferRequest with raw contents that asks for all outputs."""
    request = message_class("ModelInferRequest")(model_name=model, model_version=str(version or ""))
    for spec in signature.inputs:
        array = inputs[spec.name]
        request.inputs.add(name=spec.name, datatype=spec.datatype, shape=array.shape)
        request.raw_input_contents.append(_raw(array))
    return bytes(request.SerializeToString())


def _raw(array: np.ndarray[Any, Any]) -> bytes:
    if array.dtype.kind != "O":
        return array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()
    elements = (item if isinstance(item, bytes) else str(item).encode() for item in array.ravel())
    return b"".join(_LENGTH.pack(len(item)) + item for item in elements)
