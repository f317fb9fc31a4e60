"""ModelInfer messages to and from arrays, in plain Python.

This is the reference for the native front, which must give the same statuses, messages and
bytes; keep it slow, obvious and complete. The order of the checks is part of the contract.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
import struct
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from google.protobuf.message import DecodeError

from penstock.bundle.repository import parse_version
from penstock.bundle.signature import Signature, TensorSpec, datatype_of, format_shape, quoted
from penstock.errors import InferenceError, ModelNotFoundError, ModelNotReadyError, SignatureError
from penstock.protos import message_class

__all__ = ["Catalog", "InferCall", "decode", "encode", "parse", "requested_version"]

_MAX_TENSOR_BYTES = 2**31 - 1
_MAX_EMPTY_ROWS = 65_536
_MAX_PRIORITY = 2

ModelInferRequest = message_class("ModelInferRequest")
ModelInferResponse = message_class("ModelInferResponse")


class Catalog(Protocol):
    """What decoding asks of an engine."""

    def signature(self, model: str, version: int | None = None) -> Signature:
        """Return the signature of a version, of the active one for none."""


@dataclasses.dataclass(frozen=True, slots=True)
class InferCall:
    """A request that passed every check."""

    model: str
    version: int | None
    """None for the version that is active when it runs."""
    id: str
    inputs: dict[str, np.ndarray]
    outputs: tuple[str, ...]
    """In the order of the answer; empty for all."""
    priority: int
    timeout_s: float | None
    """From the ``timeout`` parameter alone."""


_CONTENTS = {
    "BOOL": "bool_contents",
    "UINT8": "uint_contents",
    "UINT16": "uint_contents",
    "UINT32": "uint_contents",
    "UINT64": "uint64_contents",
    "INT8": "int_contents",
    "INT16": "int_contents",
    "INT32": "int_contents",
    "INT64": "int64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    "BYTES": "bytes_contents",
}
"""Field of InferTensorContents that holds the elements of a datatype; none can for FP16."""

_BYTES_PREFIX = struct.Struct("<I")


def parse(message: Any, data: bytes) -> Any:
    """Parse a message of class `message`; a SignatureError says that the bytes are not one."""
    try:
        return message.FromString(data)
    except DecodeError:
        name = message.DESCRIPTOR.name
        raise SignatureError(f"malformed {name}: not a valid protobuf message") from None


def decode(request: Any, catalog: Catalog) -> InferCall:
    """Check a ModelInferRequest and turn its tensors into arrays.

    Parameters
    ----------
    request : ModelInferRequest
    catalog : Catalog
        Where signatures are looked up; an Engine.

    Returns
    -------
    InferCall
        Its arrays may be read-only views of the request.

    Raises
    ------
    ModelNotFoundError, ModelNotReadyError
        As the catalog does.
    SignatureError
        Naming what was expected and what came; its ``name`` and ``reason`` are what the native front counts.
    """
    version = requested_version(request.model_name, request.model_version, catalog)
    signature = catalog.signature(request.model_name, version)
    priority = _priority(request.parameters)
    timeout_s = _timeout_s(request.parameters)
    _check_contents(request)
    inputs = _inputs(request, signature)
    _check_rows(request, signature)
    outputs = _outputs(request.outputs, signature)
    return InferCall(request.model_name, version, request.id, inputs, outputs, priority, timeout_s)


def encode(call: InferCall, version: int, results: Mapping[str, np.ndarray]) -> Any:
    """Build the ModelInferResponse of a call.

    Parameters
    ----------
    call : InferCall
    version : int
        The one that answered.
    results : mapping of str to array
        In the order of the signature.

    Returns
    -------
    ModelInferResponse
    """
    response = ModelInferResponse(model_name=call.model, model_version=str(version), id=call.id)
    for name in call.outputs or results:
        array = results[name]
        datatype = datatype_of(array.dtype)
        if datatype is None:
            raise InferenceError(f'output "{name}" has dtype {array.dtype}, which has no datatype')
        response.outputs.add(name=name, datatype=datatype, shape=array.shape)
        response.raw_output_contents.append(_raw(array, datatype))
    return response


def requested_version(model: str, text: str, catalog: Catalog) -> int | None:
    """Return the version that a request names, None for the active one.

    Raises
    ------
    ModelNotFoundError
        When the text cannot be a version. An unknown model is reported first.
    """
    if text == "":
        return None
    version = parse_version(text)
    if version is None:
        with contextlib.suppress(ModelNotReadyError):
            catalog.signature(model)
        raise ModelNotFoundError(f'model "{model}" has no version "{text}"')
    return version


def _integer(parameter: Any) -> int | None:
    choice = parameter.WhichOneof("parameter_choice")
    return int(getattr(parameter, choice)) if choice in ("int64_param", "uint64_param") else None


def _priority(parameters: Any) -> int:
    if "priority" not in parameters:
        return 0
    value = _integer(parameters["priority"])
    if value is None or not 0 <= value <= _MAX_PRIORITY:
        raise SignatureError(
            f'parameter "priority": expected an integer from 0 to {_MAX_PRIORITY}', reason="parameter"
        )
    return value


def _timeout_s(parameters: Any) -> float | None:
    if "timeout" not in parameters:
        return None
    value = _integer(parameters["timeout"])
    if value is None or value < 0:
        raise SignatureError(
            'parameter "timeout": expected microseconds as a non-negative integer', reason="parameter"
        )
    return value / 1e6 if value else None


def _check_contents(request: Any) -> None:
    buffers = len(request.raw_input_contents)
    if not buffers:
        return
    if any(values for tensor in request.inputs for _, values in tensor.contents.ListFields()):
        raise SignatureError("raw_input_contents and typed contents must not be mixed", reason="contents")
    if buffers != len(request.inputs):
        raise SignatureError(
            f"raw_input_contents holds {buffers} buffers; expected {len(request.inputs)}, one for each input",
            reason="contents",
        )


def _inputs(request: Any, signature: Signature) -> dict[str, np.ndarray]:
    specs = {spec.name: spec for spec in signature.inputs}
    arrays: dict[str, np.ndarray] = {}
    for index, tensor in enumerate(request.inputs):
        spec = specs.get(tensor.name)
        if spec is None:
            raise SignatureError(
                f'unknown input "{tensor.name}"; expected inputs: {quoted(specs)}', reason="unknown"
            )
        if tensor.name in arrays:
            raise SignatureError(
                f'input "{tensor.name}" is given more than once', name=tensor.name, reason="repeated"
            )
        raw = request.raw_input_contents[index] if request.raw_input_contents else None
        arrays[tensor.name] = _input(tensor, raw, spec, signature.batched)
    for name in specs:
        if name not in arrays:
            raise SignatureError(f'missing input "{name}"', name=name, reason="missing")
    return arrays


def _input(tensor: Any, raw: bytes | None, spec: TensorSpec, batched: bool) -> np.ndarray:
    if "shared_memory_region" in tensor.parameters:
        raise SignatureError(
            f'input "{spec.name}": shared memory is not supported; send the tensor in the message',
            name=spec.name,
            reason="unsupported",
        )
    if tensor.datatype != spec.datatype:
        raise SignatureError(
            f'input "{spec.name}": expected datatype {spec.datatype}, got "{tensor.datatype}"',
            name=spec.name,
            reason="datatype",
        )
    shape = tuple(tensor.shape)
    if not _fits(shape, spec.shape, batched) or _is_too_large(shape, spec, batched):
        raise SignatureError(
            f'input "{spec.name}": expected shape {format_shape(spec.shape)}, got {format_shape(shape)}',
            name=spec.name,
            reason="shape",
        )
    if raw is None:
        flat = _from_contents(tensor.contents, spec, shape)
    elif spec.datatype == "BYTES":
        flat = _text(_split(raw, spec.name, shape), spec.name)
    else:
        flat = _from_raw(raw, spec, shape)
    return flat.reshape(shape)


def _fits(shape: tuple[int, ...], expected: tuple[int, ...], batched: bool) -> bool:
    if len(shape) != len(expected):
        return False
    if batched and shape[0] < 1:
        return False
    return all(got >= 0 and want in (-1, got) for got, want in zip(shape, expected, strict=True))


def _is_too_large(shape: tuple[int, ...], spec: TensorSpec, batched: bool) -> bool:
    """Tell whether a tensor has too many elements; empty dimensions do not make up for huge ones."""
    least_bytes = math.prod(size or 1 for size in shape) * (spec.element_bytes or _BYTES_PREFIX.size)
    too_many_rows = batched and 0 in shape and shape[0] > _MAX_EMPTY_ROWS
    return least_bytes > _MAX_TENSOR_BYTES or too_many_rows


def _from_raw(raw: bytes, spec: TensorSpec, shape: tuple[int, ...]) -> np.ndarray:
    expected = math.prod(shape) * spec.element_bytes
    if len(raw) != expected:
        raise SignatureError(
            f'input "{spec.name}": expected {expected} bytes for shape {format_shape(shape)}, got {len(raw)}',
            name=spec.name,
            reason="size",
        )
    if spec.datatype == "BOOL":
        return np.frombuffer(raw, np.uint8).astype(np.bool_)
    return np.frombuffer(raw, spec.dtype.newbyteorder("<"))


def _split(raw: bytes, name: str, shape: tuple[int, ...]) -> list[bytes]:
    """Split a raw BYTES buffer into its elements, which must fill it exactly."""
    count = math.prod(shape)
    elements: list[bytes] = []
    offset = 0
    while len(elements) < count and offset + _BYTES_PREFIX.size <= len(raw):
        (size,) = _BYTES_PREFIX.unpack_from(raw, offset)
        offset += _BYTES_PREFIX.size
        if offset + size > len(raw):
            break
        elements.append(raw[offset : offset + size])
        offset += size
    if len(elements) != count or offset != len(raw):
        raise SignatureError(
            f'input "{name}": BYTES tensor of shape {format_shape(shape)} does not hold exactly '
            f"{count} length-prefixed elements",
            name=name,
            reason="size",
        )
    return elements


def _text(elements: Sequence[bytes], name: str) -> np.ndarray:
    flat = np.empty(len(elements), object)
    for index, element in enumerate(elements):
        try:
            flat[index] = element.decode("utf-8")
        except UnicodeDecodeError:
            raise SignatureError(
                f'input "{name}": element {index} is not valid UTF-8', name=name, reason="text"
            ) from None
    return flat


def _from_contents(contents: Any, spec: TensorSpec, shape: tuple[int, ...]) -> np.ndarray:
    field = _CONTENTS.get(spec.datatype)
    if field is None:
        raise SignatureError(
            f'input "{spec.name}": {spec.datatype} must be sent in raw_input_contents',
            name=spec.name,
            reason="unsupported",
        )
    values = getattr(contents, field)
    count = math.prod(shape)
    if len(values) != count or any(other.name != field for other, _ in contents.ListFields()):
        raise SignatureError(
            f'input "{spec.name}": expected {count} elements in {field} for shape {format_shape(shape)}',
            name=spec.name,
            reason="size",
        )
    if spec.datatype == "BYTES":
        return _text(values, spec.name)
    if spec.dtype.kind in "iu":
        _check_range(values, spec)
    return np.array(values, spec.dtype)


def _check_range(values: Sequence[int], spec: TensorSpec) -> None:
    limits = np.iinfo(spec.dtype)
    for index, value in enumerate(values):
        if not limits.min <= value <= limits.max:
            raise SignatureError(
                f'input "{spec.name}": element {index} is out of range for {spec.datatype}',
                name=spec.name,
                reason="range",
            )


def _check_rows(request: Any, signature: Signature) -> None:
    if not signature.batched:
        return
    first = request.inputs[0]
    for tensor in request.inputs:
        if tensor.shape[0] != first.shape[0]:
            raise SignatureError(
                f'input "{tensor.name}" has {tensor.shape[0]} rows; '
                f'input "{first.name}" has {first.shape[0]}',
                name=tensor.name,
                reason="rows",
            )


def _outputs(requested: Any, signature: Signature) -> tuple[str, ...]:
    known = [spec.name for spec in signature.outputs]
    names: list[str] = []
    for output in requested:
        name = output.name
        if name not in known:
            raise _output(f'unknown output "{name}"; expected outputs: {quoted(known)}')
        if name in names:
            raise _output(f'output "{name}" is requested more than once')
        if "classification" in output.parameters:
            raise _output(f'output "{name}": the classification extension is not supported')
        if "shared_memory_region" in output.parameters:
            raise _output(f'output "{name}": shared memory is not supported')
        names.append(name)
    return tuple(names)


def _output(message: str) -> SignatureError:
    return SignatureError(message, reason="output")


def _raw(array: np.ndarray, datatype: str) -> bytes:
    if datatype != "BYTES":
        return bytes(array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes())
    elements = (
        element if isinstance(element, bytes) else str(element).encode("utf-8") for element in array.ravel()
    )
    return b"".join(_BYTES_PREFIX.pack(len(element)) + element for element in elements)
