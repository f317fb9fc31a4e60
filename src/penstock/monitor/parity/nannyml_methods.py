"""NannyML's distances between a column of the reference and one of a chunk, each fitted once.

Continuous columns: ``jensen_shannon``, ``kolmogorov_smirnov``, ``wasserstein``, ``hellinger``; categorical
ones: ``jensen_shannon``, ``chi2``, ``l_infinity``, ``hellinger``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from penstock.monitor.calibration.gamma import chi_square_tail
from penstock.monitor.parity import distances, kolmogorov_smirnov
from penstock.monitor.parity.column import Column, counted

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["CATEGORICAL", "CONTINUOUS", "MOST", "Method", "chi_square_p_value"]

Method = Callable[[Column], float]
"""Of a chunk, NaN where it has no value."""

_EXACT_ROWS: Final = 10_000
_BINS: Final = 10_000


def _on_bins(reference: Column, distance: Callable[[NDArray[Any], NDArray[Any]], float]) -> Method:
    values = reference.present.astype(np.float64)
    edges = np.histogram_bin_edges(values, bins="doane")
    before = np.histogram(values, edges)[0] / len(values)

    def method(chunk: Column) -> float:
        found = chunk.present
        return distance(*_with_rest(before, np.histogram(found, edges)[0] / len(found)))

    return method


def _on_categories(reference: Column, distance: Callable[[NDArray[Any], NDArray[Any]], float]) -> Method:
    known = reference.count(reference.present)
    before = np.array(list(known.values())) / len(reference.present)

    def method(chunk: Column) -> float:
        counts = chunk.count(chunk.present)
        after = np.array([counts.get(key, 0) for key in known]) / len(chunk.present)
        return distance(*_with_rest(before, after))

    return method


def _with_rest(before: NDArray[Any], after: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Add what is in none of the bins of the reference as one more."""
    rest = 1 - after.sum()
    return (np.append(before, 0.0), np.append(after, rest)) if rest > 0 else (before, after)


def _jensen_shannon(first: NDArray[Any], second: NDArray[Any]) -> float:
    return distances.jensen_shannon(first, second, 2)


def _kolmogorov_smirnov(reference: Column) -> Method:
    values = reference.present.astype(np.float64)
    if len(values) < _EXACT_ROWS:
        return lambda chunk: kolmogorov_smirnov.distance(values, chunk.present)
    edges = np.linspace(values.min(), values.max(), _BINS + 1)
    before = np.cumsum(np.histogram(values, edges)[0] / len(values))

    def binned(chunk: Column) -> float:
        found = chunk.present
        below = np.count_nonzero(found < edges[0]) / len(found)
        after = below + np.cumsum(np.histogram(found, edges)[0] / len(found))
        return float(np.abs(before - after).max())

    return binned


def _wasserstein(reference: Column) -> Method:
    values = reference.present.astype(np.float64)
    if len(values) < _EXACT_ROWS:
        return lambda chunk: distances.wasserstein(values, chunk.present)
    counts, edges = np.histogram(values, bins=_BINS)
    before = np.cumsum(counts / len(values))
    width = edges[1] - edges[0]

    def binned(chunk: Column) -> float:
        found = chunk.present
        below, low = _outside(found[found < edges[0]], edges[0], len(found), after=False)
        above, _ = _outside(found[found > edges[-1]], edges[-1], len(found), after=True)
        after = np.asarray(low + np.cumsum(np.histogram(found, edges)[0] / len(found)))
        return float((np.abs(before - after) * width).sum() + below + above)

    return binned


def _outside(values: NDArray[Any], edge: float, rows: int, *, after: bool) -> tuple[float, float]:
    """Return what values beyond one end of the bins add to the area, and the share that they are."""
    if not len(values):
        return 0.0, 0.0
    share = (len(values) + 1) / rows
    distinct, counts = np.unique(np.append(values, edge), return_counts=True)
    below = np.cumsum(counts) / (len(values) + 1)
    height = 1 - below if after else below
    return float((height[:-1] * np.diff(distinct)).sum() * share), share


def _l_infinity(reference: Column) -> Method:
    known = reference.count(reference.present)

    def method(chunk: Column) -> float:
        before, after = counted(known, chunk.count(chunk.present))
        return float(np.abs(before / before.sum() - after / after.sum()).max())

    return method


def _chi_square(reference: Column) -> Method:
    known = reference.count(reference.present)
    return lambda chunk: _contingency(known, chunk.count(chunk.present))[0]


def chi_square_p_value(reference: Column, chunk: Column) -> float:
    """Return what NannyML decides by in place of the statistic ``chi2``."""
    return _contingency(reference.count(reference.present), chunk.count(chunk.present))[1]


def _contingency(known: dict[Any, int], counts: dict[Any, int]) -> tuple[float, float]:
    """Return Pearson's statistic, with Yates' correction of two by two, and its p-value."""
    observed = np.stack(counted(known, counts))
    degrees = observed.shape[1] - 1
    if not degrees:
        return 0.0, 1.0
    expected = observed.sum(axis=1, keepdims=True) * observed.sum(axis=0) / observed.sum()
    if degrees == 1:
        difference = expected - observed
        observed = observed + np.sign(difference) * np.minimum(0.5, np.abs(difference))
    statistic = float(((observed - expected) ** 2 / expected).sum())
    return statistic, chi_square_tail(statistic, degrees)


CONTINUOUS: Final[dict[str, Callable[[Column], Method]]] = {
    "jensen_shannon": lambda reference: _on_bins(reference, _jensen_shannon),
    "kolmogorov_smirnov": _kolmogorov_smirnov,
    "wasserstein": _wasserstein,
    "hellinger": lambda reference: _on_bins(reference, distances.hellinger),
}

CATEGORICAL: Final[dict[str, Callable[[Column], Method]]] = {
    "jensen_shannon": lambda reference: _on_categories(reference, _jensen_shannon),
    "chi2": _chi_square,
    "l_infinity": _l_infinity,
    "hellinger": lambda reference: _on_categories(reference, distances.hellinger),
}

MOST: Final = {"kolmogorov_smirnov": 1.0, "chi2": 1.0}
"""Limits of upper thresholds."""
