"""Quantiles of a stream: exact while the values fit, then from a summary whose error is known.

The summary is deterministic: the same rows in the same order give the same quantiles.

References: J. Munro, M. Paterson, "Selection and sorting with limited storage" (1980); G. Manku,
S. Rajagopalan, B. Lindsay, "Approximate medians and other quantiles in one pass" (1998).
"""

from __future__ import annotations

import math

import numpy as np

__all__ = ["BUFFER", "EXACT", "Quantiles"]

EXACT = 2**20
"""Values of a column up to which its quantiles are exact."""

BUFFER = 2**16
"""Values of each buffer of the summary. A rank is off by at most (log2(rows / BUFFER) + 6) / (4 * BUFFER) of
the rows: 0.008 % for a thousand million."""


class Quantiles:
    """Values of a column, or a summary of them.

    A buffer of level h stands for values that weigh 2**h each. Two sorted buffers of one level become one of
    the next: every second value of both together, the odd ones and the even ones in turn.

    Examples
    --------
    >>> quantiles = Quantiles()
    >>> quantiles.update(np.array([4.0, 1.0, 3.0, 2.0]))
    >>> quantiles.at(np.array([0.5]))
    array([2.5])
    """

    def __init__(self, exact: int = EXACT, buffer: int = BUFFER) -> None:
        self.count = 0
        self.low = math.inf
        self.high = -math.inf
        self._exact = exact
        self._buffer = buffer
        self._raw: list[np.ndarray] = []
        self._raw_count = 0
        self._levels: list[np.ndarray | None] = []
        self._odd: list[bool] = []
        self._masses: list[tuple[float, int]] = []
        self._error = 0.0

    def update(self, values: np.ndarray) -> None:
        """Take in values, none of them NaN."""
        if not len(values):
            return
        self._raw.append(values)
        self._raw_count += len(values)
        self.count += len(values)
        self.low = min(self.low, float(values.min()))
        self.high = max(self.high, float(values.max()))
        if self._raw_count >= (self._buffer if self._levels else self._exact + 1):
            self._summarise()

    def add(self, value: float, count: int) -> None:
        """Take in one value ``count`` times; it is kept apart, exactly."""
        if count:
            self._masses.append((value, count))
            self.count += count
            self.low = min(self.low, value)
            self.high = max(self.high, value)

    @property
    def is_exact(self) -> bool:
        """Whether every value is there."""
        return not self._levels

    @property
    def rank_error(self) -> float:
        """By which share of all values a quantile's rank can be off at most."""
        if self.is_exact:
            return 0.0
        return (self._error + float(2 ** (len(self._levels) - 1))) / self.count

    def points(self) -> tuple[np.ndarray, np.ndarray]:
        """Return values in ascending order, and how many each stands for."""
        values = [*self._raw]
        weights = [np.ones(self._raw_count, np.int64)]
        for level, buffer in enumerate(self._levels):
            if buffer is not None:
                values.append(buffer)
                weights.append(np.full(len(buffer), 2**level, np.int64))
        for value, count in self._masses:
            values.append(np.full(1, value))
            weights.append(np.full(1, count, np.int64))
        joined = np.concatenate(values) if values else np.empty(0)
        weight = np.concatenate(weights)
        order = np.argsort(joined, kind="stable")
        return joined[order], weight[order]

    def at(self, shares: np.ndarray, method: str = "linear") -> np.ndarray:
        """Return quantiles.

        Parameters
        ----------
        shares : ndarray
            From 0 to 1.
        method : {"linear", "averaged_inverted_cdf"}
            As :func:`numpy.quantile` has it.
        """
        values, weights = self.points()
        ends = np.cumsum(weights)
        if method == "linear":
            place = (self.count - 1) * shares
            below = np.floor(place)
            share = place - below
        else:
            place = self.count * shares - 1
            below = np.floor(place)
            share = np.where(place == below, 0.5, 1.0)

        def at_rank(rank: np.ndarray) -> np.ndarray:
            inside = np.clip(rank, 0, self.count - 1).astype(np.int64)
            return np.asarray(values[np.searchsorted(ends, inside, side="right")])

        low, high = at_rank(below), at_rank(below + 1)
        # From or to infinity there is nothing between.
        with np.errstate(invalid="ignore"):
            step = high - low
            between = np.where(share < 0.5, low + step * share, high - step * (1 - share))
        return np.where((low == high) | (share == 0), low, np.where(share == 1, high, between))

    def _summarise(self) -> None:
        values = np.concatenate(self._raw)
        full = len(values) - len(values) % self._buffer
        for start in range(0, full, self._buffer):
            self._push(0, np.sort(values[start : start + self._buffer]))
        self._raw = [values[full:]] if full < len(values) else []
        self._raw_count = len(values) - full

    def _push(self, level: int, buffer: np.ndarray) -> None:
        if level == len(self._levels):
            self._levels.append(None)
            self._odd.append(False)
        other = self._levels[level]
        if other is None:
            self._levels[level] = buffer
            return
        both = np.sort(np.concatenate([other, buffer]), kind="stable")
        half = both[int(self._odd[level]) :: 2]
        # Taking the odd ones and the even ones in turn cancels the error of every second time.
        self._error += 0.0 if self._odd[level] else 2**level
        self._odd[level] = not self._odd[level]
        self._levels[level] = None
        self._push(level + 1, half)
