"""Is one more observation like the earlier ones, when how much those vary is all that is known of them?"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from penstock.monitor.quality.student import student_tail

__all__ = ["one_more"]

_TAIL: Final = 4.0


def one_more(
    counts: np.ndarray[Any, np.dtype[np.float64]], of: np.ndarray[Any, np.dtype[np.float64]], *, rise: bool
) -> float:
    """Return the p-value that the last of some counts, each in proportion to a size, is like the others.

    Parameters
    ----------
    counts, of : ndarray of float64, shape (n_windows,)
        Such as rows and seconds; three windows at least, of which the last is judged.
    rise : bool
        One-sided, against a higher one; else two-sided.

    Notes
    -----
    Student's t for one more observation, once of the logarithm of count over size and once of its square
    root; the larger p-value is returned, which holds the level for proportions that vary like a gamma or a
    lognormal variable or in between. The variance of a Poisson count is the least that is assumed. A value
    further from the mean than the furthest of the k others on its side has at least the one-sided p-value
    (furthest / it)⁴ / (k + 1), by the logarithm, so that heavier tails do little harm.
    """
    expected = max(float(counts[:-1].sum() / of[:-1].sum() * of[-1]), 0.5)
    logs, roots = np.log((counts + 0.5) / of), np.sqrt((counts + 0.375) / of)
    found = max(_student(logs, 1 / expected, rise), _student(roots, 0.25 / float(of[-1]), rise))
    return max(found, _beyond(logs) * (1 if rise else 2))


def _student(values: np.ndarray[Any, np.dtype[np.float64]], least: float, rise: bool) -> float:
    earlier = values[:-1]
    variance = max(float(earlier.var(ddof=1)), least)
    t = float(values[-1] - earlier.mean()) / (variance * (1 + 1 / len(earlier))) ** 0.5
    return student_tail(t, len(earlier) - 1) if rise else 2 * student_tail(abs(t), len(earlier) - 1)


def _beyond(values: np.ndarray[Any, np.dtype[np.float64]]) -> float:
    from_mean = values - values[:-1].mean()
    side = 1.0 if from_mean[-1] > 0 else -1.0
    furthest, distance = float((side * from_mean[:-1]).max()), float(side * from_mean[-1])
    return 0.0 if distance <= furthest else (furthest / distance) ** _TAIL / len(values)
