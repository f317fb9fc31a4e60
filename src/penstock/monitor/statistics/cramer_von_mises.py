"""Cramér-von Mises distance."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from penstock.monitor.statistics.bins import measured
from penstock.monitor.statistics.kolmogorov_smirnov import cumulative_gap

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from penstock.monitor.profile import FeatureProfile

__all__ = ["cramer_von_mises", "squared_gap"]


def cramer_von_mises(reference: FeatureProfile, current: FeatureProfile) -> float:
    """Return ``n m / (n + m) · Σ (F − G)² t`` over the bin edges.

    Notes
    -----
    ``t`` of an edge is the mean share, in both samples together, of the bins on its two sides. On values
    without ties, each in a bin of its own, it is the two-sample statistic of Anderson.

    References
    ----------
    T. W. Anderson, "On the distribution of the two-sample Cramér-von Mises criterion", Annals of
    Mathematical Statistics 33 (1962). V. Choulakian, R. A. Lockhart, M. A. Stephens, "Cramér-von Mises
    statistics for discrete distributions", Canadian Journal of Statistics 22 (1994): the weights.
    """
    return measured(squared_gap, reference, current)


def squared_gap(before: NDArray[np.int64], after: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the statistic of counts along the last axis.

    >>> float(squared_gap(np.array([1, 1, 0]), np.array([0, 1, 2])).round(6))
    0.303333
    """
    n, m = np.sum(before, axis=-1), np.sum(after, axis=-1)
    share = (before + after) / np.expand_dims(n + m, -1)
    weights = (share[..., :-1] + share[..., 1:]) / 2
    gap = cumulative_gap(before, after)
    return np.asarray(n * (m * 1.0) / (n + m) * np.sum(gap * gap * weights, axis=-1))
