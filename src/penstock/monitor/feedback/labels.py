"""Labels as they come, as ids and numbers to compare."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Classes", "Labels", "id_array", "text_buffers"]

_MOST_CLASSES: Final = 10_000
_LONGEST_CLASS: Final = 1024


class Classes:
    """Labels of one model as numbers: they are numbers, or texts, as the first one was.

    Attributes
    ----------
    texts : list of str
        Of the numbers from 0 on, where labels are texts. At most 10,000.
    kind : {"", "number", "text"}
    """

    def __init__(self) -> None:
        self.kind = ""
        self.texts: list[str] = []
        self._codes: dict[str, int] = {}

    def numbers(self, labels: Any) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Return labels as numbers; NaN for what is none."""
        import pyarrow as pa

        array = _array(labels)
        is_text = pa.types.is_string(array.type)
        if not self.kind and array.null_count < len(array):
            self.kind = "text" if is_text else "number"
        if self.kind == "text":
            return self._numbers_of_texts(array if is_text else _written(array))
        values = np.array([_number(text) for text in array.to_pylist()]) if is_text else _floats(array)
        return np.where(np.isfinite(values), values, np.nan)

    def labels(self, numbers: np.ndarray[Any, np.dtype[np.float64]]) -> pa.Array:
        """Return the labels that numbers stand for."""
        import pyarrow as pa

        if self.kind != "text":
            return pa.array(numbers)
        return pa.DictionaryArray.from_arrays(
            pa.array(numbers.astype(np.int32)), pa.array(self.texts, pa.string())
        ).cast(pa.string())

    def _numbers_of_texts(self, array: pa.StringArray) -> np.ndarray[Any, np.dtype[np.float64]]:
        coded = array.dictionary_encode()
        found = np.array([self._code(text) for text in coded.dictionary.to_pylist()] + [math.nan])
        indices = coded.indices.fill_null(len(found) - 1).to_numpy(zero_copy_only=False)
        return np.asarray(found[indices], np.float64)

    def _code(self, text: str) -> float:
        code = self._codes.get(text)
        if code is None:
            if len(self.texts) == _MOST_CLASSES or len(text) > _LONGEST_CLASS:
                return math.nan
            code = self._codes[text] = len(self.texts)
            self.texts.append(text)
        return code


@dataclass
class Labels:
    """Labels that are looked for.

    Attributes
    ----------
    ids : pyarrow.StringArray
        Without nulls.
    numbers : ndarray of float64
    times_us : ndarray of int64
        Of the labels.
    since_s : ndarray of float64
        When each came.
    """

    ids: pa.StringArray
    numbers: np.ndarray[Any, np.dtype[np.float64]]
    times_us: np.ndarray[Any, np.dtype[np.int64]]
    since_s: np.ndarray[Any, np.dtype[np.float64]]

    def __len__(self) -> int:
        return len(self.numbers)

    @classmethod
    def merged(cls, parts: Sequence[Labels]) -> Labels:
        """Return all together, in their order."""
        import pyarrow as pa

        if len(parts) == 1:
            return parts[0]
        return cls(
            pa.concat_arrays([part.ids for part in parts]),
            np.concatenate([part.numbers for part in parts]),
            np.concatenate([part.times_us for part in parts]),
            np.concatenate([part.since_s for part in parts]),
        )

    def only(self, mask: np.ndarray[Any, np.dtype[np.bool_]]) -> Labels:
        """Return those of a mask."""
        import pyarrow as pa

        return Labels(
            self.ids.filter(pa.array(mask)), self.numbers[mask], self.times_us[mask], self.since_s[mask]
        )


def id_array(ids: Any) -> pa.StringArray:
    """Return ids as UTF-8: bytes that are not are escaped, as those of requests; numbers are written out."""
    import pyarrow as pa

    if isinstance(ids, pa.ChunkedArray):
        ids = ids.combine_chunks()
    try:
        array = ids if isinstance(ids, pa.Array) else pa.array(ids)
        if pa.types.is_dictionary(array.type):
            array = array.dictionary_decode()
        if not pa.types.is_null(array.type) and not _is_bytes(array.type):
            return array.cast(pa.string())
        items = array.to_pylist()
    except (pa.ArrowException, UnicodeError, TypeError, OverflowError):
        items = ids.to_pylist() if isinstance(ids, pa.Array) else list(ids)
    return pa.array([_id(item) for item in items], pa.string())


def text_buffers(texts: pa.StringArray) -> tuple[np.ndarray[Any, np.dtype[np.int32]], Any]:
    """Return texts without nulls as Arrow lays them: offsets and bytes."""
    _, offsets, data = texts.buffers()
    if offsets is None or len(texts) == 0:
        return np.zeros(1, np.int32), np.zeros(0, np.uint8)
    found = np.frombuffer(offsets, np.int32)[texts.offset : texts.offset + len(texts) + 1]
    return found, np.frombuffer(data, np.uint8) if data is not None else np.zeros(0, np.uint8)


def _id(item: Any) -> str | None:
    if item is None:
        return None
    if isinstance(item, bytes):
        return item.decode("utf-8", "backslashreplace")
    return str(item).encode("utf-8", "backslashreplace").decode()


def _array(labels: Any) -> pa.Array:
    """Return labels as an array of text or numbers."""
    import pyarrow as pa

    if isinstance(labels, pa.ChunkedArray):
        labels = labels.combine_chunks()
    try:
        array = labels if isinstance(labels, pa.Array) else pa.array(labels)
    except (pa.ArrowException, UnicodeError, TypeError, OverflowError):
        array = pa.array([_id(item) for item in labels], pa.string())
    kind = array.type
    if pa.types.is_dictionary(kind):
        array, kind = array.dictionary_decode(), array.type.value_type
    if pa.types.is_null(kind):
        return array.cast(pa.float64())
    if pa.types.is_boolean(kind):
        return array.cast(pa.int8())
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return array
    return id_array(array)


def _is_bytes(kind: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind))


def _floats(array: pa.Array) -> np.ndarray[Any, np.dtype[np.float64]]:
    import pyarrow as pa

    values = array.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    return np.asarray(values, np.float64)


def _written(array: pa.Array) -> pa.StringArray:
    """Write numbers out, whole ones without a point."""
    import pyarrow as pa

    texts = [
        None if value is None or value != value else str(int(value)) if value == int(value) else str(value)
        for value in (item if item is None or math.isfinite(item) else None for item in array.to_pylist())
    ]
    return pa.array(texts, pa.string())


def _number(text: str | None) -> float:
    try:
        return math.nan if text is None else float(text)
    except ValueError:
        return math.nan
