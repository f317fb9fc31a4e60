"""Counts of probabilities on a fixed grid: 1,024 bins, finer towards 0 and 1."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

__all__ = ["BINS", "EDGES", "Area", "area", "binned"]

Array = np.ndarray[Any, Any]

_OCTAVES: Final = 16
_OF_OCTAVE: Final = 32


def _edges() -> Array:
    octaves = np.arange(_OCTAVES, 0, -1) + 1
    parts = 1 + np.arange(_OF_OCTAVE) / _OF_OCTAVE
    below = (np.ldexp(1.0, -octaves)[:, None] * parts).ravel()[1:]
    return np.concatenate([below, [0.5], 1 - below[::-1]])


EDGES: Final = _edges()
"""32 bins an octave from 2**-17 to 0.5, and the same from the other end: within 1/32 of p or of 1 - p."""

BINS: Final = len(EDGES) + 1


def binned(scores: Array, positive: Array) -> Array:
    """Count probabilities by bin; the first row those of negatives, the second those of positives.

    Parameters
    ----------
    scores : ndarray, shape (n,)
        From 0 to 1.
    positive : ndarray of bool, shape (n,)
    """
    at = np.searchsorted(EDGES, scores, side="right") + BINS * positive
    return np.bincount(at, minlength=2 * BINS).reshape(2, BINS).astype(np.int64)


@dataclass(frozen=True, slots=True)
class Area:
    """Area under the ROC curve of binned scores.

    Attributes
    ----------
    value : float
        Ties, which are all pairs in one bin, count half. NaN where there are not both classes.
    of_positives, of_negatives : float
        Variance of the share of the other class that one of them is on the right side of.
    positives, negatives : int
    bin_error : float
        The most that the area of the raw scores can differ by.
    """

    value: float
    of_positives: float
    of_negatives: float
    positives: int
    negatives: int
    bin_error: float

    @property
    def variance(self) -> float:
        """Of the area.

        References
        ----------
        E. R. DeLong, D. M. DeLong, D. L. Clarke-Pearson, "Comparing the areas under two or more correlated
        receiver operating characteristic curves", Biometrics 44 (1988).
        """
        return self.of_positives / self.positives + self.of_negatives / self.negatives


def area(counts: Array) -> Area:
    """Return the area under the ROC curve of counts as :func:`binned` gives them.

    Examples
    --------
    >>> scores, positive = np.array([0.1, 0.4, 0.35, 0.8]), np.array([False, False, True, True])
    >>> area(binned(scores, positive)).value
    0.75
    """
    negative, positive = counts.astype(np.float64)
    n, p = float(negative.sum()), float(positive.sum())
    if not n or not p:
        return Area(math.nan, math.nan, math.nan, int(p), int(n), math.nan)
    beaten = (np.cumsum(negative) - negative / 2) / n
    beating = (p - np.cumsum(positive) + positive / 2) / p
    value = float(positive @ beaten) / p
    return Area(
        value,
        float(positive @ (beaten - value) ** 2) / (p - 1) if p > 1 else math.nan,
        float(negative @ (beating - value) ** 2) / (n - 1) if n > 1 else math.nan,
        int(p),
        int(n),
        float(negative @ positive) / (2 * n * p),
    )
