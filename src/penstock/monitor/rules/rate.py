"""Do more or fewer rows come than before, for all that their number varies anyway?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from penstock.monitor.rules.one_more import one_more

__all__ = ["LEAST_WINDOWS", "rate_shift"]

LEAST_WINDOWS: Final = 8
"""Earlier windows below which the rate is not tested."""

_LEAST_MEAN_ROWS: Final = 20


def rate_shift(before: Sequence[tuple[int, float]], after: tuple[int, float]) -> float:
    """Return the two-sided p-value that a window's rate of rows is like those of earlier windows.

    Parameters
    ----------
    before : sequence of (int, float)
        Rows and seconds of each earlier window.
    after : (int, float)

    Returns
    -------
    float
        1 where there are fewer than :data:`LEAST_WINDOWS`, or less than 20 rows are expected.

    Notes
    -----
    How much traffic varies is estimated from the earlier windows, see
    :func:`~penstock.monitor.rules.one_more.one_more`; that rows are independent is not assumed. That windows
    are exchangeable is: compare like with like, such as the same hour of other days.

    Examples
    --------
    >>> week = [(1000 + 90 * (day % 5), 3600.0) for day in range(14)]
    >>> rate_shift(week, (1100, 3600.0)) > 0.1, rate_shift(week, (100, 3600.0)) < 0.001
    (True, True)
    """
    if len(before) < LEAST_WINDOWS:
        return 1.0
    rows, seconds = np.array([*before, after], np.float64).T
    if rows[:-1].sum() / seconds[:-1].sum() * seconds[-1] < _LEAST_MEAN_ROWS:
        return 1.0
    return one_more(rows, seconds, rise=False)
