"""Columns of labels and predictions, in whatever container they come, as numbers or distinct values."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from penstock.errors import SignatureError

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Flat", "canonical", "flat", "numbers"]

Array = np.ndarray[Any, Any]

_PLAIN: Final = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?")
"""A number as programs write it, not a code such as 01."""


@dataclass(frozen=True)
class Flat:
    """A column as an Arrow array in one piece: text, or float64 with NaN for what is missing."""

    values: pa.Array | Array

    @property
    def is_text(self) -> bool:
        """Whether it is text."""
        return not isinstance(self.values, np.ndarray)

    def distinct(self) -> tuple[list[Any], Array]:
        """Return the distinct values, and the index of each in them; -1 where one is missing."""
        if isinstance(self.values, np.ndarray):
            missing = np.isnan(self.values)
            found, inverse = np.unique(self.values[~missing], return_inverse=True)
            index = np.full(len(self.values), -1, np.int64)
            index[~missing] = inverse
            return found.tolist(), index
        encoded = self.values.dictionary_encode()
        index = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
        return encoded.dictionary.to_pylist(), index


def canonical(value: Any) -> str:
    """Return a class as text, the same for 1, 1.0, True, "1" and "1.0".

    >>> canonical(1.0), canonical("1.0"), canonical(0.5), canonical("yes")
    ('1', '1', '0.5', 'yes')
    """
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    if isinstance(value, str) and not _PLAIN.fullmatch(value):
        return value
    number = float(value)
    return str(int(number)) if number.is_integer() and abs(number) < 2**53 else repr(number)


def flat(values: Any) -> Flat:
    """Return a column as text or float64.

    Raises
    ------
    SignatureError
        Where it holds neither numbers nor text.
    """
    import pyarrow as pa

    if isinstance(values, np.ndarray) and values.dtype.kind in "fiub":
        return Flat(values.astype(np.float64))
    try:
        is_arrow = isinstance(values, pa.Array | pa.ChunkedArray)
        array = values if is_arrow else pa.array(values, from_pandas=True)
        if pa.types.is_dictionary(array.type):
            array = array.cast(array.type.value_type)
        if isinstance(array, pa.ChunkedArray):
            array = array.combine_chunks()
        return Flat(_plain(array))
    except (pa.ArrowException, ValueError, TypeError) as error:
        raise SignatureError(f"labels and predictions: expected numbers or text: {error}") from None


def _plain(array: pa.Array) -> pa.Array | Array:
    import pyarrow as pa

    kind = array.type
    if pa.types.is_null(kind):
        return np.full(len(array), math.nan)
    if pa.types.is_boolean(kind):
        array = array.cast(pa.int8())
    if pa.types.is_boolean(kind) or pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return array.cast(pa.float64(), safe=False).fill_null(math.nan).to_numpy(zero_copy_only=False)
    if pa.types.is_string_view(kind):
        return array.cast(pa.large_string())
    if kind in (pa.string(), pa.large_string(), pa.binary(), pa.large_binary()):
        return array
    raise TypeError(f"got {kind}")


def numbers(values: Any) -> Array:
    """Return a column as float64; texts are read as numbers, and are NaN where they are none."""
    found = flat(values)
    if isinstance(found.values, np.ndarray):
        return found.values
    distinct, index = found.distinct()
    return np.append(np.array([_number(value) for value in distinct], np.float64), math.nan)[index]


def _number(value: Any) -> float:
    try:
        return float(value)
    except ValueError:
        return math.nan
