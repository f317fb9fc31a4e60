"""How often each value of a column is there."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from penstock.errors import TransformError

__all__ = ["Categories", "grouped"]


class Categories:
    """Counts of the different values of a column, texts or numbers, and of missing ones.

    Parameters
    ----------
    label : str
        The column, for messages.
    most : int
        Different values that are kept; more are refused.

    Examples
    --------
    >>> categories = Categories("city", 10)
    >>> categories.update(pa.array(["Bonn", None, "Aachen", "Bonn"]))
    >>> categories.ordered(), categories.missing
    ((['Aachen', 'Bonn'], [1, 2]), 1)
    """

    def __init__(self, label: str, most: int) -> None:
        self.missing = 0
        self._label = label
        self._most = most
        self._counts: dict[str | float, int] = {}

    def update(self, values: np.ndarray | pa.Array) -> None:
        """Take in texts (null is missing) or numbers (NaN is missing)."""
        if isinstance(values, pa.Array):
            self.missing += values.null_count
            counted = pc.value_counts(values.drop_null())
            found = counted.field("values").to_pylist()
            counts = counted.field("counts").to_pylist()
        else:
            there = values[~np.isnan(values)]
            self.missing += len(values) - len(there)
            unique, number = np.unique(there, return_counts=True)
            # Adding 0 makes the zero of either sign the same category.
            found, counts = (unique + 0.0).tolist(), number.tolist()
        for category, count in zip(found, counts, strict=True):
            self._counts[category] = self._counts.get(category, 0) + count
        if len(self._counts) > self._most:
            raise TransformError(
                f'"{self._label}": more than {self._most} categories; use Hash, or raise max_categories'
            )

    def fill(self, value: str | float) -> None:
        """Count the missing values as this one."""
        if self.missing:
            self._counts[value] = self._counts.get(value, 0) + self.missing
            self.missing = 0

    def ordered(self) -> tuple[list[str] | list[float], list[int]]:
        """Return the categories in ascending order, texts by code points, and the count of each."""
        found: Any = sorted(self._counts)
        return found, [self._counts[category] for category in found]

    @property
    def most_frequent(self) -> str | float | None:
        """The least of the most frequent values; none where there are none."""
        if not self._counts:
            return None
        top = max(self._counts.values())
        found: Any = (category for category, count in self._counts.items() if count == top)
        return cast("str | float", min(found))


def grouped(values: np.ndarray | pa.Array) -> tuple[list[str | float | None], np.ndarray]:
    """Return the different values, None for a missing one, and the position of each row's among them."""
    if isinstance(values, pa.Array):
        encoded = pc.dictionary_encode(values, null_encoding="encode")
        return encoded.dictionary.to_pylist(), encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    unique, inverse = np.unique(values, return_inverse=True)
    return [None if np.isnan(value) else value + 0.0 for value in unique.tolist()], inverse.astype(np.int64)
