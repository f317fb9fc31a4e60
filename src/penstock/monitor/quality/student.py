"""Student's t distribution, and the normal one where there are many degrees."""

from __future__ import annotations

import math
from functools import lru_cache
from statistics import NormalDist
from typing import Final

from penstock.monitor.calibration.beta import incomplete_beta
from penstock.monitor.calibration.inverse import inverse

__all__ = ["normal_quantile", "normal_tail", "student_quantile", "student_tail"]

_MANY: Final = 1e5
"""Degrees of freedom from which on the normal law is taken: tails down to 1e-6 are within 0.2 %."""


def normal_tail(z: float) -> float:
    """Return the chance that a standard normal variable exceeds z.

    >>> round(normal_tail(1.959963985), 9)
    0.025
    """
    return 0.5 * math.erfc(z / math.sqrt(2))


def normal_quantile(level: float) -> float:
    """Return z such that a standard normal variable is within ±z with the chance ``level``.

    >>> round(normal_quantile(0.95), 9)
    1.959963985
    """
    return NormalDist().inv_cdf((1 + level) / 2)


def student_tail(t: float, degrees: float) -> float:
    """Return the chance that a t variable exceeds t.

    >>> round(student_tail(2.0, 10), 9)
    0.036694017
    """
    if degrees > _MANY:
        return normal_tail(t)
    half = 0.5 * incomplete_beta(degrees / 2, 0.5, degrees / (degrees + t * t))
    return half if t >= 0 else 1.0 - half


@lru_cache(maxsize=256)
def student_quantile(level: float, degrees: float) -> float:
    """Return t such that a t variable is within ±t with the chance ``level``.

    >>> round(student_quantile(0.95, 10), 6)
    2.228139
    """
    if degrees > _MANY:
        return normal_quantile(level)
    return inverse(lambda t: 2 * student_tail(t, degrees), 1 - level, normal_quantile(level))
