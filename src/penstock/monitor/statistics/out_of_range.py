"""Change of the share of values outside the reference's range."""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.monitor.statistics.missing import share_change

if TYPE_CHECKING:
    from penstock.monitor.profile import FeatureProfile

__all__ = ["out_of_range"]


def out_of_range(reference: FeatureProfile, current: FeatureProfile) -> float:
    """Return the share of values below or above the range of the baseline, current less reference.

    Infinities are outside of it. Of values that are not missing.
    """
    return share_change(
        reference.below + reference.above,
        reference.rows - reference.missing,
        current.below + current.above,
        current.rows - current.missing,
    )
