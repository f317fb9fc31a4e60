"""Tails of the gamma and chi-square distributions."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Final

from penstock.monitor.calibration.inverse import inverse

__all__ = ["chi_square_quantile", "chi_square_tail", "gamma_quantile", "gamma_tail"]

_EPSILON: Final = 1e-15
_TINY: Final = 1e-300
_TERMS: Final = 100_000


def gamma_tail(shape: float, x: float) -> float:
    """Return ``Q(shape, x)``, the chance that a gamma variable of scale 1 exceeds x.

    Notes
    -----
    A series below ``shape + 1``, Lentz's continued fraction above: relative accuracy about 1e-12, in the
    upper tail too, until it underflows to 0.

    References
    ----------
    W. J. Lentz, Applied Optics 15 (1976). NIST Digital Library of Mathematical Functions, 8.7.1 and 8.9.2.

    Examples
    --------
    >>> round(gamma_tail(1.0, 2.0), 12) == round(math.exp(-2.0), 12)
    True
    """
    if x <= 0:
        return 1.0
    if math.isinf(x):
        return 0.0
    log_front = shape * math.log(x) - x - math.lgamma(shape)
    if x < shape + 1:
        return max(0.0, 1.0 - math.exp(log_front) * _series(shape, x))
    return math.exp(log_front) * _fraction(shape, x)


def _series(shape: float, x: float) -> float:
    term = total = 1.0 / shape
    for k in range(1, _TERMS):
        term *= x / (shape + k)
        total += term
        if term < total * _EPSILON:
            break
    return total


def _fraction(shape: float, x: float) -> float:
    b = x + 1.0 - shape
    c, d = 1.0 / _TINY, 1.0 / b
    value = d
    for k in range(1, _TERMS):
        a = -k * (k - shape)
        b += 2.0
        d = 1.0 / (_off_zero(a * d + b))
        c = _off_zero(b + a / c)
        value *= c * d
        if abs(c * d - 1.0) < _EPSILON:
            break
    return value


def _off_zero(x: float) -> float:
    return x if abs(x) > _TINY else _TINY


def chi_square_tail(x: float, degrees: float) -> float:
    """Return the chance that a chi-square variable exceeds x.

    >>> round(chi_square_tail(3.841458820694124, 1), 12)
    0.05
    """
    return gamma_tail(degrees / 2, x / 2)


@lru_cache(maxsize=4096)
def gamma_quantile(shape: float, level: float) -> float:
    """Return what a gamma variable of scale 1 exceeds with this chance.

    >>> round(gamma_quantile(1.0, 0.1353352832366127), 9)
    2.0
    """
    return inverse(lambda x: gamma_tail(shape, x), level, shape + math.sqrt(shape))


def chi_square_quantile(level: float, degrees: float) -> float:
    """Return what a chi-square variable exceeds with this chance.

    >>> round(chi_square_quantile(0.05, 1), 9)
    3.841458821
    """
    return 2 * gamma_quantile(degrees / 2, level)
