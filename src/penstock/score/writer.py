"""Writes the output file of one unit."""

from __future__ import annotations

import hashlib
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from penstock.score.folder import Draft

__all__ = ["COMPRESSIONS", "SUFFIXES", "UnitWriter"]

COMPRESSIONS: Final = {
    "parquet": ("zstd", "snappy", "gzip", "lz4", "brotli", "none"),
    "arrow": ("zstd", "lz4", "none"),
}
SUFFIXES: Final = {"parquet": ".parquet", "arrow": ".arrow"}
_GROUP_ROWS: Final = 2**18
_GROUP_BYTES: Final = 16 * 2**20
_COUNTS: Final = (pa.int32(), pa.int64())


class UnitWriter:
    """Record batches to one file, with row groups large enough to be read fast.

    Parameters
    ----------
    draft : Draft
    schema : pyarrow.Schema
    format : str
        ``parquet`` or ``arrow``.
    compression : str
        One of :data:`COMPRESSIONS`.

    Raises
    ------
    OSError
        When the file cannot be written; so does every method.

    Notes
    -----
    Holds at most 262,144 rows or 16 MiB before they are written.
    """

    def __init__(self, draft: Draft, schema: pa.Schema, format: str, compression: str) -> None:
        self._draft, self._schema = draft, schema
        self._waiting: list[pa.RecordBatch] = []
        self._waiting_rows = self._waiting_bytes = 0
        self._dictionaries = _Dictionaries(schema) if format == "arrow" else None
        self._sink = pa.OSFile(draft.path, "wb")
        self.rows = 0
        try:
            self._writer = _open(self._sink, schema, format, compression)
        except BaseException:
            self._sink.close()
            raise

    def write(self, batch: pa.RecordBatch) -> None:
        """Take rows."""
        self._waiting.append(batch)
        self._waiting_rows += len(batch)
        self._waiting_bytes += batch.nbytes
        if self._waiting_rows >= _GROUP_ROWS or self._waiting_bytes >= _GROUP_BYTES:
            self._flush()

    def finish(self) -> str:
        """Close the file; return its SHA-256 in hex."""
        self._flush()
        self._writer.close()
        self._sink.close()
        with open(self._draft.path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def abandon(self) -> None:
        """Close and forget the file, whatever state it is in."""
        for part in (self._writer, self._sink):
            try:
                part.close()
            except Exception:
                continue
        self._draft.discard()

    def _flush(self) -> None:
        if not self._waiting:
            return
        table = pa.Table.from_batches(self._waiting, self._schema)
        self._waiting, rows = [], self._waiting_rows
        self._waiting_rows = self._waiting_bytes = 0
        if self._dictionaries is None:
            self._writer.write_table(table, row_group_size=rows)
        else:
            for batch in self._dictionaries.unified(table.combine_chunks()).to_batches():
                self._writer.write_batch(batch)
        self.rows += rows


def _open(sink: Any, schema: pa.Schema, format: str, compression: str) -> Any:
    if format == "parquet":
        # Scores and ids repeat too little for dictionaries, which would be tried first and then dropped.
        # Ids mostly count up: their differences take half the time of compressing them, and less room.
        coded = [field.name for field in schema if not pa.types.is_primitive(_leaf(field.type))]
        counted = {field.name: "DELTA_BINARY_PACKED" for field in schema if field.type in _COUNTS}
        return pq.ParquetWriter(
            sink, schema, compression=compression, use_dictionary=coded, column_encoding=counted or None
        )
    options = pa.ipc.IpcWriteOptions(
        compression=None if compression == "none" else compression, emit_dictionary_deltas=True
    )
    return pa.ipc.new_file(sink, schema, options=options)


def _leaf(kind: pa.DataType) -> pa.DataType:
    while pa.types.is_list(kind) or pa.types.is_fixed_size_list(kind):
        kind = kind.value_type
    return kind


class _Dictionaries:
    """Makes each dictionary of a column begin with those before it: an Arrow file cannot replace one."""

    def __init__(self, schema: pa.Schema) -> None:
        self._known: dict[int, Any] = {
            index: None for index, field in enumerate(schema) if pa.types.is_dictionary(field.type)
        }

    def unified(self, table: pa.Table) -> pa.Table:
        for index, known in self._known.items():
            column = table.column(index)
            if not column.num_chunks:
                continue
            if known is not None:
                first = pa.DictionaryArray.from_arrays(
                    pa.array([], column.type.index_type), known, ordered=column.type.ordered
                )
                column = pa.chunked_array([first, *column.chunks], column.type)
            chunks = column.unify_dictionaries().chunks
            self._known[index] = chunks[-1].dictionary
            table = table.set_column(
                index, table.field(index), pa.chunked_array(chunks[known is not None :], column.type)
            )
        return table
