"""How many rows of a baseline break the rules, told from its counts."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from penstock.monitor.profile import FeatureProfile, Profile
from penstock.monitor.rules.counts import RuleCounts

if TYPE_CHECKING:
    from penstock.config.monitor import RuleConfig

__all__ = ["broken_in"]


def broken_in(profile: Profile, rules: Mapping[str, RuleConfig]) -> RuleCounts:
    """Return what the rules would have counted in the rows of a profile.

    Parameters
    ----------
    profile : Profile
        Of the baseline.
    rules : mapping of str to RuleConfig

    Notes
    -----
    Never too few, so that a rise above them is one: a bin that a limit cuts counts whole, and so do texts
    that the profile does not list. Exact for ``required`` of numbers, for limits outside the range, and for
    texts where every category is listed. Columns that the profile does not have, and ``allowed`` of numbers,
    are left out: they are judged by earlier windows alone.

    Examples
    --------
    >>> from penstock.config.monitor import RuleConfig
    >>> from penstock.monitor import Baseline
    >>> profile = Baseline.fit({"state": np.array(["MA", "MA", "", "Ohio"], object)}).profile
    >>> broken_in(profile, {"state": RuleConfig(max_length=2, required=True)}).broken
    {('state', 'required'): 1, ('state', 'max_length'): 1}
    """
    broken = {
        (name, key): count
        for name, rule in rules.items()
        if name in profile
        for key, count in _feature(profile[name], rule).items()
    }
    return RuleCounts(rows=profile.rows, broken=broken)


def _feature(feature: FeatureProfile, rule: RuleConfig) -> dict[str, int]:
    return _numbers(feature, rule) if feature.kind == "numeric" else _texts(feature, rule)


def _numbers(feature: FeatureProfile, rule: RuleConfig) -> dict[str, int]:
    found = {"required": feature.missing} if rule.required else {}
    edges = np.concatenate(([-math.inf], feature.edges, [math.inf]))
    for key, limit in (("min", rule.min), ("max", rule.max)):
        if limit is None:
            continue
        beyond = edges[:-1] < limit if key == "min" else edges[1:] > limit
        inside = feature.minimum >= limit if key == "min" else feature.maximum <= limit
        # Infinities are in the end bins and not in the range, on a side that is not known.
        found[key] = feature.infinite if inside else int(np.asarray(feature.histogram)[beyond].sum())
    return found


def _texts(feature: FeatureProfile, rule: RuleConfig) -> dict[str, int]:
    counts = np.asarray(feature.counts)

    def rows(*which: bool) -> int:
        return int(counts[list(which)].sum()) if len(counts) else 0

    empty = rows(*(not name for name in feature.categories))
    found = {"required": feature.missing + empty} if rule.required else {}
    if rule.allowed is not None:
        known = {*rule.allowed, ""}
        found["allowed"] = rows(*(name not in known for name in feature.categories)) + feature.unseen
    if rule.max_length is not None:
        longest = rule.max_length
        too_long = rows(*(len(name.encode("utf-8", "replace")) > longest for name in feature.categories))
        found["max_length"] = too_long + feature.unseen
    return found
