"""Has a share risen: what is refused, what breaks a rule."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from penstock.monitor.calibration.hypergeometric import fisher_greater
from penstock.monitor.rules.one_more import one_more

__all__ = ["excess"]


def excess(before: Sequence[tuple[int, int]], after: tuple[int, int]) -> float:
    """Return the one-sided p-value that a share is not higher than in earlier windows.

    Parameters
    ----------
    before : sequence of (int, int)
        Count, and what it is a count of, of each earlier window.
    after : (int, int)

    Notes
    -----
    Fisher's exact test against all earlier windows together. What comes in bursts, as the requests of one
    faulty client do, varies more from window to window than independent rows would: where the earlier windows
    show that, by Pearson's chi-square above its degrees of freedom, the larger of Fisher's p-value and that
    of :func:`~penstock.monitor.rules.one_more.one_more` is returned. Fewer than three earlier windows cannot
    show it, and a burst in one window of twenty is news each time.

    Examples
    --------
    >>> round(excess([(10, 1000)] * 10, (20, 1000)), 4)
    0.0056
    >>> round(excess([(0, 1000), (20, 1000)] * 5, (20, 1000)), 4)
    0.1946
    """
    count, total = (sum(part) for part in zip(*before, strict=True))
    exact = fisher_greater(count, total, *after)
    windows = [pair for pair in before if pair[1]]
    if len(windows) < 2 or not 0 < count < total or not after[1]:
        return exact
    counts, of = np.array([*windows, after], np.float64).T
    share = count / total
    squares = (counts[:-1] - of[:-1] * share) ** 2 / (of[:-1] * share * (1 - share))
    if squares.sum() <= len(windows) - 1:
        return exact
    return max(exact, one_more(counts, of, rise=True))
