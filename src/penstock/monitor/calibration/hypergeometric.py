"""Fisher's exact test: a share in two samples."""

from __future__ import annotations

import math
from typing import Final

__all__ = ["fisher", "fisher_greater"]

_NEGLIGIBLE: Final = 1e-17


def fisher(before: int, before_of: int, after: int, after_of: int) -> float:
    """Return the two-sided p-value that two shares are one: twice the smaller tail.

    Notes
    -----
    Exact, given the sum of both counts; on the safe side, as counts are whole. The tail is summed from the
    observed count outwards until terms no longer matter: at most some standard deviations of them.

    References
    ----------
    R. A. Fisher, "The logic of inductive inference", Journal of the Royal Statistical Society 98 (1935).

    Examples
    --------
    >>> round(fisher(0, 10, 5, 10), 6)
    0.032508
    """
    more = fisher_greater(before, before_of, after, after_of)
    fewer = fisher_greater(after, after_of, before, before_of)
    return min(1.0, 2 * min(more, fewer))


def fisher_greater(before: int, before_of: int, after: int, after_of: int) -> float:
    """Return the chance that the second count is this high or higher when the shares are one.

    >>> round(fisher_greater(0, 10, 1, 10), 6)
    0.5
    """
    total = before + after
    if after <= max(0, total - before_of):
        return 1.0
    if after * (before_of + after_of) < total * after_of:  # below the mean: the other tail is short
        return max(0.0, 1.0 - fisher_greater(after - 1, after_of, before + 1, before_of))
    term = math.exp(
        _log_choose(after_of, after)
        + _log_choose(before_of, before)
        - _log_choose(before_of + after_of, total)
    )
    sum_, k = term, after
    while k < min(total, after_of) and term > sum_ * _NEGLIGIBLE:
        term *= (total - k) * (after_of - k) / ((k + 1) * (before_of - total + k + 1))
        sum_ += term
        k += 1
    return min(1.0, sum_)


def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
