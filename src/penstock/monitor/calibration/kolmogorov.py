"""Tail of the Kolmogorov-Smirnov distance."""

from __future__ import annotations

import math

__all__ = ["kolmogorov_tail"]


def kolmogorov_tail(distance: float, n: int, m: int) -> float:
    """Return the chance of a distance this large between samples of n and m of one distribution.

    Notes
    -----
    The limit law. On bins and on values with ties the distance is smaller than on values without, so that
    the p-value errs on the safe side.

    References
    ----------
    N. Smirnov, "Table for estimating the goodness of fit of empirical distributions", Annals of
    Mathematical Statistics 19 (1948).

    Examples
    --------
    >>> round(kolmogorov_tail(1.3581, 2, 2), 3)
    0.05
    """
    z = distance * math.sqrt(n * m / (n + m))
    if z < 0.2:
        return 1.0
    terms = int(4 / z) + 2  # the next is below exp(-32)
    total = sum(math.exp(-2 * (k * z) ** 2) * (1 if k % 2 else -1) for k in range(1, terms))
    return min(1.0, max(0.0, 2 * total))
