"""Shift of the mean, in standard errors."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from penstock.monitor.profile import FeatureProfile

__all__ = ["mean_shift", "standard_errors"]


def mean_shift(reference: FeatureProfile, current: FeatureProfile) -> float:
    """Return how far the mean moved up, in standard errors of the difference; exact from the moments.

    Notes
    -----
    Welch's t. It is reported and not alarmed on: where tails are heavy it is not normal at any size that
    matters. NaN with fewer than two finite values on a side, or where nothing varies.

    References
    ----------
    B. L. Welch, "The generalization of 'Student's' problem when several different population variances are
    involved", Biometrika 34 (1947).
    """
    if reference.finite < 2 or current.finite < 2:
        return math.nan
    return standard_errors(
        current.mean - reference.mean,
        reference.variance / reference.finite,
        current.variance / current.finite,
    )


def standard_errors(difference: float, *variances: float) -> float:
    """Return a difference over its standard error.

    >>> standard_errors(1.0, 0.125, 0.125)
    2.0
    """
    error = math.sqrt(sum(variances))
    return difference / error if error > 0 else math.nan
