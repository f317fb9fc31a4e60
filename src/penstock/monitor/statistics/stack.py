"""The counts of many features as few arrays, so that a statistic is taken of all of them at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Counts = NDArray[np.int64]

__all__ = ["Stack"]

_TOGETHER: Final = 64
"""Features that are put together at most: memory is bounded, and the arrays stay in the cache."""


class Stack:
    """Counts before and after, put on each other where they are over as many bins.

    Parameters
    ----------
    pairs : sequence of tuples of two ndarrays of int64, shape (n_bins,)
        One pair a feature; the number of bins may differ from pair to pair. A pair of which one side has no
        rows is left out.

    Examples
    --------
    >>> from penstock.monitor.statistics.l_infinity import largest_change
    >>> pairs = [([1, 1], [2, 0]), ([3], [5]), ([0, 0], [1, 1]), ([1, 3], [1, 1])]
    >>> Stack([(np.array(a), np.array(b)) for a, b in pairs]).measure(largest_change).tolist()
    [0.5, 0.0, nan, 0.25]
    """

    def __init__(self, pairs: Sequence[tuple[Counts, Counts]]) -> None:
        self._pairs = pairs
        alike: dict[int, list[int]] = {}
        for index, (before, after) in enumerate(pairs):
            if before.any() and after.any():
                alike.setdefault(len(before), []).append(index)
        self._layers = [
            self._layer(where[first : first + _TOGETHER])
            for where in alike.values()
            for first in range(0, len(where), _TOGETHER)
        ]

    def _layer(self, where: list[int]) -> tuple[list[int], Counts, Counts]:
        before, after = (np.stack(side) for side in zip(*(self._pairs[i] for i in where), strict=True))
        return where, before, after

    def __iter__(self) -> Iterator[tuple[list[int], Counts, Counts]]:
        """Yield indices of pairs, and their counts before and after, of shape (n_pairs, n_bins)."""
        return iter(self._layers)

    def measure(self, statistic: Callable[[Counts, Counts], NDArray[np.float64]]) -> NDArray[np.float64]:
        """Return a statistic along the last axis of every pair; NaN of those that were left out."""
        found = np.full(len(self._pairs), np.nan)
        for where, before, after in self._layers:
            found[where] = statistic(before, after)
        return found
