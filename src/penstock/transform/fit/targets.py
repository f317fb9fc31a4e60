"""What the target is like within each category: numbers by their mean and variance, classes by their counts.

References: D. Micci-Barreca, "A preprocessing scheme for high-cardinality categorical attributes in
classification and prediction problems" (2001), equations 5 and 6, as scikit-learn has them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from penstock.errors import TransformError
from penstock.transform.fit.categories import grouped

__all__ = ["ClassTargets", "NumberTargets"]

Categories = list[str | float | None]


class _Targets:
    """The categories that were met, in that order."""

    def __init__(self, label: str, most: int) -> None:
        self._label = label
        self._most = most
        self._places: dict[str | float | None, int] = {}

    def _places_of(self, found: Categories) -> np.ndarray:
        places = np.array([self._places.setdefault(one, len(self._places)) for one in found], dtype=np.int64)
        if len(self._places) > self._most:
            raise TransformError(
                f'"{self._label}": more than {self._most} categories; use Hash, or raise max_categories'
            )
        return places

    def _ordered(self) -> tuple[Categories, list[int]]:
        found: Any = sorted(one for one in self._places if one is not None)
        categories: Categories = [*found, *([None] if None in self._places else [])]
        return categories, [self._places[one] for one in categories]


class NumberTargets(_Targets):
    """Mean and variance of a target of numbers within each category."""

    def __init__(self, label: str, most: int) -> None:
        super().__init__(label, most)
        self._count = np.zeros(0)
        self._mean = np.zeros(0)
        self._squares = np.zeros(0)

    def update(self, values: np.ndarray | pa.Array, target: np.ndarray) -> None:
        """Take in the values of a column and the target of each."""
        found, rows = grouped(values)
        count = np.bincount(rows, minlength=len(found)).astype(np.float64)
        mean = np.bincount(rows, weights=target, minlength=len(found)) / count
        squares = np.bincount(rows, weights=np.square(target - mean[rows]), minlength=len(found))
        self._merge(self._places_of(found), count, mean, squares)

    def fill(self, value: str | float) -> None:
        """Count missing values as this one."""
        if None in self._places:
            gone = self._places.pop(None)
            kept = self._count[gone], self._mean[gone], self._squares[gone]
            self._count[gone] = 0
            self._merge(self._places_of([value]), *(np.array([one]) for one in kept))

    def encodings(self, smooth: float | str) -> tuple[Categories, np.ndarray, np.ndarray]:
        """Return the categories, an array (categories, 1) of what each becomes, and what others do."""
        categories, places = self._ordered()
        count, mean, squares = self._count[places], self._mean[places], self._squares[places]
        total = count.sum()
        overall = float((count * mean).sum() / total) if total else 0.0
        variance = float((squares + count * np.square(mean - overall)).sum() / total) if total else 0.0
        result = _smoothed(count, mean, squares, overall, variance, smooth)
        return categories, result[:, None], np.array([overall])

    def _merge(self, places: np.ndarray, count: np.ndarray, mean: np.ndarray, squares: np.ndarray) -> None:
        more = int(places.max(initial=-1)) + 1 - len(self._count)
        if more > 0:
            self._count, self._mean, self._squares = (
                np.concatenate([one, np.zeros(more)]) for one in (self._count, self._mean, self._squares)
            )
        before = self._count[places]
        total = before + count
        difference = mean - self._mean[places]
        self._mean[places] += difference * count / total
        self._squares[places] += squares + difference * difference * before * count / total
        self._count[places] = total


class ClassTargets(_Targets):
    """Counts of the classes of a target within each category."""

    def __init__(self, label: str, most: int) -> None:
        super().__init__(label, most)
        self._classes: dict[Any, int] = {}
        self._counts: dict[tuple[int, int], int] = {}

    def update(self, values: np.ndarray | pa.Array, target: np.ndarray | pa.Array) -> None:
        """Take in the values of a column and the class of each."""
        found, rows = grouped(values)
        classes, codes = grouped(target)
        places = self._places_of(found)
        columns = np.array([self._classes.setdefault(one, len(self._classes)) for one in classes])
        pairs, numbers = np.unique(rows * len(classes) + codes, return_counts=True)
        for pair, number in zip(pairs.tolist(), numbers.tolist(), strict=True):
            key = int(places[pair // len(classes)]), int(columns[pair % len(classes)])
            self._counts[key] = self._counts.get(key, 0) + number

    def fill(self, value: str | float) -> None:
        """Count missing values as this one."""
        if None in self._places:
            gone = self._places.pop(None)
            (place,) = self._places_of([value])
            for column in self._classes.values():
                key = int(place), column
                self._counts[key] = self._counts.get(key, 0) + self._counts.pop((gone, column), 0)

    def encodings(self, smooth: float | str) -> tuple[Categories, np.ndarray, np.ndarray]:
        """Return the categories, an array (categories, classes) of what each becomes, and what others do.

        Of two classes only the second has a column.
        """
        categories, places = self._ordered()
        classes = sorted(self._classes)
        kept = classes[1:] if len(classes) == 2 else classes
        table = np.array(
            [[self._counts.get((place, self._classes[one]), 0) for one in classes] for place in places],
            dtype=np.float64,
        ).reshape(len(places), len(classes))
        count = table.sum(axis=1)
        columns, others = [], []
        for one in kept:
            mean = table[:, classes.index(one)] / count
            overall = float(table[:, classes.index(one)].sum() / count.sum())
            variance = overall * (1 - overall)
            columns.append(_smoothed(count, mean, count * mean * (1 - mean), overall, variance, smooth))
            others.append(overall)
        return categories, np.column_stack(columns), np.array(others)


def _smoothed(
    count: np.ndarray,
    mean: np.ndarray,
    squares: np.ndarray,
    overall: float,
    variance: float,
    smooth: float | str,
) -> np.ndarray:
    if isinstance(smooth, str):
        with np.errstate(invalid="ignore", divide="ignore"):
            weight = variance * count / (variance * count + squares / count)
            return np.where(np.isnan(weight), overall, weight * mean + (1 - weight) * overall)
    return np.asarray((count * mean + smooth * overall) / (count + smooth))
