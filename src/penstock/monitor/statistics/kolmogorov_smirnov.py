"""Kolmogorov-Smirnov distance."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from penstock.monitor.statistics.bins import measured

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from penstock.monitor.profile import FeatureProfile

__all__ = ["cumulative_gap", "kolmogorov_smirnov", "kolmogorov_smirnov_bound", "largest_gap"]


def kolmogorov_smirnov(reference: FeatureProfile, current: FeatureProfile) -> float:
    """Return ``max |F − G|`` over the bin edges, from 0 to 1.

    Notes
    -----
    At an edge both distribution functions are known exactly. Between two edges the distance of the raw
    values can be larger, by no more than :func:`kolmogorov_smirnov_bound`.

    References
    ----------
    N. Smirnov, "On the estimation of the discrepancy between empirical curves of distribution for two
    independent samples", Bull. Math. Univ. Moscou 2 (1939).
    """
    return measured(largest_gap, reference, current)


def kolmogorov_smirnov_bound(reference: FeatureProfile, current: FeatureProfile) -> float:
    """Return how much larger the distance of the raw values can be than that of the bins.

    The largest share that one bin has in either sample: 1/128 on 128 quantile bins while nothing moved.
    """
    return measured(_largest_share, reference, current)


def cumulative_gap(before: NDArray[np.int64], after: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return ``F − G`` at the edges between bins, along the last axis.

    >>> cumulative_gap(np.array([1, 1, 2]), np.array([0, 2, 2]))
    array([0.25, 0.  ])
    """
    f = np.cumsum(before, axis=-1) / np.sum(before, axis=-1, keepdims=True)
    g = np.cumsum(after, axis=-1) / np.sum(after, axis=-1, keepdims=True)
    return np.asarray((f - g)[..., :-1])


def largest_gap(before: NDArray[np.int64], after: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the distance of counts along the last axis.

    >>> float(largest_gap(np.array([1, 1, 2]), np.array([0, 2, 2])))
    0.25
    """
    return np.asarray(np.max(np.abs(cumulative_gap(before, after)), axis=-1, initial=0.0))


def _largest_share(before: NDArray[np.int64], after: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.asarray(max(np.max(before) / before.sum(), np.max(after) / after.sum()))
