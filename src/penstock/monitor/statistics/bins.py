"""Two profiles as counts over the same bins: what every statistic on bins starts from."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from penstock.errors import ConfigError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from penstock.monitor.profile import FeatureProfile

__all__ = ["floored", "measured", "paired"]


def paired(reference: FeatureProfile, current: FeatureProfile) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the counts of two profiles of one feature, bin by bin.

    Parameters
    ----------
    reference, current : FeatureProfile
        On the same bins.

    Returns
    -------
    tuple of two ndarrays of int64, shape (n_bins,)
        Of a numeric feature its histogram; of a categorical one a count for each category, then one for
        what is in no category. Missing values are in none.

    Raises
    ------
    ConfigError
        When they are not on the same bins.
    """
    if reference.kind != current.kind:
        raise ConfigError(
            f'"{reference.name}": expected a {reference.kind} profile, got a {current.kind} one'
        )
    if reference.kind == "numeric":
        if reference.edges is not current.edges and not np.array_equal(reference.edges, current.edges):
            raise ConfigError(f'"{reference.name}": the profiles have different bin edges')
        return np.asarray(reference.histogram), np.asarray(current.histogram)
    if reference.categories is not current.categories and reference.categories != current.categories:
        raise ConfigError(f'"{reference.name}": the profiles have different categories')
    return (
        np.append(np.asarray(reference.counts), reference.unseen),
        np.append(np.asarray(current.counts), current.unseen),
    )


def measured(
    statistic: Callable[..., NDArray[np.float64]], reference: FeatureProfile, current: FeatureProfile
) -> float:
    """Apply a statistic of two arrays of counts to two profiles; NaN where one has no values."""
    before, after = paired(reference, current)
    if not before.sum() or not after.sum():
        return math.nan
    return float(statistic(before, after))


def floored(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return shares along the last axis in which half a row stands for none.

    >>> floored(np.array([0, 50]))
    array([0.01, 1.  ])
    """
    return np.asarray(np.maximum(counts, 0.5) / np.sum(counts, axis=-1, keepdims=True))
