"""Quantiles of a feature from its bins, for tables that other tools read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from penstock.monitor.profile import FeatureProfile

__all__ = ["quantiles"]


def quantiles(feature: FeatureProfile, probabilities: np.ndarray[Any, Any]) -> list[float]:
    """Return quantiles of the values, in the right bin and spread evenly within it.

    Parameters
    ----------
    feature : FeatureProfile
        Numeric. The end bins reach to the smallest and the largest finite value; infinities are in them.
    probabilities : ndarray of float64, shape (n,)

    Returns
    -------
    list of float
        Empty where there is no finite value.
    """
    counts = feature.histogram
    if not feature.finite or not counts.sum():
        return []
    low, high = feature.minimum, feature.maximum
    bounds = np.clip(np.concatenate([[low], feature.edges, [high]]), low, high)
    below = np.concatenate([[0], np.cumsum(counts)])
    rank = probabilities * below[-1]
    first = int(np.argmax(counts > 0))
    bins = np.clip(np.searchsorted(below, rank, side="left") - 1, first, len(counts) - 1)
    share = (rank - below[bins]) / counts[bins]
    # A sum of parts, and not low + share * (high - low), which may be infinite.
    return [float(value) for value in bounds[bins] * (1 - share) + bounds[bins + 1] * share]
