"""Rows as points: missing values filled, categories by their frequency, every feature on one scale."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

__all__ = ["Encoder"]

_REACH: Final = 20.0
"""Quartile ranges beyond the quartiles that a number may lie; further out it is drawn in to there."""

_HUGE: Final = 1e18


@dataclass(frozen=True, eq=False)
class Encoder:
    """Turns sampled rows into points.

    Attributes
    ----------
    low, high, mean, scale : ndarray of float64, shape (n_features,)
    frequencies : mapping of int to ndarray of float64
        By the place of a categorical feature: the share of rows in each category, then 0 for all other
        texts.
    common : mapping of int to int
        The most frequent category, which stands for a missing one.

    Notes
    -----
    What NannyML does before its principal components: numbers are imputed by the mean and categories by the
    most frequent, categories encoded by their frequency, everything standardised. But a number far outside
    the quartiles is drawn in first, so that one value of 1e300 does not become the whole scale. Everything
    depends on the rows it is learned from alone.
    """

    low: NDArray[np.float64]
    high: NDArray[np.float64]
    mean: NDArray[np.float64]
    scale: NDArray[np.float64]
    frequencies: Mapping[int, NDArray[np.float64]]
    common: Mapping[int, int]

    @classmethod
    def fit(cls, values: NDArray[np.float32], categories: Mapping[int, int]) -> Encoder:
        """Learn from rows of a reference.

        Parameters
        ----------
        values : ndarray of float32, shape (n_rows, n_features)
            As a :class:`RowSample` holds them.
        categories : mapping of int to int
            By the place of a categorical feature, how many categories it has.
        """
        count = values.shape[1]
        frequencies = {place: _shares(values[:, place], known) for place, known in categories.items()}
        low, high = np.full(count, -_HUGE), np.full(count, _HUGE)
        mean, scale = np.zeros(count), np.ones(count)
        common = {place: int(np.argmax(shares)) for place, shares in frequencies.items()}
        for place in range(count):
            if place in frequencies:
                column = _coded(values[:, place], frequencies[place], common[place])
            else:
                low[place], high[place] = _bounds(values[:, place])
                column = np.clip(values[:, place].astype(np.float64), low[place], high[place])
                column = column[~np.isnan(column)]
            if len(column):
                mean[place] = column.mean()
            spread = _deviation(column, values.shape[0], mean[place])
            if spread > 1e-12 * max(1.0, abs(mean[place])):
                scale[place] = spread
        return cls(low, high, mean, scale, frequencies, common)

    def encode(self, values: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return rows as points, shape (n_rows, n_features)."""
        points = np.clip(values.astype(np.float64), self.low, self.high)
        for place, shares in self.frequencies.items():
            points[:, place] = _coded(values[:, place], shares, self.common[place])
        np.copyto(points, self.mean, where=np.isnan(points))
        points -= self.mean
        points /= self.scale
        return points


def _shares(column: NDArray[Any], known: int) -> NDArray[np.float64]:
    codes = column[column < known].astype(np.int64)
    present = max(int(np.count_nonzero(~np.isnan(column))), 1)
    return np.append(np.bincount(codes, minlength=known) / present, 0.0)


def _bounds(column: NDArray[Any]) -> tuple[float, float]:
    finite = column[np.isfinite(column)].astype(np.float64)
    if not len(finite):
        return -_HUGE, _HUGE
    for tail in (0.25, 0.05, 0.01, 0.0):
        low, high = np.quantile(finite, (tail, 1 - tail))
        if high > low:
            reach = _REACH * (high - low)
            return max(float(low - reach), -_HUGE), min(float(high + reach), _HUGE)
    return max(float(low) - 1, -_HUGE), min(float(high) + 1, _HUGE)


def _deviation(column: NDArray[Any], rows: int, mean: float) -> float:
    """Return the standard deviation over all rows; those without a value have the mean."""
    return float(np.sqrt(((column - mean) ** 2).sum() / max(rows, 1)))


def _coded(column: NDArray[Any], shares: NDArray[np.float64], common: int) -> NDArray[np.float64]:
    codes = np.where(np.isnan(column), common, column).astype(np.int64)
    return shares[np.clip(codes, 0, len(shares) - 1)]
