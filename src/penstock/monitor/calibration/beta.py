"""Tail of the negative binomial distribution, by the incomplete beta function."""

from __future__ import annotations

import math
from typing import Final

__all__ = ["incomplete_beta", "negative_binomial_tail"]

_EPSILON: Final = 1e-15
_TINY: Final = 1e-300
_TERMS: Final = 100_000


def incomplete_beta(a: float, b: float, x: float) -> float:
    """Return the regularised incomplete beta function ``I_x(a, b)``.

    Notes
    -----
    Lentz's continued fraction, on the side where it converges.

    References
    ----------
    NIST Digital Library of Mathematical Functions, 8.17.22.

    Examples
    --------
    >>> round(incomplete_beta(2, 1, 0.5), 12)
    0.25
    """
    if x <= 0:
        return 0.0
    if x >= 1:
        return 1.0
    if x > (a + 1) / (a + b + 2):
        return 1.0 - incomplete_beta(b, a, 1.0 - x)
    log_front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    return math.exp(log_front) / a * _fraction(a, b, x)


def _fraction(a: float, b: float, x: float) -> float:
    c, d = 1.0, 1.0 / _off_zero(1.0 - (a + b) * x / (a + 1))
    value = d
    for m in range(1, _TERMS):
        before = value
        for term in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1.0 / _off_zero(1.0 + term * d)
            c = _off_zero(1.0 + term / c)
            value *= c * d
        if abs(value - before) < abs(value) * _EPSILON:
            break
    return value


def _off_zero(x: float) -> float:
    return x if abs(x) > _TINY else _TINY


def negative_binomial_tail(k: int, shape: float, chance: float) -> float:
    """Return the chance of k or more successes before ``shape`` failures; the shape need not be whole.

    >>> round(negative_binomial_tail(3, 1.0, 0.5), 12)
    0.125
    """
    return 1.0 if k <= 0 else incomplete_beta(k, shape, chance)
