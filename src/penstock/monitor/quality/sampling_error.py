"""NannyML's intervals of an estimate: three sampling errors that the reference shows."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

import numpy as np

from penstock.errors import ConfigError
from penstock.monitor.quality.counts import QualityCounts
from penstock.monitor.quality.metric import Metric
from penstock.monitor.quality.scores import area

__all__ = ["nannyml_intervals", "nannyml_sampling_errors"]

_ERRORS: Final = 3.0


def nannyml_sampling_errors(reference: QualityCounts, rows: int) -> dict[str, float]:
    """Return how far metrics of so many rows are from those of the reference by chance, as NannyML has it.

    Parameters
    ----------
    reference : QualityCounts
        Of a binary probability.
    rows : int
        Of the chunk that is estimated.

    Returns
    -------
    dict of str to float
        Of ``accuracy``, ``precision``, ``recall``, ``f1``, ``auc``: NaN where the reference does not show it.

    Raises
    ------
    ConfigError
        Where the counts are of something else.

    Notes
    -----
    Standard deviations of a row's part in each metric, over the square root of the rows that take part. They
    are those of NannyML 0.13; they do not depend on what the chunk looks like, nor on how many rows
    calibrated it, as the intervals of :func:`~penstock.monitor.quality.estimation.estimate_rows` do.
    """
    target = reference.target
    if (target.task, target.form) != ("binary", "probability"):
        raise ConfigError(f"expected counts of a binary probability, got {target.task} by {target.form}")
    (right_no, wrong_yes), (wrong_no, right_yes) = reference.confusion.tolist()
    n = reference.rows
    union = right_yes + wrong_yes + wrong_no
    weight = 2 * union / (2 * right_yes + wrong_yes + wrong_no) if union else math.nan
    parts = {
        "accuracy": (_deviation(right_no + right_yes, n), n),
        "precision": (_deviation(right_yes, right_yes + wrong_yes), right_yes + wrong_yes),
        "recall": (_deviation(right_yes, right_yes + wrong_no), right_yes + wrong_no),
        "f1": (weight * _deviation(right_yes, union), union),
        "auc": _of_area(reference),
    }
    return {
        name: deviation / math.sqrt(rows * part / n) if part and rows and n else math.nan
        for name, (deviation, part) in parts.items()
    }


def _deviation(count: int, rows: int) -> float:
    return math.sqrt(count / rows * (1 - count / rows)) if rows else math.nan


def _of_area(reference: QualityCounts) -> tuple[float, int]:
    """Return the deviation of a positive's share of beaten negatives; the rarer class is the positive one."""
    counts = reference.scores[0]
    negatives, positives = counts.sum(axis=1).tolist()
    if positives > negatives:
        counts = np.flip(counts, axis=(0, 1))
        positives = negatives
    found = area(counts)
    if positives < 2:
        return math.nan, positives
    return math.sqrt(found.of_positives * (positives - 1) / positives), positives


def nannyml_intervals(
    estimates: Mapping[str, Metric], reference: QualityCounts, rows: int
) -> dict[str, Metric]:
    """Return estimates with NannyML's intervals instead of ours: three sampling errors to each side."""
    errors = nannyml_sampling_errors(reference, rows)
    return {
        name: Metric(
            metric.value,
            max(0.0, metric.value - _ERRORS * errors[name]),
            min(1.0, metric.value + _ERRORS * errors[name]),
            metric.rows,
        )
        for name, metric in estimates.items()
        if name in errors
    }
