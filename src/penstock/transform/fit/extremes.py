"""The least and the greatest value."""

from __future__ import annotations

import math

import numpy as np

__all__ = ["Extremes"]


class Extremes:
    """Least and greatest of a column.

    Examples
    --------
    >>> extremes = Extremes()
    >>> extremes.update(np.array([1.0, 2.0]))
    >>> extremes.add(-3.0, 1)
    >>> extremes.low, extremes.high
    (-3.0, 2.0)
    """

    def __init__(self) -> None:
        self.count = 0
        self.low = math.inf
        self.high = -math.inf

    def update(self, values: np.ndarray) -> None:
        """Take in values, none of them NaN."""
        if len(values):
            self.count += len(values)
            self.low = min(self.low, float(values.min()))
            self.high = max(self.high, float(values.max()))

    def add(self, value: float, count: int) -> None:
        """Take in one value ``count`` times."""
        if count:
            self.update(np.full(1, value))
            self.count += count - 1
