"""The two-sample Kolmogorov-Smirnov test of raw values, exact as scipy has it.

References
----------
J. L. Hodges, "The significance probability of the Smirnov two-sample test", Arkiv för Matematik 3 (1958).
G. Marsaglia, W. W. Tsang, J. Wang, "Evaluating Kolmogorov's distribution", Journal of Statistical Software 8
(2003). R. Simard, P. L'Ecuyer, "Computing the two-sided Kolmogorov-Smirnov distribution", ibid. 39 (2011).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["distance", "p_value"]

_EXACT_ROWS: Final = 10_000
"""Rows of the larger sample up to which scipy counts paths."""


def distance(first: NDArray[Any], second: NDArray[Any]) -> float:
    """Return the largest gap between the distribution functions of two samples.

    >>> distance(np.array([1.0, 2.0, 3.0]), np.array([2.0, 3.0, 4.0])).__round__(3)
    0.333
    """
    first, second = np.sort(first), np.sort(second)
    both = np.concatenate([first, second])
    f = np.searchsorted(first, both, side="right") / len(first)
    g = np.searchsorted(second, both, side="right") / len(second)
    return float(np.abs(f - g).max())


def p_value(gap: float, n: int, m: int) -> float:
    """Return the two-sided p-value of a gap between samples of n and m values.

    Notes
    -----
    Up to 10,000 values the share of lattice paths that reach the gap, ties taken as none; beyond, the exact
    law of one sample of n·m/(n + m) values.
    """
    if max(n, m) <= _EXACT_ROWS:
        return _two_samples(gap, n, m)
    return _one_sample(gap, round(n * m / (n + m)))


def _two_samples(gap: float, n: int, m: int) -> float:
    """Count lattice paths from (0, 0) to (n, m) that stay nearer to the diagonal than the gap."""
    n, m = max(n, m), min(n, m)
    whole = n * m // math.gcd(n, m)
    steps = round(gap * whole)
    if steps == 0:
        return 1.0
    up, right = whole // m, whole // n  # a step in the smaller sample, in the larger
    inside = np.zeros(n + 1)
    low, high = _band(0, up, right, steps, n)
    inside[: high + 1] = 1.0
    exponent = 0.0
    for row in range(1, m + 1):
        before = low
        low, high = _band(row, up, right, steps, n)
        inside[before:low] = 0.0
        inside[low : high + 1] = np.cumsum(inside[low : high + 1])
        largest = inside[high]
        if largest == 0:
            return 1.0
        if largest > 1e200:
            inside[low : high + 1] /= largest
            exponent += math.log(largest)
    paths = math.lgamma(n + m + 1) - math.lgamma(n + 1) - math.lgamma(m + 1)
    if inside[n] <= 0:
        return 1.0
    return min(1.0, max(0.0, -math.expm1(math.log(inside[n]) + exponent - paths)))


def _band(row: int, up: int, right: int, steps: int, n: int) -> tuple[int, int]:
    """Return the places of a row with ``|row * up - place * right| < steps``."""
    low = (row * up - steps) // right + 1
    high = -((-row * up - steps) // right) - 1
    return max(low, 0), min(high, n)


def _one_sample(gap: float, n: int) -> float:
    if gap <= 0.5 / n:
        return 1.0
    if gap >= 1:
        return 0.0
    if n * gap * gap > 2.2:
        return min(1.0, 2 * _one_sided(gap, n))
    return min(1.0, max(0.0, 1 - _marsaglia(gap, n)))


def _one_sided(gap: float, n: int) -> float:
    """Return Smirnov's exact one-sided tail; twice it is the two-sided one far out."""
    places = np.arange(int(n * (1 - gap)) + 1)
    at = gap + places / n
    at, places = at[at < 1], places[at < 1]
    choose = [math.lgamma(n + 1) - math.lgamma(j + 1) - math.lgamma(n - j + 1) for j in places]
    logs = np.array(choose) + (n - places) * np.log1p(-at) + (places - 1) * np.log(at)
    return float(gap * np.exp(logs).sum())


def _marsaglia(gap: float, n: int) -> float:
    """Return the chance of a smaller gap, by the power of a matrix."""
    k = int(n * gap) + 1
    size, h = 2 * k - 1, k - n * gap
    matrix = (np.subtract.outer(np.arange(size), np.arange(size)) >= -1).astype(np.float64)
    powers = h ** np.arange(1, size + 1)
    matrix[:, 0] -= powers
    matrix[-1, :] -= powers[::-1]
    matrix[-1, 0] += max(2 * h - 1, 0.0) ** size
    factorials = np.concatenate([[1.0], np.cumprod(np.arange(1.0, size + 1))])
    below = np.subtract.outer(np.arange(size), np.arange(size)) + 1
    matrix = np.where(below > 0, matrix / factorials[np.maximum(below, 0)], matrix)
    power, exponent = _power(matrix, n)
    value = power[k - 1, k - 1]
    logs = math.log(value) + exponent + math.lgamma(n + 1) - n * math.log(n) if value > 0 else -math.inf
    return math.exp(logs)


def _power(matrix: NDArray[Any], n: int) -> tuple[NDArray[Any], float]:
    """Return a power of a matrix, and the logarithm of what it was divided by."""
    result, log_result = np.eye(len(matrix)), 0.0
    square, log_square = matrix, 0.0
    while n:
        if n & 1:
            result, log_result = result @ square, log_result + log_square
            scale = np.abs(result).max()
            result, log_result = result / scale, log_result + math.log(scale)
        square, log_square = square @ square, 2 * log_square
        scale = np.abs(square).max()
        square, log_square = square / scale, log_square + math.log(scale)
        n >>= 1
    return result, log_result
