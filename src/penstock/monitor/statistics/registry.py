"""The statistics by the names that reports and thresholds know them by."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from penstock.monitor.statistics.bins import paired
from penstock.monitor.statistics.chi_square import chi_square, pearson
from penstock.monitor.statistics.cramer_von_mises import cramer_von_mises, squared_gap
from penstock.monitor.statistics.g import g, likelihood_ratio
from penstock.monitor.statistics.hellinger import hellinger, hellinger_distance
from penstock.monitor.statistics.jensen_shannon import (
    jensen_shannon,
    jensen_shannon_distance,
    jensen_shannon_divergence,
    jensen_shannon_root,
)
from penstock.monitor.statistics.kolmogorov_smirnov import kolmogorov_smirnov, largest_gap
from penstock.monitor.statistics.l_infinity import l_infinity, largest_change
from penstock.monitor.statistics.mean_shift import mean_shift
from penstock.monitor.statistics.missing import missing
from penstock.monitor.statistics.out_of_range import out_of_range
from penstock.monitor.statistics.psi import population_stability, psi
from penstock.monitor.statistics.stack import Stack
from penstock.monitor.statistics.unseen import unseen
from penstock.monitor.statistics.wasserstein import distances, wasserstein

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from penstock.monitor.profile import FeatureProfile

    Pair = tuple[FeatureProfile, FeatureProfile]
    Statistic = Callable[[FeatureProfile, FeatureProfile], float]

__all__ = ["STATISTICS", "statistics_of", "statistics_of_each"]

_BOTH: Final[dict[str, Statistic]] = {
    "psi": psi,
    "js_distance": jensen_shannon_distance,
    "js_divergence": jensen_shannon_divergence,
    "hellinger": hellinger,
    "chi2": chi_square,
    "g": g,
    "l_infinity": l_infinity,
    "missing": missing,
}

STATISTICS: Final[dict[str, dict[str, Statistic]]] = {
    "numeric": {
        **_BOTH,
        "ks": kolmogorov_smirnov,
        "cramer_von_mises": cramer_von_mises,
        "wasserstein": wasserstein,
        "mean_shift": mean_shift,
        "out_of_range": out_of_range,
    },
    "categorical": {**_BOTH, "unseen": unseen},
}
"""For each kind of feature, its statistics by name."""


_ON_BINS: Final[dict[str, Callable[..., NDArray[np.float64]]]] = {
    "psi": population_stability,
    "js_distance": jensen_shannon_root,
    "js_divergence": jensen_shannon,
    "hellinger": hellinger_distance,
    "chi2": pearson,
    "g": likelihood_ratio,
    "l_infinity": largest_change,
    "ks": largest_gap,
    "cramer_von_mises": squared_gap,
}


def statistics_of(reference: FeatureProfile, current: FeatureProfile) -> dict[str, float]:
    """Return every statistic that the kind of the feature has, by name; NaN where it is not defined."""
    return statistics_of_each([(reference, current)])[0]


def statistics_of_each(pairs: Sequence[Pair]) -> list[dict[str, float]]:
    """Return the statistics of many features: what :func:`statistics_of` does of each, all at once."""
    found: list[dict[str, float]] = [{}] * len(pairs)
    for kind in STATISTICS:
        where = [index for index, (reference, _) in enumerate(pairs) if reference.kind == kind]
        columns = _columns(kind, [pairs[index] for index in where])
        for index, *values in zip(where, *columns.values(), strict=True):
            found[index] = dict(zip(columns, values, strict=True))
    return found


def _columns(kind: str, pairs: Sequence[Pair]) -> dict[str, list[float]]:
    """Return each statistic of a kind of feature, for all pairs."""
    stack = Stack([paired(*pair) for pair in pairs])
    columns = {}
    for name, one in STATISTICS[kind].items():
        if name in _ON_BINS:
            columns[name] = stack.measure(_ON_BINS[name]).tolist()
        elif name == "wasserstein":
            columns[name] = distances(pairs, stack)
        else:
            columns[name] = [one(*pair) for pair in pairs]
    return columns
