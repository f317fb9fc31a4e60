"""Pearson's chi-square."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from penstock.monitor.statistics.bins import measured

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from penstock.monitor.profile import FeatureProfile

__all__ = ["chi_square", "pearson"]


def chi_square(reference: FeatureProfile, current: FeatureProfile) -> float:
    """Return Pearson's chi-square of homogeneity: ``Σ (observed − expected)² / expected`` over both samples.

    Notes
    -----
    Bins that are empty in both are left out; no continuity correction.

    References
    ----------
    K. Pearson, "On the probability that two independent distributions of frequency are really samples from
    the same population", Biometrika 8 (1911).
    """
    return measured(pearson, reference, current)


def pearson(before: NDArray[np.int64], after: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the chi-square of counts along the last axis.

    >>> float(pearson(np.array([50, 50]), np.array([60, 40])).round(6))
    2.020202
    """
    n = np.sum(before, axis=-1, keepdims=True)
    m = np.sum(after, axis=-1, keepdims=True)
    pooled = before + after
    gap = before / n - after / m
    terms = np.divide(gap * gap, pooled, out=np.zeros_like(gap), where=pooled > 0)
    return np.asarray(np.sum(terms, axis=-1) * np.squeeze(n * (m * 1.0), axis=-1))
