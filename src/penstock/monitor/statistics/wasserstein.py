"""Wasserstein distance, in standard deviations of the reference."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from penstock.monitor.statistics.bins import paired
from penstock.monitor.statistics.kolmogorov_smirnov import cumulative_gap
from penstock.monitor.statistics.stack import Stack

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from penstock.monitor.profile import FeatureProfile

__all__ = ["area", "distances", "scale", "wasserstein", "widths"]


def wasserstein(reference: FeatureProfile, current: FeatureProfile) -> float:
    """Return ``∫ |F − G| dx / σ``: how far values moved on average, in σ of the reference.

    Notes
    -----
    F and G are exact at the bin edges and taken as linear between them, the outer bins reaching to the
    smallest and the largest finite value of both. Within a bin the error is at most its width times the
    larger of the shares that the samples have in it. Infinities count as that smallest or largest value.
    Where the reference has one value only, σ is that of both samples together.

    References
    ----------
    L. N. Vaserstein, "Markov processes over denumerable products of spaces describing large systems of
    automata", Problemy Peredachi Informatsii 5 (1969).
    """
    return distances([(reference, current)], Stack([paired(reference, current)]))[0]


def distances(pairs: Sequence[tuple[FeatureProfile, FeatureProfile]], stack: Stack) -> list[float]:
    """Return the distance of each pair of profiles; ``stack`` is of their counts."""
    found = [math.nan] * len(pairs)
    for where, before, after in stack:
        width = np.stack([widths(*pairs[index]) for index in where])
        areas = area(cumulative_gap(before, after), width).tolist()
        for index, distance in zip(where, areas, strict=True):
            if all(side.finite for side in pairs[index]):
                found[index] = _in_scale(distance, *pairs[index])
    return found


def _in_scale(distance: float, reference: FeatureProfile, current: FeatureProfile) -> float:
    """Return a distance in σ; NaN where values differ by so little that σ is 0 all the same."""
    if not distance:
        return 0.0
    sigma = scale(reference, current)
    return distance / sigma if sigma else math.nan


def widths(reference: FeatureProfile, current: FeatureProfile) -> NDArray[np.float64]:
    """Return the widths of the bins, the outer ones as far as values of either sample reach."""
    edges = np.asarray(reference.edges)
    if not len(edges):
        return np.zeros(1)
    low = min(reference.minimum, current.minimum, edges[0])
    high = max(reference.maximum, current.maximum, edges[-1])
    # Differences of huge values overflow; half of each does not.
    return np.asarray(np.minimum(np.diff(np.concatenate(([low], edges, [high])) / 2), 1e307) * 2)


def scale(reference: FeatureProfile, current: FeatureProfile) -> float:
    """Return σ of the reference; of both samples together where that is 0."""
    if reference.standard_deviation > 0:
        return float(reference.standard_deviation)
    n, m = reference.finite, current.finite
    between = (reference.mean - current.mean) ** 2 * n * m / (n + m)
    return math.sqrt((reference.m2 + current.m2 + between) / max(n + m - 1, 1))


def area(gap: NDArray[np.float64], width: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the area under ``|F − G|`` from its values at the edges and the widths of the bins.

    >>> float(area(np.array([0.5]), np.array([1.0, 1.0])))
    0.5
    """
    end = np.zeros((*gap.shape[:-1], 1))
    left = np.concatenate((end, gap), axis=-1)
    right = np.concatenate((gap, end), axis=-1)
    total = np.abs(left) + np.abs(right)
    # Where the line crosses zero, the two triangles have (l² + r²) / 2(|l| + |r|).
    crossed = np.divide(left * left + right * right, total, out=np.zeros_like(total), where=total > 0)
    return np.asarray(np.sum(width * np.where(left * right < 0, crossed, total) / 2, axis=-1))
