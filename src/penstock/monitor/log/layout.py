"""Which columns of a batch are kept, and where each lies in it. Read next: _log.pyi."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from penstock.transform import PrefixedText

__all__ = ["Slot", "column_names", "named_slots", "slots_of"]

LEADING: Final = ("id", "row", "model", "version", "time")
"""Columns that every file begins with."""

_MOST_COLUMNS: Final = 256
_MOST_ITEMS: Final = 4096


@dataclass(frozen=True, slots=True)
class Slot:
    """One tensor that is kept, or one column of it.

    Attributes
    ----------
    names : tuple of str
        Of the columns that it becomes: one, or one for each column of a matrix.
    tensor : str
    output : bool
        Whether the tensor is an output.
    dtype : dtype or None
        None: texts.
    items : int
        Values a row.
    column : int
        The one column of a matrix that is kept; -1 for all.
    """

    names: tuple[str, ...]
    tensor: str
    output: bool
    dtype: np.dtype[Any] | None
    items: int = 1
    column: int = -1


def column_names(tensor: str, items: int) -> tuple[str, ...]:
    """Return the names of the columns of a tensor: those of the baseline.

    Examples
    --------
    >>> column_names("age", 1), column_names("p", 2)
    (('age',), ('p[0]', 'p[1]'))
    """
    return (tensor,) if items == 1 else tuple(f"{tensor}[{index}]" for index in range(items))


def slots_of(
    columns: Mapping[str, Any],
    outputs: Mapping[str, Any],
    names: Mapping[str, Sequence[str]] | None = None,
) -> tuple[Slot, ...]:
    """Return a slot for every tensor that can be kept, inputs first.

    Parameters
    ----------
    columns, outputs : mapping of str to ndarray or PrefixedText
    names : mapping of str to sequence of str, optional
        Of the columns of an input that is a matrix, where they are not ``tensor[i]``.

    Notes
    -----
    Matrices of up to 256 columns become columns, tensors of up to 4,096 values a row a list; larger ones and
    complex numbers are left out. A name that is taken has ``input.`` or ``output.`` before it.
    """
    taken = set(LEADING)
    found = []
    for tensors, output in ((columns, False), (outputs, True)):
        for tensor, values in tensors.items():
            items = _items(values)
            if not 0 < items <= _MOST_ITEMS:
                continue
            wanted: Sequence[str] = (names or {}).get(tensor, ()) if not output else ()
            if len(wanted) != items:
                flat = isinstance(values, PrefixedText) or values.ndim <= 2
                wanted = column_names(tensor, items) if flat and items <= _MOST_COLUMNS else (tensor,)
            free = tuple(_free(name, taken, output) for name in wanted)
            if dtype_of(values) is None and items > 1:
                found += [Slot((name,), tensor, output, None, 1, index) for index, name in enumerate(free)]
                continue
            found.append(Slot(free, tensor, output, dtype_of(values), items))
    return tuple(found)


def named_slots(
    wanted: Iterable[str], columns: Mapping[str, Any], outputs: Mapping[str, Any]
) -> tuple[Slot, ...]:
    """Return the slots of columns by name; those that are nowhere are left out.

    Parameters
    ----------
    wanted : iterable of str
        ``tensor``, or ``tensor[i]`` for a column of a matrix. Inputs come before outputs.
    columns, outputs : mapping of str to ndarray or PrefixedText
    """
    found = []
    for name in wanted:
        for tensors, output in ((columns, False), (outputs, True)):
            tensor, column = _place(name, tensors)
            if tensor is not None:
                found.append(Slot((name,), tensor, output, dtype_of(tensors[tensor]), 1, column))
                break
    return tuple(found)


def dtype_of(values: Any) -> np.dtype[Any] | None:
    """Return the type of numbers, None of texts."""
    if isinstance(values, PrefixedText) or values.dtype == object:
        return None
    dtype: np.dtype[Any] = values.dtype
    return dtype


def _items(values: Any) -> int:
    """Return the values a row; 0 where they cannot be kept."""
    if isinstance(values, PrefixedText):
        return 1
    if values.ndim == 0 or values.dtype.kind not in "biufO":
        return 0
    items = int(np.prod(values.shape[1:], dtype=np.int64))
    # Texts of more than a matrix have no place in a file of columns.
    return 0 if values.dtype == object and (values.ndim > 2 or items > _MOST_COLUMNS) else items


def _place(name: str, tensors: Mapping[str, Any]) -> tuple[str | None, int]:
    if name in tensors:
        return (name, -1) if _items(tensors[name]) == 1 else (None, -1)
    tensor, bracket, index = name.removesuffix("]").rpartition("[")
    if not bracket or tensor not in tensors or not index.isdecimal():
        return None, -1
    values = tensors[tensor]
    if not isinstance(values, np.ndarray) or values.ndim != 2 or not _items(values):
        return None, -1
    return (tensor, int(index)) if int(index) < values.shape[1] else (None, -1)


def _free(name: str, taken: set[str], output: bool) -> str:
    while name in taken:
        name = f"{'output' if output else 'input'}.{name}"
    taken.add(name)
    return name
