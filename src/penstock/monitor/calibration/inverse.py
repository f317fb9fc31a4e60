"""Where a tail probability takes a given value."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

__all__ = ["inverse"]

_STEPS: Final = 200
_CLOSE: Final = 1e-15


def inverse(tail: Callable[[float], float], level: float, start: float, tolerance: float = 1e-12) -> float:
    """Return x ≥ 0 with ``tail(x) = level`` for a tail that falls from 1 to 0.

    Parameters
    ----------
    tail : callable
        Does not rise.
    level : float
        In (0, 1).
    start : float
        A positive guess.
    tolerance : float, default 1e-12
        Of the tail, relative.

    Notes
    -----
    The Illinois variant of the false position, on the logarithm of the tail: about ten evaluations.

    References
    ----------
    M. Dowell, P. Jarratt, "A modified regula falsi method for computing the root of an equation", BIT 11
    (1971).

    Examples
    --------
    >>> round(inverse(lambda x: math.exp(-x), 0.5, 1.0), 9)
    0.693147181
    """

    def excess(x: float) -> float:
        probability = tail(x)
        return (math.log(probability) if probability > 0 else -1e3) - math.log(level)

    low, high = 0.0, start
    at_low, at_high = -math.log(level), excess(high)
    while at_high > 0:
        low, at_low, high = high, at_high, 2 * high
        at_high = excess(high)
    moved_low = False
    for _ in range(_STEPS):
        x = high - at_high * (high - low) / (at_high - at_low)
        at_x = excess(x)
        if at_x > 0:
            at_high = at_high / 2 if moved_low else at_high
            low, at_low, moved_low = x, at_x, True
        else:
            at_low = at_low if moved_low else at_low / 2
            high, at_high, moved_low = x, at_x, False
        if abs(at_x) <= tolerance or high - low <= _CLOSE * high:
            break
    return x
