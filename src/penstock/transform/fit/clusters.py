"""The centres of k-means in one dimension, over values and how often each is there.

References: S. Lloyd, "Least squares quantization in PCM" (1982).
"""

from __future__ import annotations

import numpy as np

__all__ = ["centres"]

_TURNS = 300
_TOLERANCE = 1e-4


def centres(values: np.ndarray, weights: np.ndarray, count: int) -> np.ndarray:
    """Return ``count`` centres in ascending order, from those of as many intervals of the same width.

    It stops where scikit-learn's does: when no value changes its centre, or the centres move by less than
    1e-4 of the variance.

    Examples
    --------
    >>> centres(np.array([0.0, 1.0, 9.0, 10.0]), np.ones(4), 2)
    array([0.5, 9.5])
    """
    edges = np.linspace(values[0], values[-1], count + 1)
    found = (edges[1:] + edges[:-1]) * 0.5
    total = weights.sum()
    mean = (weights * values).sum() / total
    bound = _TOLERANCE * (weights * np.square(values - mean)).sum() / total
    weight_below = np.concatenate([[0.0], np.cumsum(weights)])
    sum_below = np.concatenate([[0.0], np.cumsum(weights * (values - mean))])
    ends = np.zeros(count + 1, np.int64)
    for _ in range(_TURNS):
        before = ends
        inner = np.searchsorted(values, (found[1:] + found[:-1]) * 0.5, side="right")
        ends = np.concatenate([[0], inner, [len(values)]])
        weight, sums = np.diff(weight_below[ends]), np.diff(sum_below[ends])
        moved = np.where(weight > 0, sums / np.where(weight > 0, weight, 1.0) + mean, found)
        shift = np.square(moved - found).sum()
        found = moved
        if (ends == before).all() or shift <= bound:
            break
    return np.sort(found)
