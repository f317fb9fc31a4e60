"""Mean and spread of a number, as a value that merges."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["Moments"]


@dataclass(frozen=True, slots=True)
class Moments:
    """Count, mean, and sum of squared differences from the mean.

    Examples
    --------
    >>> Moments.of(np.array([1.0, 2.0])).merge(Moments.of(np.array([6.0])))
    Moments(rows=3, mean=3.0, m2=14.0)
    """

    rows: int = 0
    mean: float = math.nan
    m2: float = math.nan

    @classmethod
    def of(cls, values: np.ndarray[Any, Any]) -> Moments:
        """Return the moments of finite numbers."""
        if not len(values):
            return cls()
        mean = float(values.mean())
        return cls(len(values), mean, float(((values - mean) ** 2).sum()))

    @property
    def variance(self) -> float:
        """With n - 1; NaN of fewer than two."""
        return self.m2 / (self.rows - 1) if self.rows > 1 else math.nan

    @property
    def standard_error(self) -> float:
        """Of the mean; NaN of fewer than two."""
        return math.sqrt(self.variance / self.rows) if self.rows > 1 else math.nan

    def merge(self, other: Moments) -> Moments:
        """Return the moments of both together, within a few roundings whatever the order.

        References
        ----------
        T. F. Chan, G. H. Golub, R. J. LeVeque, "Algorithms for computing the sample variance", American
        Statistician 37 (1983).
        """
        if not self.rows or not other.rows:
            return self if self.rows else other
        rows = self.rows + other.rows
        apart = other.mean - self.mean
        share = other.rows / rows
        return Moments(
            rows, self.mean + apart * share, self.m2 + other.m2 + apart * apart * (self.rows * share)
        )
