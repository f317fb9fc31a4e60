"""From what a Python caller hands over to the arrays that a model takes.

Nothing is cast behind the caller's back: an array of another dtype is refused
with the cast to write. Python lists carry no dtype and are converted. pyarrow is
looked at only when the caller has loaded it; what is done with it: arrow.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from penstock.bundle.signature import (
    Signature,
    TensorSpec,
    datatype_of,
    format_shape,
    matches,
    quoted,
)
from penstock.engine.arrow import arrow_array, arrow_matrix
from penstock.engine.session import Arrays
from penstock.errors import SignatureError
from penstock.imports import imported

__all__ = ["to_inputs"]

_Array = np.ndarray[Any, Any]


def to_inputs(columns: Any, signature: Signature) -> tuple[Arrays, int]:
    """Turn columns into the inputs of a model.

    Parameters
    ----------
    columns : mapping of str to array or list, pyarrow.RecordBatch, pyarrow.Table or ndarray
        Arrays must have the declared dtype; byte order and memory layout may differ. Lists are
        converted: integers where they are in range, to floats too; floats are rounded to the
        declared precision. A one-dimensional column fills an input of shape
        ``[-1]`` or ``[-1,1]``. In Arrow data a FixedSizeList column fills ``[-1,k]``, a null in a
        floating-point column is NaN, and where the one input of a model is a float matrix
        ``[-1,k]`` that no column is named after, its k columns are taken from the k numeric columns
        in order and cast. A bare array fills the one input of a model.
    signature : Signature
        Of the model.

    Returns
    -------
    inputs : dict of str to ndarray
        In the order of the signature, C-contiguous, native byte order, of the declared dtypes. An
        array that is so already is passed on, not copied.
    rows : int
        1 for a model that is not batched.

    Raises
    ------
    SignatureError
        Naming the tensor, what was expected and what came.

    Examples
    --------
    >>> x, y = TensorSpec("x", "FP32", (-1, 1)), TensorSpec("y", "FP32", (-1, 1))
    >>> inputs, rows = to_inputs({"x": [1, 2.5]}, Signature((x,), (y,), batched=True))
    >>> inputs["x"].tolist(), rows
    ([[1.0], [2.5]], 2)
    """
    named = _named(columns, signature)
    known = [spec.name for spec in signature.inputs]
    for name in named:
        if name not in known:
            raise SignatureError(
                f'unknown input "{name}"; expected inputs: {quoted(known)}', reason="unknown"
            )
    inputs: Arrays = {}
    for spec in signature.inputs:
        if spec.name not in named:
            raise SignatureError(
                f'missing input "{spec.name}"; expected inputs: {quoted(known)}',
                name=spec.name,
                reason="missing",
            )
        inputs[spec.name] = _shaped(_typed(named[spec.name], spec), spec, signature.batched)
    return inputs, _rows(inputs) if signature.batched else 1


def _rows(inputs: Arrays) -> int:
    first, *others = inputs
    rows = len(inputs[first])
    for name in others:
        if len(inputs[name]) != rows:
            raise SignatureError(
                f'input "{name}" has {len(inputs[name])} rows; input "{first}" has {rows}',
                name=name,
                reason="rows",
            )
    return rows


def _named(columns: Any, signature: Signature) -> Mapping[str, Any]:
    arrow = imported("pyarrow")
    if arrow is not None and isinstance(columns, arrow.RecordBatch | arrow.Table):
        return _from_arrow(columns, signature)
    if isinstance(columns, Mapping):
        return columns
    if isinstance(columns, np.ndarray):
        if len(signature.inputs) != 1:
            names = quoted(spec.name for spec in signature.inputs)
            raise SignatureError(
                f"expected a dict with the inputs {names}, got one array; a bare array only fits one input",
                reason="contents",
            )
        return {signature.inputs[0].name: columns}
    raise SignatureError(
        "expected a dict of arrays, a pyarrow RecordBatch or Table, or a numpy array, "
        f"got {type(columns).__module__}.{type(columns).__qualname__}",
        reason="contents",
    )


def _typed(value: Any, spec: TensorSpec) -> _Array:
    """Return the value as an array of the declared dtype, or refuse."""
    if isinstance(value, list | tuple | str | bytes | int | float):
        return _converted(value, spec)
    masked = imported("numpy.ma")
    if masked is not None and isinstance(value, masked.MaskedArray):
        raise SignatureError(
            f'input "{spec.name}": expected a plain array, got a masked one; fill it first',
            name=spec.name,
            reason="unsupported",
        )
    array = np.asarray(value)
    got = datatype_of(array.dtype)
    if got != spec.datatype:
        hint = "" if spec.datatype == "BYTES" else f"; cast it with .astype(numpy.{spec.dtype.name})"
        raise SignatureError(
            f'input "{spec.name}": expected datatype {spec.datatype}, got {got or array.dtype}{hint}',
            name=spec.name,
            reason="datatype",
        )
    return _text(array, spec) if got == "BYTES" else array.astype(spec.dtype, copy=False)


def _converted(value: Any, spec: TensorSpec) -> _Array:
    """Return Python data as an array, where every value survives."""
    try:
        array = np.asarray(value, dtype=object) if spec.datatype == "BYTES" else np.asarray(value)
    except (ValueError, OverflowError):
        raise SignatureError(
            f'input "{spec.name}": expected rows of one length, got lists of different lengths',
            name=spec.name,
            reason="shape",
        ) from None
    if spec.datatype == "BYTES":
        return _text(array, spec)
    if array.size == 0:
        return array.astype(spec.dtype)
    kind, want = array.dtype.kind, spec.dtype.kind
    if not (kind == want or (want in "iuf" and kind in "iu")):
        got = "mixed" if array.dtype.kind == "O" else datatype_of(array.dtype) or str(array.dtype)
        raise SignatureError(
            f'input "{spec.name}": expected datatype {spec.datatype}, got {got} values',
            name=spec.name,
            reason="datatype",
        )
    if want in "iu":
        limits = np.iinfo(spec.dtype)
        outside = (array < limits.min) | (array > limits.max)
        if outside.any():
            index = int(np.argmax(outside))
            raise SignatureError(
                f'input "{spec.name}": element {index} is out of range for {spec.datatype}',
                name=spec.name,
                reason="range",
            )
    with np.errstate(over="ignore"):
        return array.astype(spec.dtype)


def _text(array: _Array, spec: TensorSpec) -> _Array:
    """Return an array of ``str`` and UTF-8 ``bytes`` objects."""
    if array.dtype.kind != "O":
        array = array.astype(object)
    for index, item in enumerate(array.flat):
        try:
            if isinstance(item, bytes):
                item.decode()
            elif isinstance(item, str):
                if not item.isascii():
                    item.encode()
            else:
                kind = type(item).__name__
                raise SignatureError(
                    f'input "{spec.name}": expected str or bytes, got {kind} in element {index}',
                    name=spec.name,
                    reason="datatype",
                )
        except UnicodeError:
            raise SignatureError(
                f'input "{spec.name}": element {index} is not valid UTF-8', name=spec.name, reason="text"
            ) from None
    return array


def _shaped(array: _Array, spec: TensorSpec, batched: bool) -> _Array:
    if batched and array.ndim == 1 and len(spec.shape) == 2 and spec.shape[1] == 1:
        array = array[:, np.newaxis]
    if not matches(array.shape, spec.shape):
        raise SignatureError(
            f'input "{spec.name}": expected shape {format_shape(spec.shape)}, '
            f"got {format_shape(array.shape)}",
            name=spec.name,
            reason="shape",
        )
    if batched and len(array) == 0:
        raise SignatureError(
            f'input "{spec.name}": expected at least 1 row, got shape {format_shape(array.shape)}',
            name=spec.name,
            reason="shape",
        )
    return np.asarray(array, order="C")


def _from_arrow(table: Any, signature: Signature) -> dict[str, Any]:
    names = list(table.schema.names)
    known = {spec.name: spec for spec in signature.inputs}
    if len(set(names)) != len(names):
        raise SignatureError("expected unique column names, got some more than once", reason="contents")
    matrix = signature.inputs[0]
    if (
        len(known) == 1
        and matrix.name not in names
        and len(matrix.shape) == 2
        and matrix.dtype.kind == "f"
        and signature.batched
    ):
        return {matrix.name: arrow_matrix(table, matrix)}
    return {
        name: arrow_array(name, table.column(index)) if name in known else None
        for index, name in enumerate(names)
    }
