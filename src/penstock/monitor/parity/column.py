"""Columns as the libraries see them: what pandas makes of an Arrow column."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from penstock.errors import SignatureError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import pyarrow as pa
    from numpy.typing import NDArray

__all__ = ["Column", "chosen", "columns_of", "counted"]

ColumnKind = Literal["float", "int", "unsigned", "bool", "text", "category", "other"]


@dataclass(frozen=True, eq=False)
class Column:
    """One column.

    Attributes
    ----------
    kind : str
        ``float``, ``int``, ``unsigned``, ``bool``, ``text``, ``category`` or ``other``. Whole numbers with
        missing values are ``float``, as pandas has them.
    values : ndarray, shape (n_rows,)
        Numbers, NaN where missing; of texts the place of each among the names, -1 where missing.
    names : tuple of str
        The texts.
    """

    kind: ColumnKind
    values: NDArray[Any]
    names: tuple[Any, ...] = ()

    def __len__(self) -> int:
        return len(self.values)

    def rows(self, begin: int, end: int) -> Column:
        """Return the column of some rows."""
        return replace(self, values=self.values[begin:end])

    @cached_property
    def present(self) -> NDArray[Any]:
        """Values that are not missing."""
        if self.kind in ("text", "category", "other"):
            return self.values[self.values >= 0]
        return self.values[~np.isnan(self.values)] if self.kind == "float" else self.values

    @cached_property
    def finite(self) -> NDArray[Any]:
        """Values that are neither missing nor infinite."""
        return self.present[np.isfinite(self.present)] if self.kind == "float" else self.present

    def count(self, values: NDArray[Any]) -> dict[Any, int]:
        """Return how often each of some values of the column comes."""
        distinct, counts = np.unique(values, return_counts=True)
        named = [self.names[code] for code in distinct] if self.names else distinct.tolist()
        return dict(zip(named, counts.tolist(), strict=True))


def columns_of(data: Any) -> dict[str, Column]:
    """Return the columns of a table, data frame, dict or batches of them, all of it in memory.

    Raises
    ------
    ConfigError
        Where it is none of these.
    """
    import pyarrow as pa

    from penstock.monitor.tables import tables_of

    table = pa.concat_tables(tables_of(data))
    return {name: _column(table.column(name).combine_chunks()) for name in table.schema.names}


def counted(
    first: Mapping[Any, int], second: Mapping[Any, int]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the counts of two samples over the values of both."""
    keys = [*first, *(key for key in second if key not in first)]
    before, after = ([side.get(key, 0) for key in keys] for side in (first, second))
    return np.array(before, np.float64), np.array(after, np.float64)


def chosen(
    reference: Mapping[str, Column], current: Mapping[str, Column], columns: Iterable[str] | None
) -> list[str]:
    """Return the columns to compare: those asked for, by default all of the current data.

    Raises
    ------
    SignatureError
        Where a side lacks one.
    """
    names = list(current if columns is None else columns)
    for what, side in (("reference", reference), ("current", current)):
        for name in names:
            if name not in side:
                have = ", ".join(side)
                raise SignatureError(f'missing column "{name}" in the {what} data, which have: {have}')
    return names


def _column(array: pa.Array) -> Column:
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = array.type
    if pa.types.is_dictionary(kind) or pa.types.is_string(kind) or pa.types.is_large_string(kind):
        encoded = array if pa.types.is_dictionary(kind) else pc.dictionary_encode(array)
        codes = pc.fill_null(encoded.indices.cast(pa.int64()), -1).to_numpy(zero_copy_only=False)
        names = tuple(encoded.dictionary.to_pylist())
        return Column("category" if pa.types.is_dictionary(kind) else "text", codes, names)
    number = pa.types.is_integer(kind) or pa.types.is_floating(kind)
    if number and (array.null_count or pa.types.is_floating(kind)):
        values = array.cast(pa.float64(), safe=False) if not pa.types.is_floating(kind) else array
        return Column("float", np.asarray(values.to_numpy(zero_copy_only=False)))
    if number:
        name: ColumnKind = "unsigned" if pa.types.is_unsigned_integer(kind) else "int"
        return Column(name, np.asarray(array.to_numpy(zero_copy_only=False)))
    if pa.types.is_boolean(kind) and not array.null_count:
        return Column("bool", np.asarray(array.to_numpy(zero_copy_only=False)))
    return Column("other", np.full(len(array), -1, np.int64))
