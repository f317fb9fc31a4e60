"""The exponents of power transforms by maximum likelihood, over values and how often each is there.

References: G. Box, D. Cox, "An analysis of transformations" (1964); I. Yeo, R. Johnson, "A new family of
power transformations" (2000); R. Brent, "Algorithms for minimization without derivatives" (1973), chapter 5.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

__all__ = ["box_cox_lambda", "yeo_johnson_lambda"]

_LOG_EPS = math.log(np.finfo(np.float64).eps)
_LOG_TINY = (math.log(np.finfo(np.float64).tiny) - _LOG_EPS) / 2
_LOG_MAX = (math.log(np.finfo(np.float64).max) + _LOG_EPS) / 2
_TOLERANCE = 1.48e-8


def box_cox_lambda(values: np.ndarray, weights: np.ndarray) -> float:
    """Return the exponent for values above 0, not all the same."""
    logs = np.log(values)
    total = float(weights.sum())
    sum_of_logs = float((weights * logs).sum())
    reach = _LOG_MAX / float(np.log(20) + np.abs(logs).max())

    def loss(exponent: float) -> float:
        changed = logs if exponent == 0 else np.expm1(exponent * logs) / exponent
        return _loss(changed, weights, total, (exponent - 1) * sum_of_logs)

    return _minimum(loss, -reach, reach)


def yeo_johnson_lambda(values: np.ndarray, weights: np.ndarray) -> float:
    """Return the exponent for finite values, not all the same."""
    logs = np.log1p(np.abs(values))
    negative = values < 0
    total = float(weights.sum())
    sum_of_logs = float((weights * np.copysign(logs, values)).sum())

    def loss(exponent: float) -> float:
        power = np.where(negative, 2 - exponent, exponent)
        safe = np.where(power == 0, 1.0, power)
        size = np.where(power == 0, logs, np.expm1(safe * logs) / safe)
        return _loss(np.copysign(size, values), weights, total, (exponent - 1) * sum_of_logs)

    # Within these bounds neither the values nor their squares leave the range of doubles.
    span = math.log1p(20 * float(np.abs(values).max()))
    low, high = _LOG_TINY / span, _LOG_MAX / span
    if negative.all():
        low, high = 2 - high, 2 - low
    elif negative.any():
        low, high = max(2 - high, low), min(2 - low, high)
    return _minimum(loss, low, high)


def _loss(changed: np.ndarray, weights: np.ndarray, total: float, rest: float) -> float:
    mean = float((weights * changed).sum()) / total
    variance = float((weights * np.square(changed - mean)).sum()) / total
    if not variance >= np.finfo(np.float64).tiny or not math.isfinite(variance):
        return math.inf
    return total / 2 * math.log(variance) - rest


def _minimum(loss: Callable[[float], float], low: float, high: float) -> float:
    """Return where a function is least between two bounds: golden sections and parabolas."""
    golden = 0.5 * (3.0 - math.sqrt(5.0))
    best = second = third = low + golden * (high - low)
    at_best = at_second = at_third = loss(best)
    step = before = 0.0
    for _ in range(500):
        middle = 0.5 * (low + high)
        least = math.sqrt(np.finfo(np.float64).eps) * abs(best) + _TOLERANCE / 3.0
        if abs(best - middle) <= 2.0 * least - 0.5 * (high - low):
            break
        parabola = False
        if abs(before) > least:
            r = (best - second) * (at_best - at_third)
            q = (best - third) * (at_best - at_second)
            p = (best - third) * q - (best - second) * r
            q = 2.0 * (q - r)
            p = -p if q > 0.0 else p
            q = abs(q)
            if abs(p) < abs(0.5 * q * before) and q * (low - best) < p < q * (high - best):
                before, step = step, p / q
                point = best + step
                if point - low < 2.0 * least or high - point < 2.0 * least:
                    step = math.copysign(least, middle - best)
                parabola = True
        if not parabola:
            before = (low - best) if best >= middle else (high - best)
            step = golden * before
        point = best + math.copysign(max(abs(step), least), step)
        at_point = loss(point)
        if at_point <= at_best:
            low, high = (best, high) if point >= best else (low, best)
            third, second, best = second, best, point
            at_third, at_second, at_best = at_second, at_best, at_point
            continue
        low, high = (point, high) if point < best else (low, point)
        if at_point <= at_second or second == best:
            third, second = second, point
            at_third, at_second = at_second, at_point
        elif at_point <= at_third or third in (best, second):
            third, at_third = point, at_point
    return best
