"""Layouts: what must be the same for two profiles to merge. Read next: profile.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from penstock.monitor.profile import FeatureProfile, Profile

__all__ = ["same_bins", "same_layout"]


def same_bins(first: FeatureProfile, second: FeatureProfile) -> bool:
    """Tell whether two features are counted in the same bins and categories, under the same name and role."""
    if first is second:
        return True
    return (
        (first.name, first.kind, first.role) == (second.name, second.kind, second.role)
        and (first.edges is second.edges or np.array_equal(first.edges, second.edges))
        and (first.categories is second.categories or first.categories == second.categories)
    )


def same_layout(first: Profile, second: Profile) -> bool:
    """Tell whether two profiles have the same features in the same bins, so that they merge."""
    return len(first) == len(second) and all(map(same_bins, first.features, second.features))
