"""Input files: what they are, how they are cut into units, how they are read.

Parquet and Arrow files are read by row groups and record batches; Arrow streams
and CSV from their start. Nothing reads a file as a whole.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Any, Final

import msgspec
import pyarrow as pa
import pyarrow.csv
import pyarrow.ipc
import pyarrow.parquet as pq

from penstock.errors import SignatureError
from penstock.score.location import Location
from penstock.score.unit import InputFile, Unit

__all__ = ["Format", "Reader", "Source", "identify", "inspect", "opened", "rebatched"]

_ENDS_BYTES: Final = 64 * 2**10
_BUFFER_BYTES: Final = 2**16
_REMOTE_BUFFER_BYTES: Final = 8 * 2**20
_STREAM_START: Final = b"\xff\xff\xff\xff"
_SUFFIXES: Final = {
    ".parquet": "Parquet",
    ".pq": "Parquet",
    ".arrow": "Arrow",
    ".feather": "Arrow",
    ".ipc": "Arrow",
    ".arrows": "Arrow",
}
_TEXT: Final = (".csv", ".tsv", ".txt")
_COMPRESSED: Final = (".gz", ".bz2", ".zst", ".lz4")


class Format(StrEnum):
    """What a file holds."""

    PARQUET = "parquet"
    ARROW = "arrow"
    STREAM = "stream"
    CSV = "csv"

    @property
    def sequential(self) -> bool:
        """Whether it can only be read from its start."""
        return self in (Format.STREAM, Format.CSV)


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """An input that could be opened.

    Attributes
    ----------
    location : Location
    file : InputFile
    format : Format
    schema : pyarrow.Schema
    units : tuple of Unit or None
        None where the file is read from its start.
    rows : int or None
    """

    location: Any
    file: InputFile
    format: Format
    schema: Any
    units: tuple[Unit, ...] | None
    rows: int | None


def identify(location: Location, content: bool = True) -> InputFile:
    """Return what shows that a file is still the same one.

    Parameters
    ----------
    location : Location
    content : bool
        Read its ends for the fingerprint; the ETag of an object store takes their place.

    Raises
    ------
    OSError
        When it cannot be read.
    """
    info = location.info()
    if not info.is_file:
        raise FileNotFoundError(f"{location.name}: the file is missing")
    etag = fingerprint = ""
    if content:
        with location.filesystem.open_input_file(location.path) as file:
            etag = _etag(file)
            ends = file.read_at(min(info.size, _ENDS_BYTES), 0)
            ends += file.read_at(min(info.size, _ENDS_BYTES), max(info.size - _ENDS_BYTES, 0))
        fingerprint = hashlib.sha256(ends).hexdigest()
    return InputFile(
        path=location.name,
        size=info.size,
        modified_ns=info.mtime_ns or None,
        etag=etag,
        fingerprint=fingerprint,
    )


def _etag(file: Any) -> str:
    """Return the ETag that object stores give with a file."""
    with contextlib.suppress(Exception):
        found = {_text(key).lower(): _text(value) for key, value in file.metadata().items()}
        return found.get("etag", "")
    return ""


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def recognise(location: Location) -> Format:
    """Tell what a file holds: by its first bytes, by its name where these say nothing.

    Raises
    ------
    SignatureError
        When it is none of Parquet, Arrow and CSV.
    """
    with location.filesystem.open_input_file(location.path) as file:
        start = file.read(8)
    if start.startswith(b"PAR1"):
        return Format.PARQUET
    if start.startswith(b"ARROW1"):
        return Format.ARROW
    if start.startswith(_STREAM_START):
        return Format.STREAM
    name = location.path.lower()
    for suffix in _COMPRESSED:
        name = name.removesuffix(suffix)
    if name.endswith(_TEXT):
        return Format.CSV
    for suffix, kind in _SUFFIXES.items():
        if name.endswith(suffix):
            what = "an empty file" if not start else f"one that begins with {start[:4]!r}"
            raise SignatureError(f"expected a file in {kind} format, got {what}")
    raise SignatureError("expected a Parquet, Arrow or CSV file; neither its content nor its name says that")


def inspect(location: Location, unit_rows: int, types: Mapping[str, Any] | None = None) -> Source:
    """Open a file and cut it into units of at most ``unit_rows`` rows, of one row group at least.

    Parameters
    ----------
    location : Location
    unit_rows : int
    types : mapping of str to pyarrow.DataType, optional
        Types of CSV columns; the others are inferred from the first megabyte.

    Raises
    ------
    SignatureError
        When it is no file of a known format.
    OSError, pyarrow.ArrowException
        When it cannot be read, or is damaged.
    """
    file = identify(location)
    kind = recognise(location)
    units: tuple[Unit, ...] | None = None
    sizes: list[int] | None = None
    if kind == Format.PARQUET:
        with _parquet(location) as parquet:
            schema, metadata = parquet.schema_arrow, parquet.metadata
            sizes = [metadata.row_group(index).num_rows for index in range(metadata.num_row_groups)]
    elif kind == Format.ARROW:
        with location.filesystem.open_input_file(location.path) as opened_file:
            schema = pa.ipc.open_file(opened_file).schema
            # One column is enough to learn how many rows each batch has.
            options = pa.ipc.IpcReadOptions(included_fields=[0] if len(schema) else None)
            reader = pa.ipc.open_file(opened_file, options=options)
            sizes = [reader.get_batch(index).num_rows for index in range(reader.num_record_batches)]
    else:
        with _sequence(location, kind, types or {}) as sequence:
            schema = sequence.schema
    if sizes is not None:
        units = tuple(_cut(sizes, unit_rows))
    return Source(
        location=location,
        file=file,
        format=kind,
        schema=schema,
        units=units,
        rows=None if sizes is None else sum(sizes),
    )


def _cut(sizes: Sequence[int], unit_rows: int) -> Iterator[Unit]:
    """Yield runs of row groups with at most so many rows together; one empty unit for no row groups."""
    begin = rows = 0
    for index, size in enumerate(sizes):
        if index > begin and rows + size > unit_rows:
            yield Unit(begin=begin, end=index, rows=rows)
            begin, rows = index, 0
        rows += size
    yield Unit(begin=begin, end=len(sizes), rows=rows)


class Reader:
    """An open file.

    Attributes
    ----------
    schema : pyarrow.Schema
        Of all its columns.
    """

    def __init__(
        self, schema: pa.Schema, raw: Callable[[Unit | None, Sequence[str], int], Iterable[Any]]
    ) -> None:
        self.schema = schema
        self._raw = raw

    def batches(self, unit: Unit | None, columns: Sequence[str], rows: int) -> Iterator[pa.RecordBatch]:
        """Yield the record batches of a unit, or of the whole file where it is read from its start.

        Every batch has ``rows`` rows but the last, so the batches of a unit are the same in every run.

        Notes
        -----
        Holds one batch and a buffer a column, whatever the size of the file and its row groups; of an
        Arrow file one of its own record batches.
        """
        names = list(columns)
        if not names:
            raise SignatureError("expected at least one column to read, got none")
        yield from rebatched((_selected(batch, names) for batch in self._raw(unit, names, rows)), rows)


@contextlib.contextmanager
def opened(location: Location, kind: Format, types: Mapping[str, Any] | None = None) -> Iterator[Reader]:
    """Open a file of a known format.

    Raises
    ------
    OSError, pyarrow.ArrowException
        When it cannot be read, or is damaged; so does reading from it.
    """
    if kind == Format.PARQUET:
        with _parquet(location) as parquet:

            def row_groups(unit: Unit | None, columns: Sequence[str], rows: int) -> Iterable[Any]:
                groups = range(unit.begin, unit.end) if unit else range(parquet.num_row_groups)
                batches: Iterable[Any] = parquet.iter_batches(
                    rows, row_groups=groups, columns=columns, use_threads=False
                )
                return batches

            yield Reader(parquet.schema_arrow, row_groups)
    elif kind == Format.ARROW:
        with location.filesystem.open_input_file(location.path) as file:
            schema = pa.ipc.open_file(file).schema

            def record_batches(unit: Unit | None, columns: Sequence[str], rows: int) -> Iterable[Any]:
                fields = sorted(schema.get_field_index(name) for name in columns)
                options = pa.ipc.IpcReadOptions(included_fields=fields, use_threads=False)
                reader = pa.ipc.open_file(file, options=options)
                end = unit.end if unit else reader.num_record_batches
                return map(_checked, map(reader.get_batch, range(unit.begin if unit else 0, end)))

            yield Reader(schema, record_batches)
    else:
        with _sequence(location, kind, types or {}) as sequence:
            yield Reader(sequence.schema, lambda unit, columns, rows: map(_checked, sequence))


def _checked(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return a batch whose offsets and codes lie inside its buffers: Arrow takes a file's word for them."""
    batch.validate(full=True)
    return batch


def _selected(batch: pa.RecordBatch, columns: Sequence[str]) -> pa.RecordBatch:
    return batch if batch.schema.names == columns else batch.select(list(columns))


def rebatched(batches: Iterable[pa.RecordBatch], rows: int) -> Iterator[pa.RecordBatch]:
    """Yield the same rows in batches of a fixed number of rows, the last with what is left.

    Batches that fit are passed on as they are, larger ones sliced, smaller ones copied together.

    Examples
    --------
    >>> batches = [pa.record_batch({"x": [0, 1, 2]}), pa.record_batch({"x": [3]})]
    >>> [batch["x"].to_pylist() for batch in rebatched(batches, 2)]
    [[0, 1], [2, 3]]
    """
    waiting: list[pa.RecordBatch] = []
    count = 0
    for batch in batches:
        start = 0
        while len(batch) - start:
            piece = batch.slice(start, rows - count) if start or len(batch) > rows - count else batch
            start += len(piece)
            waiting.append(piece)
            count += len(piece)
            if count == rows:
                yield _joined(waiting)
                waiting, count = [], 0
    if waiting:
        yield _joined(waiting)


def _joined(batches: Sequence[pa.RecordBatch]) -> pa.RecordBatch:
    if len(batches) == 1:
        return batches[0]
    return pa.Table.from_batches(batches).combine_chunks().to_batches()[0]


@contextlib.contextmanager
def _parquet(location: Location) -> Iterator[pq.ParquetFile]:
    # Buffered streams without read-ahead: memory does not follow the size of the row groups.
    buffer = _BUFFER_BYTES if location.local else _REMOTE_BUFFER_BYTES
    with (
        location.filesystem.open_input_file(location.path) as opened,
        pq.ParquetFile(opened, pre_buffer=False, buffer_size=buffer) as parquet,
    ):
        yield parquet


@contextlib.contextmanager
def _sequence(location: Location, kind: Format, types: Mapping[str, Any]) -> Iterator[Any]:
    """Open an Arrow stream or a CSV file; yield what gives its schema and record batches."""
    if kind == Format.STREAM:
        with (
            location.filesystem.open_input_stream(location.path) as stream,
            pa.ipc.open_stream(stream) as reader,
        ):
            yield reader
        return
    parse = pa.csv.ParseOptions(
        delimiter="\t" if ".tsv" in location.path.lower() else ",", newlines_in_values=True
    )
    convert = pa.csv.ConvertOptions(column_types=dict(types), strings_can_be_null=True)
    reading = pa.csv.ReadOptions(use_threads=False)
    with (
        location.filesystem.open_input_stream(location.path) as stream,
        pa.csv.open_csv(stream, reading, parse, convert) as reader,
    ):
        yield reader
