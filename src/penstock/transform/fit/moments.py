"""Count, mean and variance, merged as they come.

References: T. Chan, G. Golub, R. LeVeque, "Updating formulae and a pairwise algorithm for computing sample
variances" (1979).
"""

from __future__ import annotations

import numpy as np

__all__ = ["Moments"]


class Moments:
    """Mean and variance of a column.

    Examples
    --------
    >>> moments = Moments()
    >>> moments.update(np.array([1.0, 2.0]))
    >>> moments.add(3.0, 2)
    >>> moments.count, moments.mean, moments.variance
    (4, 2.25, 0.6875)
    """

    def __init__(self) -> None:
        self.count = 0
        self.mean = 0.0
        self._squares = 0.0
        """Sum of the squared differences from the mean."""

    def update(self, values: np.ndarray) -> None:
        """Take in values, none of them NaN."""
        if len(values):
            mean = float(values.mean())
            self._merge(len(values), mean, float(np.square(values - mean).sum()))

    def add(self, value: float, count: int) -> None:
        """Take in one value ``count`` times."""
        if count:
            self._merge(count, value, 0.0)

    @property
    def variance(self) -> float:
        """Of the population; 0 where there are no values."""
        return self._squares / self.count if self.count else 0.0

    @property
    def is_constant(self) -> bool:
        """Whether the variance is no more than rounding can make it, as scikit-learn tells."""
        eps = float(np.finfo(np.float64).eps)
        bound = self.count * eps * self.variance + (self.count * self.mean * eps) ** 2
        return self.variance <= bound

    def _merge(self, count: int, mean: float, squares: float) -> None:
        total = self.count + count
        difference = mean - self.mean
        self.mean += difference * count / total
        self._squares += squares + difference * difference * self.count * count / total
        self.count = total
