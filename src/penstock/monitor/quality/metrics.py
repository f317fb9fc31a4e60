"""Metrics of counted predictions, each with its interval."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from penstock.errors import ConfigError
from penstock.monitor.quality import intervals
from penstock.monitor.quality.counts import QualityCounts
from penstock.monitor.quality.metric import Metric
from penstock.monitor.quality.scores import area
from penstock.monitor.quality.student import normal_quantile

__all__ = ["auc", "expected_calibration_error", "metrics"]

Array = np.ndarray[Any, Any]


def metrics(counts: QualityCounts, level: float = 0.95) -> dict[str, Metric]:
    """Return the metrics of predictions.

    Parameters
    ----------
    counts : QualityCounts
    level : float, default 0.95
        The chance with which an interval covers the value that many more such rows would have.

    Returns
    -------
    dict of str to Metric
        Classes: ``accuracy``, ``precision``, ``recall``, ``f1``, and of a binary task ``selection_rate``, the
        share that is predicted positive; with probabilities also ``auc``, ``log_loss`` (natural logarithm),
        ``brier`` and ``ece``. Regression: ``mae``, ``rmse``, ``bias`` (prediction less label).

    Notes
    -----
    Of more than two classes precision, recall, F1 and the area (one against the rest) are means over the
    classes that have rows; a class that is never predicted has a precision of 0. ``brier`` is the sum over
    the classes.

    Intervals: Wilson's for shares and F1; DeLong's for the area, on the logit, and Newcombe's where that has
    no variance; Student's for means, also of the squared error. Rows are taken as independent.

    Examples
    --------
    >>> from penstock.monitor.quality.inference import infer_target
    >>> labels, predictions = [0, 1, 1, 0], {"p": [0.2, 0.9, 0.4, 0.3]}
    >>> counts = QualityCounts.of(infer_target("y", labels, predictions), labels, predictions)
    >>> {name: round(metric.value, 3) for name, metric in metrics(counts).items() if name != "ece"}
    ... # doctest: +NORMALIZE_WHITESPACE
    {'accuracy': 0.75, 'precision': 1.0, 'recall': 0.5, 'f1': 0.667, 'selection_rate': 0.25, 'auc': 1.0,
     'log_loss': 0.4, 'brier': 0.125}
    """
    if not 0 < level < 1:
        raise ConfigError(f"level: expected a number above 0 and below 1, got {level}")
    if counts.target.task == "regression":
        return _of_numbers(counts, level)
    found = _of_two(counts, level) if counts.target.task == "binary" else _of_many(counts, level)
    if counts.target.form == "probability":
        found["auc"] = auc(counts, level)
        found["log_loss"] = intervals.mean(counts.log_loss, level, 0.0)
        found["brier"] = intervals.mean(counts.brier, level, 0.0)
        found["ece"] = expected_calibration_error(counts, level)
    return found


def _of_numbers(counts: QualityCounts, level: float) -> dict[str, Metric]:
    square = intervals.mean(counts.squared_error, level, 0.0)
    return {
        "mae": intervals.mean(counts.absolute_error, level, 0.0),
        "rmse": Metric(math.sqrt(square.value), math.sqrt(square.low), math.sqrt(square.high), square.rows),
        "bias": intervals.mean(counts.error, level),
    }


def _of_two(counts: QualityCounts, level: float) -> dict[str, Metric]:
    (right_no, wrong_yes), (wrong_no, right_yes) = counts.confusion.tolist()
    selected = right_yes + wrong_yes
    return {
        "accuracy": intervals.share(right_yes + right_no, counts.rows, level),
        "precision": intervals.share(right_yes, selected, level),
        "recall": intervals.share(right_yes, right_yes + wrong_no, level),
        "f1": intervals.f1(right_yes, wrong_yes + wrong_no, level),
        "selection_rate": intervals.share(selected, counts.rows, level),
    }


def _of_many(counts: QualityCounts, level: float) -> dict[str, Metric]:
    hits = np.diagonal(counts.confusion)
    of_class, selected = counts.confusion.sum(axis=1), counts.confusion.sum(axis=0)
    there = np.flatnonzero(of_class)
    precision = [_or_zero(intervals.share(int(hits[c]), int(selected[c]), level)) for c in there]
    recall = [intervals.share(int(hits[c]), int(of_class[c]), level) for c in there]
    f1 = [intervals.f1(int(hits[c]), int(of_class[c] + selected[c] - 2 * hits[c]), level) for c in there]
    return {
        "accuracy": intervals.share(int(hits.sum()), counts.rows, level),
        "precision": _mean_of_independent(precision, counts.rows),
        "recall": _mean_of_independent(recall, counts.rows),
        "f1": _mean_of_any(f1, counts.rows),
    }


def _or_zero(metric: Metric) -> Metric:
    return metric if metric.rows else Metric(0.0, 0.0, 1.0, 0)


def _mean_of_independent(parts: list[Metric], rows: int) -> Metric:
    """Return the mean of shares of different rows.

    Each limit is as far from the mean as those of the parts are together (Newcombe's square-and-add, or
    MOVER; G. Y. Zou, A. Donner, Statistics in Medicine 27 (2008)).
    """
    if not parts:
        return Metric.undefined()
    value = math.fsum(part.value for part in parts) / len(parts)
    below = math.sqrt(math.fsum((part.value - part.low) ** 2 for part in parts)) / len(parts)
    above = math.sqrt(math.fsum((part.high - part.value) ** 2 for part in parts)) / len(parts)
    return Metric(value, max(0.0, value - below), min(1.0, value + above), rows)


def _mean_of_any(parts: list[Metric], rows: int) -> Metric:
    """Return the mean of metrics that may depend on each other; the interval is on the safe side."""
    known = [part for part in parts if not math.isnan(part.value)]
    if not known:
        return Metric.undefined()
    value, low, high = (
        math.fsum(getattr(part, name) for part in known) / len(known) for name in ("value", "low", "high")
    )
    return Metric(value, low, high, rows)


def auc(counts: QualityCounts, level: float = 0.95) -> Metric:
    """Return the area under the ROC curve; of many classes the mean of one against the rest.

    Notes
    -----
    Of scores in 1,024 bins, whose ties count half: within ``area(…).bin_error`` of that of the raw scores;
    of thousands of rows in practice within 0.0002.
    """
    return _mean_of_any([_area(curve, level) for curve in counts.scores], counts.rows)


def _area(curve: Array, level: float) -> Metric:
    found = area(curve)
    if math.isnan(found.value):
        return Metric.undefined()
    rows = found.positives + found.negatives
    if min(found.positives, found.negatives) > 1 and found.variance > 0:
        limits = intervals.logit_limits(found.value, math.sqrt(found.variance), level)
    else:
        limits = intervals.area_limits(found.value, found.positives, found.negatives, level)
    return Metric(found.value, *limits, rows)


def expected_calibration_error(counts: QualityCounts, level: float = 0.95) -> Metric:
    """Return the mean distance between probability and share, over 15 bins of equal width.

    Notes
    -----
    Chance alone makes it larger than 0. The lower limit takes that off: it is 0 where a perfectly calibrated
    model could have this error. The limits are on the safe side.

    References
    ----------
    C. Guo, G. Pleiss, Y. Sun, K. Q. Weinberger, "On calibration of modern neural networks", ICML 2017.
    """
    rows, hits = counts.confident
    if not counts.rows:
        return Metric.undefined()
    used = rows > 0
    weight = rows[used] / counts.rows
    gap = np.abs(counts.confidence[used] - hits[used]) / rows[used]
    rate = (hits[used] + 1) / (rows[used] + 2)
    error = weight * np.sqrt(rate * (1 - rate) / rows[used])
    value = float(weight @ gap)
    # A gap is at most the true one and the noise, whose absolute value has this mean and this spread.
    noise = float(error.sum()) * math.sqrt(2 / math.pi)
    spread = normal_quantile(level) * math.sqrt(float(error @ error))
    low = value - noise - spread * math.sqrt(1 - 2 / math.pi)
    return Metric(value, max(0.0, low), min(1.0, value + spread), counts.rows)
