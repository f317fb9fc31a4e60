"""Change of the share of values in no category of the baseline."""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.monitor.statistics.missing import share_change

if TYPE_CHECKING:
    from penstock.monitor.profile import FeatureProfile

__all__ = ["unseen"]


def unseen(reference: FeatureProfile, current: FeatureProfile) -> float:
    """Return the share of values in no category of the baseline, current less reference.

    Of values that are not missing. The reference has some itself where it holds more categories than the
    baseline keeps.
    """
    return share_change(
        reference.unseen,
        reference.rows - reference.missing,
        current.unseen,
        current.rows - current.missing,
    )
