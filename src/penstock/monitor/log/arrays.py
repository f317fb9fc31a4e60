"""Columns as a caller has them, as arrays that can be copied. Batches from the queue need none of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from penstock.imports import imported
from penstock.transform import PrefixedText

__all__ = ["plain_columns"]

_FLOATS = (np.dtype(np.float16), np.dtype(np.float32), np.dtype(np.float64))


def plain_columns(data: Any) -> dict[str, Any]:
    """Return named columns of native numbers, of objects that are texts, or of length-prefixed texts.

    Parameters
    ----------
    data : mapping of str to array-like, Arrow table or batch, data frame, or ndarray
        A matrix without names is the column ``input``.

    Examples
    --------
    >>> plain_columns({"age": [31.0, None], "state": ["MA", None]})
    {'age': array([31., nan]), 'state': array(['MA', None], dtype=object)}
    """
    if isinstance(data, Mapping):
        return {str(name): _plain(values) for name, values in data.items()}
    if isinstance(data, np.ndarray):
        return {"input": _plain(data)}
    import pyarrow as pa

    table = pa.table(data) if not isinstance(data, pa.RecordBatch) else data
    return {name: _plain(table.column(name)) for name in table.schema.names}


def _plain(values: Any) -> Any:
    if isinstance(values, PrefixedText):
        buffer = values.buffer
        if type(buffer) is np.ndarray and buffer.dtype == np.uint8 and buffer.flags.c_contiguous:
            return values
        return PrefixedText(np.frombuffer(buffer, np.uint8), values.rows)
    arrow = imported("pyarrow")
    if arrow is not None and isinstance(values, arrow.Array | arrow.ChunkedArray):
        values = values.combine_chunks() if isinstance(values, arrow.ChunkedArray) else values
        values = values.to_numpy(zero_copy_only=False)
    array = np.asarray(values)
    kind = array.dtype.kind
    if kind == "O":
        return _of_objects(array)
    if kind in "US":
        return array.astype(object)
    if kind in "Mm":
        return array.astype(f"{kind}8[us]").view(np.int64)
    if kind == "f" and array.dtype.newbyteorder("=") not in _FLOATS:
        return array.astype(np.float64)
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    return array if array.ndim <= 1 else np.ascontiguousarray(array)


def _of_objects(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return numbers as numbers where no object is a text."""
    flat = array.ravel()
    if any(isinstance(item, str | bytes) for item in flat):
        return array
    numbers = [np.nan if item is None else item for item in flat]
    try:
        return np.array(numbers, np.float64).reshape(array.shape)
    except (TypeError, ValueError):
        return array
