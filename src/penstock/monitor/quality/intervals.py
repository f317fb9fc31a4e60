"""Confidence intervals of shares, means and areas."""

from __future__ import annotations

import math
from collections.abc import Callable

from penstock.monitor.quality.metric import Metric
from penstock.monitor.quality.moments import Moments
from penstock.monitor.quality.student import normal_quantile, student_quantile

__all__ = ["area_limits", "f1", "logit_limits", "mean", "share", "wilson"]


def wilson(count: float, rows: float, level: float) -> tuple[float, float]:
    """Return the limits of a share.

    References
    ----------
    E. B. Wilson, "Probable inference, the law of succession, and statistical inference", Journal of the
    American Statistical Association 22 (1927).

    Examples
    --------
    >>> [round(limit, 4) for limit in wilson(0, 20, 0.95)]
    [0.0, 0.1611]
    """
    z = normal_quantile(level)
    share_ = count / rows
    middle = share_ + z * z / (2 * rows)
    reach = z * math.sqrt(share_ * (1 - share_) / rows + z * z / (4 * rows * rows))
    scale = 1 + z * z / rows
    low = 0.0 if count <= 0 else (middle - reach) / scale
    high = 1.0 if count >= rows else (middle + reach) / scale
    return min(low, share_), max(high, share_)


def share(count: int, rows: int, level: float) -> Metric:
    """Return a share of rows with Wilson's limits."""
    if not rows:
        return Metric.undefined()
    return Metric(count / rows, *wilson(count, rows, level), rows)


def f1(hits: int, misses: int, level: float) -> Metric:
    """Return F1 of true positives and of false ones together, positive and negative.

    Notes
    -----
    Of the rows that are positive, selected or both, the hits are a share p, and F1 is 2p / (1 + p): Wilson's
    limits of p become those of F1.

    Examples
    --------
    >>> round(f1(8, 4, 0.95).value, 6)
    0.8
    """
    rows = hits + misses
    if not rows:
        return Metric.undefined()
    low, high = wilson(hits, rows, level)
    return Metric(2 * hits / (2 * hits + misses), 2 * low / (1 + low), 2 * high / (1 + high), rows)


def mean(moments: Moments, level: float, least: float = -math.inf) -> Metric:
    """Return a mean with Student's limits, which are not below ``least``."""
    if not moments.rows:
        return Metric.undefined()
    if moments.rows == 1:
        return Metric(moments.mean, least, math.inf, 1)
    reach = student_quantile(level, moments.rows - 1) * moments.standard_error
    return Metric(moments.mean, max(least, moments.mean - reach), moments.mean + reach, moments.rows)


def logit_limits(value: float, standard_error: float, level: float) -> tuple[float, float]:
    """Return limits within (0, 1): normal ones of the logit."""
    reach = normal_quantile(level) * standard_error / (value * (1 - value))
    odds = math.log(value / (1 - value))
    return 1 / (1 + math.exp(reach - odds)), 1 / (1 + math.exp(-reach - odds))


def area_limits(area: float, positives: int, negatives: int, level: float) -> tuple[float, float]:
    """Return limits of an area under the ROC curve by its size alone; they exist for 0 and 1 too.

    Notes
    -----
    The areas that the observed one is not surprising for, with the variance that exponential scores have.

    References
    ----------
    R. G. Newcombe, "Confidence intervals for an effect size measure based on the Mann-Whitney statistic. Part
    2: asymptotic methods and evaluation", Statistics in Medicine 25 (2006), method 5.

    Examples
    --------
    >>> [round(limit, 3) for limit in area_limits(1.0, 20, 30, 0.95)]
    [0.916, 1.0]
    """
    z = normal_quantile(level)
    extra = (positives + negatives) / 2 - 1

    def surprise(true: float) -> float:
        spread = 1 + extra * ((1 - true) / (2 - true) + true / (1 + true))
        return (area - true) ** 2 - z * z * true * (1 - true) * spread / (positives * negatives)

    low = 0.0 if area <= 0 else _root(surprise, 0.0, area)
    high = 1.0 if area >= 1 else _root(surprise, 1.0, area)
    return low, high


def _root(surprise: Callable[[float], float], outside: float, inside: float) -> float:
    for _ in range(60):
        middle = (outside + inside) / 2
        if surprise(middle) > 0:
            outside = middle
        else:
            inside = middle
    return inside
