"""The G statistic: the likelihood-ratio test of homogeneity."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from penstock.monitor.statistics.bins import measured

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from penstock.monitor.profile import FeatureProfile

__all__ = ["g", "likelihood_ratio"]


def g(reference: FeatureProfile, current: FeatureProfile) -> float:
    """Return ``G = 2 Σ observed · ln(observed / expected)`` over both samples.

    References
    ----------
    S. S. Wilks, "The likelihood test of independence in contingency tables", Annals of Mathematical
    Statistics 6 (1935).
    """
    return measured(likelihood_ratio, reference, current)


def likelihood_ratio(before: NDArray[np.int64], after: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return G of counts along the last axis.

    >>> float(likelihood_ratio(np.array([50, 50]), np.array([60, 40])).round(6))
    2.023756
    """
    n = np.sum(before, axis=-1, keepdims=True)
    m = np.sum(after, axis=-1, keepdims=True)
    pooled = (before + after) / (n + m)
    total = _surplus(before, n * pooled) + _surplus(after, m * pooled)
    return np.asarray(np.maximum(2.0 * total, 0.0))


def _surplus(observed: NDArray[np.int64], expected: NDArray[np.float64]) -> NDArray[np.float64]:
    ratio = np.divide(observed, expected, out=np.ones_like(expected), where=observed > 0)
    return np.asarray(np.sum(observed * np.log(ratio), axis=-1))
