"""Noise levels: how large each statistic gets when nothing moved, at the actual n, m and bins."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final

import numpy as np

from penstock.monitor.calibration.bridge import area_moments, square_weights
from penstock.monitor.calibration.gamma import chi_square_quantile, gamma_quantile
from penstock.monitor.calibration.inverse import inverse
from penstock.monitor.calibration.kolmogorov import kolmogorov_tail
from penstock.monitor.calibration.quadratic_form import quadratic_form_tail
from penstock.monitor.calibration.simulation import simulated_on_quantiles, simulated_pairs
from penstock.monitor.statistics.bins import paired
from penstock.monitor.statistics.chi_square import pearson
from penstock.monitor.statistics.g import likelihood_ratio
from penstock.monitor.statistics.hellinger import hellinger_distance
from penstock.monitor.statistics.jensen_shannon import jensen_shannon
from penstock.monitor.statistics.l_infinity import largest_change
from penstock.monitor.statistics.psi import population_stability
from penstock.monitor.statistics.wasserstein import scale, widths

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from penstock.monitor.profile import FeatureProfile

__all__ = ["noise"]

_ROUNDING: Final = 1e-9
_FINE: Final = 1e-3
"""To how much of itself a chance is met."""

_DENSE: Final = 20
"""Expected rows a bin, in each sample, from which on the limit laws stand for simulation."""


def noise(reference: FeatureProfile, current: FeatureProfile, level: float) -> dict[str, float]:
    """Return for each statistic on bins the value that it exceeds with the chance ``level`` by noise alone.

    Notes
    -----
    PSI, Jensen-Shannon, Hellinger, chi-square and G are one statistic to first order, and chi-square with
    ``bins − 1`` degrees when scaled: PSI by ``1/n + 1/m``, the divergence in nats and the squared Hellinger
    distance by an eighth of it. That holds where every bin has :data:`_DENSE` expected rows in each sample.
    Otherwise samples are drawn, seeded, and a gamma law is fitted to mean and variance of what comes: both
    anew from the pooled counts, or where the bins are quantiles of the reference, the current one given it.
    Kolmogorov-Smirnov: Smirnov's limit law, on the safe side. Cramér-von Mises and Wasserstein: a Brownian
    bridge on the bins.

    These levels are for reading the statistics. What alarms are the checks, see
    :func:`~penstock.monitor.calibration.checks.checks`.
    """
    before, after = paired(reference, current)
    used = before + after > 0
    before, after = before[used], after[used]
    n, m = int(before.sum()), int(after.sum())
    if not n or not m or len(before) < 2:
        return {}
    smallest = float(np.min(before + after)) * min(n, m) / (n + m)
    if smallest >= _DENSE:
        levels = _by_law(before + after, n, m, level)
    else:
        # More distinct values than bins: then the edges are quantiles of the reference.
        quantiles = reference.kind == "numeric" and reference.distinct > 1.2 * len(reference.histogram)
        draw = simulated_on_quantiles if quantiles else simulated_pairs
        levels = _by_drawing(draw(before, after), level)
    if reference.kind == "numeric":
        levels |= _on_a_line(reference, current, level)
    return levels


def _by_law(pooled: NDArray[np.int64], n: int, m: int, level: float) -> dict[str, float]:
    chi2 = chi_square_quantile(level, len(pooled) - 1)
    scaled = (1 / n + 1 / m) * chi2
    share = pooled / pooled.sum()
    errors = np.sqrt(share * (1 - share) * (1 / n + 1 / m))
    return {
        "psi": scaled,
        "js_divergence": scaled / 8 / math.log(2),
        "js_distance": math.sqrt(scaled / 8 / math.log(2)),
        "hellinger": math.sqrt(scaled / 8),
        "chi2": chi2,
        "g": chi2,
        "l_infinity": inverse(partial(_any_exceeds, errors), level, 4 * float(errors.max()), _FINE),
    }


def _any_exceeds(errors: NDArray[np.float64], change: float) -> float:
    return min(1.0, math.fsum(map(math.erfc, (change / errors / math.sqrt(2)).tolist())))


def _by_drawing(drawn: tuple[NDArray[np.int64], NDArray[np.int64]], level: float) -> dict[str, float]:
    def fitted(statistic: Callable[..., NDArray[np.float64]], squared: bool = False) -> float:
        values = statistic(*drawn) ** (2 if squared else 1)
        mean, variance = float(values.mean()), float(values.var())
        limit = _exceeded(mean, variance, level)
        return math.sqrt(limit) if squared else limit

    divergence = fitted(jensen_shannon)
    return {
        "psi": fitted(population_stability),
        "js_divergence": divergence,
        "js_distance": math.sqrt(divergence),
        "hellinger": fitted(hellinger_distance, squared=True),
        "chi2": fitted(pearson),
        "g": fitted(likelihood_ratio),
        "l_infinity": fitted(largest_change),
    }


def _on_a_line(reference: FeatureProfile, current: FeatureProfile, level: float) -> dict[str, float]:
    before, after = paired(reference, current)
    n, m = int(before.sum()), int(after.sum())
    weights = square_weights(before + after)
    levels = {
        "ks": inverse(lambda x: kolmogorov_tail(x, n, m), level, 2 * math.sqrt(1 / n + 1 / m), _FINE),
        "cramer_von_mises": inverse(
            partial(quadratic_form_tail, weights), level, 4 * float(weights.sum()), _FINE
        ),
    }
    if reference.finite and current.finite:
        sigma = scale(reference, current)
        mean, variance = 0.0, 0.0
        if 0 < sigma < math.inf:
            mean, variance = area_moments(before + after, widths(reference, current) / sigma)
        if 0 < variance < math.inf:
            levels["wasserstein"] = _exceeded(mean, variance, level) * math.sqrt(1 / n + 1 / m)
    return levels


def _exceeded(mean: float, variance: float, level: float) -> float:
    """Return what a gamma variable exceeds with a chance; the mean where it varies by roundings only."""
    if variance <= _ROUNDING * mean * mean:
        return mean
    return gamma_quantile(mean * mean / variance, level) * variance / mean
