"""Data to fit on, in blocks: a table, a dataset on disk, or batches that come one after another.

Blocks have the same rows whatever batches the data came in, so that what is learned does not depend on them.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from penstock.errors import SignatureError, TransformError

__all__ = ["BLOCK_ROWS", "Source", "numbers_of", "texts_of"]

BLOCK_ROWS = 65_536
"""Rows that are learned from at a time."""


class Source:
    """Data that can be read once, or several times.

    Parameters
    ----------
    data : table, frame, dict, dataset, scanner, iterable, iterator or callable
        What :func:`penstock.transform.fit.fit` takes.
    columns : sequence of str
        The columns that are read.

    Attributes
    ----------
    repeatable : bool
        Whether the data can be read more than once: an iterator cannot.
    """

    def __init__(self, data: Any, columns: Iterable[str]) -> None:
        self.columns = tuple(columns)
        self._open, self.repeatable, self._schema = _open(data, self.columns)
        self._types: dict[str, pa.DataType] = {}
        self._begun: Iterator[pa.Table] | None = None
        """The first pass, where the schema had to be read from it."""

    def types(self) -> dict[str, str]:
        """Return the type of each column, as a spec has it; reads the first batch where no schema is known.

        Raises
        ------
        SignatureError
            Where a column is missing or holds what no transform takes.
        """
        if self._schema is None:
            batches = self._open()
            first = next(batches, None)
            if first is None:
                raise TransformError("no data: expected at least one batch")
            self._begun = itertools.chain([first], batches)
            self._schema = first.schema
        _check_columns(self._schema, self.columns)
        self._types = {name: _plain(self._schema.field(name).type) for name in self.columns}
        return {name: _spec_type(name, kind) for name, kind in self._types.items()}

    def blocks(self) -> Iterator[pa.Table]:
        """Yield all rows, :data:`BLOCK_ROWS` at a time."""
        waiting: list[pa.Table] = []
        rows = 0
        tables, self._begun = self._begun or self._open(), None
        for table in tables:
            _check_columns(table.schema, self.columns)
            waiting.append(self._conform(table))
            rows += table.num_rows
            if rows < BLOCK_ROWS:
                continue
            whole = pa.concat_tables(waiting)
            ready = rows - rows % BLOCK_ROWS
            for start in range(0, ready, BLOCK_ROWS):
                yield whole.slice(start, BLOCK_ROWS)
            waiting, rows = [whole.slice(ready)], rows - ready
        if rows:
            yield pa.concat_tables(waiting)

    def _conform(self, table: pa.Table) -> pa.Table:
        arrays = []
        for name, expected in self._types.items():
            column = table.column(name)
            try:
                arrays.append(column if column.type == expected else column.cast(expected))
            except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
                raise SignatureError(f'column "{name}": expected {expected}, got {column.type}') from None
        return pa.table(arrays, names=list(self._types))


def numbers_of(column: pa.ChunkedArray) -> np.ndarray:
    """Return a column of numbers as doubles, NaN where it is null."""
    if pa.types.is_boolean(column.type):
        column = column.cast(pa.uint8())
    if pa.types.is_integer(column.type):
        column = column.cast(pa.float64(), safe=False)
    return np.asarray(column.to_numpy(), dtype=np.float64)


def texts_of(column: pa.ChunkedArray) -> pa.Array:
    """Return a column of texts as one array."""
    array = column.combine_chunks()
    return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array


def _open(
    data: Any, columns: tuple[str, ...]
) -> tuple[Callable[[], Iterator[pa.Table]], bool, pa.Schema | None]:
    import pyarrow.dataset as ds

    if isinstance(data, ds.Dataset):
        _check_columns(data.schema, columns)
        return lambda: map(_table, data.to_batches(columns=list(columns))), True, data.schema
    if isinstance(data, ds.Scanner):
        return lambda: map(_table, data.to_batches()), True, data.projected_schema
    if isinstance(data, pa.RecordBatchReader):
        return lambda: map(_table, data), False, data.schema
    if isinstance(data, str | bytes):
        raise TransformError(
            f"expected data, got the text {data!r}; open it with pyarrow.dataset.dataset(...)"
        )
    if _is_table(data):
        table = _table(data)
        return lambda: iter([table]), True, table.schema
    if callable(data):
        return lambda: map(_table, _batches(data())), True, None
    if isinstance(data, Iterator):
        return lambda: map(_table, data), False, None
    if isinstance(data, Iterable):
        return lambda: map(_table, data), True, None
    raise TransformError(
        "expected a table, a frame, a dict of columns, a dataset or batches of them, "
        f"got {type(data).__name__}"
    )


def _batches(data: Any) -> Iterable[Any]:
    import pyarrow.dataset as ds

    if isinstance(data, ds.Dataset | ds.Scanner):
        data = data.to_batches()
    one = _is_table(data) and not isinstance(data, pa.RecordBatchReader)
    batches: Iterable[Any] = [data] if one else data
    return batches


def _is_table(data: Any) -> bool:
    return isinstance(data, pa.Table | pa.RecordBatch | Mapping) or hasattr(data, "__arrow_c_stream__")


def _table(data: Any) -> pa.Table:
    if isinstance(data, pa.Table):
        return data
    if isinstance(data, pa.RecordBatch):
        return pa.Table.from_batches([data])
    try:
        if isinstance(data, Mapping):
            return pa.table({name: _array(values) for name, values in data.items()})
        if type(data).__module__.partition(".")[0] == "pandas":
            return pa.Table.from_pandas(data, preserve_index=False)
        if hasattr(data, "__arrow_c_stream__"):
            return pa.table(data)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
        raise SignatureError(f"data that Arrow cannot hold: {error}") from None
    raise TransformError(f"expected a batch of columns, got {type(data).__name__}")


def _array(values: Any) -> Any:
    if isinstance(values, np.ndarray):
        return pa.array(values.tolist() if values.dtype.kind in "TU" else values)
    return values


def _check_columns(schema: pa.Schema, columns: tuple[str, ...]) -> None:
    for name in columns:
        found = schema.get_all_field_indices(name)
        if not found:
            raise SignatureError(f'missing column "{name}"; the data has: {", ".join(schema.names)}')
        if len(found) > 1:
            raise SignatureError(f'column "{name}" is there {len(found)} times')


def _plain(kind: pa.DataType) -> pa.DataType:
    """Return the type that a column is learned from in: without a dictionary, texts in one layout."""
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if pa.types.is_string(kind) or pa.types.is_string_view(kind):
        return pa.large_string()
    return kind


def _spec_type(name: str, kind: pa.DataType) -> str:
    if pa.types.is_large_string(kind):
        return "string"
    if pa.types.is_timestamp(kind):
        return f"timestamp[{kind.unit}]"
    if pa.types.is_date32(kind):
        return "date32"
    if pa.types.is_boolean(kind):
        return "bool"
    if pa.types.is_float16(kind):
        return "float32"
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return str(np.dtype(kind.to_pandas_dtype()))
    raise SignatureError(f'column "{name}": expected numbers, texts, dates or times, got {kind}')
