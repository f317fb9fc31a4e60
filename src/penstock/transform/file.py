"""The file of a transform: one Arrow IPC file, readable by every Arrow library.

Its schema's metadata hold the definition as JSON and its digest; its one row
holds the fitted arrays, one list a column. Nothing in it is code.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import msgspec

from penstock.errors import TransformError
from penstock.transform.spec import FORMAT, Column, Operation, Output, Spec

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["canonical_array", "digest_of", "read", "write"]

_DEFINITION: Final = b"penstock.transform"
_DIGEST: Final = b"penstock.digest"
_MAGIC: Final = b"ARROW1"
_ARRAY_TYPES: Final = ("float", "double", "int32", "int64", "string")


class _Header(msgspec.Struct):
    """What every format has."""

    format: int


class _Definition(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A spec without its arrays."""

    format: int
    columns: tuple[Column, ...]
    operations: tuple[Operation, ...]
    outputs: tuple[Output, ...]


def canonical_array(name: str, array: Any) -> pa.Array:
    """Copy an array into memory of its own, without offset, chunks, or values behind nulls.

    Raises
    ------
    TransformError
        When it is not an Arrow array of a type that transforms have.
    """
    import pyarrow as pa

    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks()
    if not isinstance(array, pa.Array):
        kind = type(array)
        raise TransformError(
            f'array "{name}": expected a pyarrow array, got {kind.__module__}.{kind.__qualname__}'
        )
    if pa.types.is_large_string(array.type) or pa.types.is_string_view(array.type):
        array = array.cast(pa.string())
    if str(array.type) not in _ARRAY_TYPES:
        raise TransformError(
            f'array "{name}": expected float32, float64, int32, int64 or string, got {array.type}'
        )
    validity, values, offsets = _parts(array)
    buffers = [None if not array.null_count else pa.py_buffer(validity)]
    buffers += [pa.py_buffer(part) for part in (offsets, values) if part is not None]
    return pa.Array.from_buffers(array.type, len(array), buffers, array.null_count)


def _parts(array: pa.Array) -> tuple[bytes, bytes, bytes | None]:
    """Return validity bits, values, and for text where each begins: bytes that depend on nothing else."""
    import numpy as np
    import pyarrow as pa

    valid = np.asarray(array.is_valid())
    bits = np.packbits(valid, bitorder="little").tobytes() if array.null_count else b""
    if pa.types.is_string(array.type):
        texts = array.fill_null("") if array.null_count else array
        edges = _slice(texts, 1, np.dtype(np.int32), extra=1) if len(array) else np.zeros(1, np.int32)
        data = b"" if texts.buffers()[2] is None else memoryview(texts.buffers()[2])[edges[0] : edges[-1]]
        return bits, bytes(data), (edges - edges[0]).tobytes()
    values = _slice(array, 1, np.dtype(array.type.to_pandas_dtype()))
    if array.null_count:
        values = np.where(valid, values, 0).astype(values.dtype)
    return bits, values.tobytes(), None


def _slice(array: pa.Array, buffer: int, dtype: Any, extra: int = 0) -> Any:
    import numpy as np

    memory = array.buffers()[buffer]
    if memory is None:
        return np.zeros(len(array) + extra, dtype)
    return np.frombuffer(memory, dtype, len(array) + extra, array.offset * dtype.itemsize)


def _definition(spec: Spec) -> bytes:
    parts = _Definition(
        format=spec.format, columns=spec.columns, operations=spec.operations, outputs=spec.outputs
    )
    try:
        return msgspec.json.encode(parts, order="deterministic")
    except (TypeError, ValueError, UnicodeError) as error:
        raise TransformError(f"the definition does not fit JSON: {error}") from None


def digest_of(spec: Spec) -> str:
    """Return the SHA-256 of a spec's definition and arrays."""
    return _digest(_definition(spec), spec.arrays)


def _digest(definition: bytes, arrays: Mapping[str, pa.Array]) -> str:
    state = hashlib.sha256()

    def add(part: bytes) -> None:
        state.update(len(part).to_bytes(8, "little"))
        state.update(part)

    add(definition)
    for name, array in arrays.items():
        add(name.encode())
        add(str(array.type).encode())
        state.update(len(array).to_bytes(8, "little"))
        for part in _parts(array):
            add(part or b"")
    return state.hexdigest()


def write(spec: Spec) -> bytes:
    """Return a spec as a file."""
    import pyarrow as pa

    columns = {
        name: pa.ListArray.from_arrays(pa.array([0, len(array)], pa.int32()), array)
        for name, array in spec.arrays.items()
    }
    schema = pa.schema(
        [(name, column.type) for name, column in columns.items()],
        metadata={_DEFINITION: _definition(spec), _DIGEST: spec.digest.encode()},
    )
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, schema) as writer:
        writer.write_batch(pa.RecordBatch.from_arrays(list(columns.values()), schema=schema))
    return bytes(sink.getvalue())


def read(data: bytes, source: str) -> Spec:
    """Read a spec from a file; see :meth:`penstock.transform.Spec.from_bytes`."""
    import pyarrow as pa

    if data[: len(_MAGIC)] != _MAGIC:
        raise TransformError(f"{source}: expected the file of a transform, an Arrow file")
    if data[-len(_MAGIC) :] != _MAGIC:
        raise TransformError(f"{source}: the file of the transform is truncated")
    try:
        reader = pa.ipc.open_file(pa.py_buffer(data))
        metadata = reader.schema.metadata or {}
        if _DEFINITION not in metadata:
            raise TransformError(f"{source}: expected the file of a transform, got another Arrow file")
        _check_format(metadata[_DEFINITION], source)
        arrays = _read_arrays(reader)
        stated = metadata.get(_DIGEST, b"").decode(errors="replace")
        got = _digest(metadata[_DEFINITION], arrays)
    except TransformError:
        raise
    except (pa.ArrowException, OSError, ValueError, MemoryError, OverflowError) as error:
        raise TransformError(f"{source}: the file of the transform is damaged: {error}") from None
    if got != stated:
        raise TransformError(
            f"{source}: the file of the transform is damaged: expected digest {stated}, got {got}"
        )
    spec = _read_spec(metadata[_DEFINITION], arrays, source)
    if spec.digest != stated:
        raise TransformError(f"{source}: expected the definition of the transform as Penstock writes it")
    return spec


def _check_format(definition: bytes, source: str) -> None:
    try:
        written = msgspec.json.decode(definition, type=_Header).format
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise TransformError(f"{source}: the file of the transform is damaged: {error}") from None
    if written > FORMAT:
        raise TransformError(
            f"{source}: expected format {FORMAT}, got {written}; a newer version of Penstock wrote it"
        )


def _read_spec(definition: bytes, arrays: dict[str, pa.Array], source: str) -> Spec:
    try:
        parts = msgspec.json.decode(definition, type=_Definition)
        return Spec(
            format=parts.format,
            columns=parts.columns,
            operations=parts.operations,
            outputs=parts.outputs,
            arrays=arrays,
        )
    except (msgspec.DecodeError, UnicodeError, RecursionError, TransformError) as error:
        raise TransformError(f"{source}: {error}") from None


def _read_arrays(reader: pa.ipc.RecordBatchFileReader) -> dict[str, pa.Array]:
    import pyarrow as pa

    for field in reader.schema:
        if not pa.types.is_list(field.type) or str(field.type.value_type) not in _ARRAY_TYPES:
            raise ValueError(f'array "{field.name}": expected numbers or texts, got {field.type}')
    if len(set(reader.schema.names)) != len(reader.schema.names):
        raise ValueError("expected one array of each name")
    if reader.num_record_batches != 1:
        raise ValueError(f"expected 1 record batch, got {reader.num_record_batches}")
    batch = reader.get_batch(0)
    # Before anything trusts an offset.
    batch.validate(full=True)
    if batch.num_columns and batch.num_rows != 1:
        raise ValueError(f"expected 1 row, got {batch.num_rows}")
    arrays = {}
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        if column.null_count:
            raise ValueError(f'array "{name}": expected values, got null')
        arrays[name] = canonical_array(name, column.flatten())
    return {name: arrays[name] for name in sorted(arrays)}
