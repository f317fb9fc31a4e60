"""Change of the share of missing values."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from penstock.monitor.profile import FeatureProfile

__all__ = ["missing", "share_change"]


def missing(reference: FeatureProfile, current: FeatureProfile) -> float:
    """Return the share of rows without a value (null or NaN), current less reference, from −1 to 1."""
    return share_change(reference.missing, reference.rows, current.missing, current.rows)


def share_change(before: int, before_of: int, after: int, after_of: int) -> float:
    """Return one share less another; NaN where one is of nothing.

    >>> share_change(1, 4, 3, 4)
    0.5
    """
    if not before_of or not after_of:
        return math.nan
    return after / after_of - before / before_of
