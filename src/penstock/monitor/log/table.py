"""From a chunk to an Arrow table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from penstock.monitor.log._log import Chunk
from penstock.monitor.log.layout import Slot

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["ROLE", "slot_columns", "table_of", "text_array"]

ROLE: Final = b"penstock.role"
"""Metadata of a field: ``feature`` or ``output``."""


def table_of(chunk: Chunk, model: str, prefix: str) -> pa.Table:
    """Return the rows of a chunk: id, row, model, version, time, and its columns.

    Parameters
    ----------
    chunk : Chunk
        Unchanged while the table is in use: numbers lie in its memory.
    model : str
    prefix : str
        Begins the id of a request that came without one.
    """
    import pyarrow as pa

    times, versions, rows = chunk.rows()
    columns = {
        "id": text_array(*chunk.row_ids(prefix)),
        "row": pa.array(rows),
        "model": pa.DictionaryArray.from_arrays(np.zeros(len(rows), np.int8), [model]),
        "version": pa.array(versions),
        "time": pa.array(times).cast(pa.timestamp("us", tz="UTC")),
    }
    fields = [pa.field(name, column.type, nullable=False) for name, column in columns.items()]
    for index, slot in enumerate(chunk.slots):
        found = slot_columns(chunk, index, slot)
        columns |= found
        role = {ROLE: b"output" if slot.output else b"feature"}
        fields += [pa.field(name, column.type, metadata=role) for name, column in found.items()]
    return pa.table(columns, pa.schema(fields))


def slot_columns(chunk: Chunk, index: int, slot: Slot, *, copy: bool = False) -> dict[str, pa.Array]:
    """Return the columns that one slot becomes; with ``copy`` they do not need the chunk."""
    import pyarrow as pa

    if slot.dtype is None:
        return {slot.names[0]: text_array(*chunk.texts(index))}
    values = chunk.values(index).copy() if copy else chunk.values(index)
    if slot.items == 1:
        return {slot.names[0]: pa.array(values)}
    if len(slot.names) == slot.items:
        turned = np.ascontiguousarray(values.T)
        return {name: pa.array(turned[item]) for item, name in enumerate(slot.names)}
    return {slot.names[0]: pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), slot.items)}


def text_array(
    offsets: np.ndarray[Any, np.dtype[np.int32]], data: bytes, validity: bytes | None, missing: int
) -> pa.StringArray:
    """Return texts as an Arrow array, without a copy."""
    import pyarrow as pa

    return pa.StringArray.from_buffers(
        len(offsets) - 1,
        pa.py_buffer(offsets),
        pa.py_buffer(data),
        pa.py_buffer(validity) if validity is not None else None,
        missing,
    )
