"""From Arrow columns to arrays: nulls, lists, dictionaries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from penstock.bundle.signature import TensorSpec
from penstock.errors import SignatureError

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["arrow_array", "arrow_matrix", "is_number"]

_Array = np.ndarray[Any, Any]


def is_number(kind: pa.DataType) -> bool:
    """Tell whether a column of this type can fill a column of a float matrix."""
    from pyarrow import types

    return bool(types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind))


def arrow_matrix(table: pa.RecordBatch | pa.Table, spec: TensorSpec) -> _Array:
    """Return numeric columns side by side, in their order, as the matrix that an input expects.

    Parameters
    ----------
    table : pyarrow.RecordBatch or pyarrow.Table
    spec : TensorSpec
        Of shape ``[-1,k]`` and a floating-point datatype. Values are cast to it; a null is NaN.

    Raises
    ------
    SignatureError
        When there are not k columns, or one is neither a number nor a bool.
    """
    names = list(table.schema.names)
    if spec.shape[1] not in (-1, len(names)):
        raise SignatureError(
            f'input "{spec.name}": expected a column of that name or {spec.shape[1]} numeric columns, '
            f"got {len(names)} columns",
            name=spec.name,
            reason="shape",
        )
    matrix = np.empty((table.num_rows, len(names)), dtype=spec.dtype)
    for index, name in enumerate(names):
        kind = table.schema.field(index).type
        if not is_number(kind):
            raise SignatureError(
                f'input "{spec.name}": expected numeric columns, got "{name}" of type {kind}',
                name=spec.name,
                reason="datatype",
            )
        with np.errstate(over="ignore"):
            matrix[:, index] = _nullable(table.column(index))
    return matrix


def arrow_array(name: str, column: pa.Array | pa.ChunkedArray) -> _Array:
    """Return a column as an array, a FixedSizeList column with a dimension more for each level.

    Raises
    ------
    SignatureError
        On a null in any but a floating-point column, and on a type that no tensor has.
    """
    from pyarrow import types

    column = _in_one_piece(column)
    sizes = [len(column)]
    while types.is_fixed_size_list(column.type):
        _refuse_nulls(name, column)
        sizes.append(column.type.list_size)
        column = column.flatten()
    if types.is_dictionary(column.type):
        column = column.dictionary_decode()
    kind = column.type
    if not types.is_floating(kind):
        _refuse_nulls(name, column)
    if is_number(kind):
        return np.asarray(column.to_numpy(zero_copy_only=False)).reshape(sizes)
    if any(
        is_text(kind) for is_text in (types.is_string, types.is_large_string, types.is_string_view)
    ) or any(is_bytes(kind) for is_bytes in (types.is_binary, types.is_large_binary, types.is_binary_view)):
        text = np.empty(len(column), dtype=object)
        text[:] = column.to_pylist()
        return text.reshape(sizes)
    raise SignatureError(
        f'input "{name}": a column of type {kind} cannot fill a tensor', name=name, reason="datatype"
    )


def _nullable(column: pa.Array | pa.ChunkedArray) -> _Array:
    """Return a numeric column with NaN for a null, whatever its type."""
    import pyarrow as pa

    column = _in_one_piece(column)
    if column.null_count and not pa.types.is_floating(column.type):
        wide = column if pa.types.is_integer(column.type) else column.cast(pa.int8())
        column = wide.cast(pa.float64(), safe=False)
    return np.asarray(column.to_numpy(zero_copy_only=False))


def _in_one_piece(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    import pyarrow as pa

    if not isinstance(column, pa.ChunkedArray):
        return column
    if column.num_chunks == 0:
        return pa.array([], column.type)
    return column.chunk(0) if column.num_chunks == 1 else pa.concat_arrays(column.chunks)


def _refuse_nulls(name: str, column: pa.Array) -> None:
    if column.null_count:
        raise SignatureError(
            f'input "{name}": expected no nulls in a column of type {column.type}, got {column.null_count}',
            name=name,
            reason="missing",
        )
