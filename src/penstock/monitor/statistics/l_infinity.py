"""The largest change of one bin's share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from penstock.monitor.statistics.bins import measured

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from penstock.monitor.profile import FeatureProfile

__all__ = ["l_infinity", "largest_change"]


def l_infinity(reference: FeatureProfile, current: FeatureProfile) -> float:
    """Return ``maxᵢ |pᵢ − qᵢ|``: the largest change of the share of one bin or category, from 0 to 1.

    References
    ----------
    TensorFlow Data Validation, "Checking data skew and drift": its comparator for categorical features.
    """
    return measured(largest_change, reference, current)


def largest_change(before: NDArray[np.int64], after: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the largest change of counts along the last axis.

    >>> float(largest_change(np.array([50, 50]), np.array([3, 1])))
    0.25
    """
    p = before / np.sum(before, axis=-1, keepdims=True)
    q = after / np.sum(after, axis=-1, keepdims=True)
    return np.asarray(np.max(np.abs(p - q), axis=-1))
