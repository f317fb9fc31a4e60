"""The statistics by the names that reports and thresholds know them by."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from penstock.monitor.statistics.chi_square import chi_square
from penstock.monitor.statistics.cramer_von_mises import cramer_von_mises
from penstock.monitor.statistics.g import g
from penstock.monitor.statistics.hellinger import hellinger
from penstock.monitor.statistics.jensen_shannon import jensen_shannon_distance, jensen_shannon_divergence
from penstock.monitor.statistics.kolmogorov_smirnov import kolmogorov_smirnov
from penstock.monitor.statistics.l_infinity import l_infinity
from penstock.monitor.statistics.mean_shift import mean_shift
from penstock.monitor.statistics.missing import missing
from penstock.monitor.statistics.out_of_range import out_of_range
from penstock.monitor.statistics.psi import psi
from penstock.monitor.statistics.unseen import unseen
from penstock.monitor.statistics.wasserstein import wasserstein

if TYPE_CHECKING:
    from penstock.monitor.profile import FeatureProfile

    Statistic = Callable[[FeatureProfile, FeatureProfile], float]

__all__ = ["STATISTICS", "statistics_of"]

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


def statistics_of(reference: FeatureProfile, current: FeatureProfile) -> dict[str, float]:
    """Return every statistic that the kind of the feature has, by name; NaN where it is not defined."""
    return {name: one(reference, current) for name, one in STATISTICS[reference.kind].items()}
