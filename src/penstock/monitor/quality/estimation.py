"""Quality without labels: what calibrated scores let one expect. Read next: calibration.py, score_bins.py."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from penstock.monitor.quality.calibration import Calibration
from penstock.monitor.quality.metric import Metric
from penstock.monitor.quality.student import normal_quantile

__all__ = ["Cells", "estimate_cells", "estimate_rows"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Cells:
    """Groups of rows with about the same score, in ascending order of it.

    Attributes
    ----------
    rows : ndarray of float64, shape (n,)
    chance : ndarray of float64, shape (n,)
        That a row is positive.
    selected : ndarray of float64, shape (n,)
        Share of the rows that is predicted positive.
    blocks : ndarray of int64, shape (n,)
        Block of the calibration that the chance is from.
    """

    rows: Array
    chance: Array
    selected: Array
    blocks: Array


def estimate_rows(
    scores: Any, calibration: Calibration, *, threshold: float = 0.5, level: float = 0.95
) -> dict[str, Metric]:
    """Estimate the quality of predictions whose labels are not known.

    Parameters
    ----------
    scores : array of float, shape (n,)
        Probabilities of the positive class as the model gives them; those that are not finite are left out.
    calibration : Calibration
    threshold : float, default 0.5
        From which on a prediction is positive.
    level : float, default 0.95

    Returns
    -------
    dict of str to Metric
        ``accuracy``, ``precision``, ``recall``, ``f1``, ``auc``, ``selection_rate``. The interval covers what
        the labels of these rows will show, with the chance ``level``, as long as a score still means what
        it meant when the calibration was learned: where the labels themselves change at equal scores (concept
        drift), no estimate without labels can know.

    Notes
    -----
    Expected counts of true and false positives and negatives from calibrated scores: confidence-based
    performance estimation. The spread is of two parts by the delta method: labels are drawn with these
    chances, and the chances are learned from a limited number of rows. O(n log n).

    References
    ----------
    NannyML, "Confidence-based performance estimation"; J. Białek, J. Perzanowski, W. Kuberski, "Estimating
    model performance under covariate shift without labels", arXiv:2401.08348 (2024).

    Examples
    --------
    >>> score = np.random.default_rng(1).random(2000)
    >>> calibration = Calibration.fit(score, np.random.default_rng(2).random(2000) < score)
    >>> round(estimate_rows([0.1, 0.2, 0.9], calibration)["accuracy"].value, 1)
    0.9
    """
    found = np.asarray(scores, np.float64)
    found = found[np.isfinite(found)]
    values, rows = np.unique(found, return_counts=True)
    cells = Cells(
        rows.astype(np.float64),
        calibration(values),
        (values >= threshold).astype(np.float64),
        calibration.block(values),
    )
    return estimate_cells(cells, calibration, level)


def estimate_cells(cells: Cells, calibration: Calibration, level: float) -> dict[str, Metric]:
    """Estimate quality from groups of rows; see :func:`estimate_rows`."""
    n, total = cells.rows, float(cells.rows.sum())
    if not total:
        names = ("accuracy", "precision", "recall", "f1", "auc", "selection_rate")
        return {name: Metric.undefined() for name in names}
    chance, selected = cells.chance, cells.selected
    hits = float(n @ (chance * selected))
    chosen = float(n @ selected)
    positive = float(n @ chance)
    right = float(n @ (chance * selected + (1 - chance) * (1 - selected)))
    # Each with its slope in the chance of every cell.
    parts = {
        "accuracy": (right / total, n * (2 * selected - 1) / total, total),
        "precision": _ratio(hits, chosen, n * selected, 0 * n),
        "recall": _ratio(hits, positive, n * selected, n),
        "f1": (*_ratio(2 * hits, chosen + positive, 2 * n * selected, n)[:2], chosen + positive - hits),
        "auc": _area(n, chance),
    }
    z = normal_quantile(level)
    found = {name: _metric(*part, z, cells, calibration) for name, part in parts.items()}
    found["selection_rate"] = Metric(chosen / total, chosen / total, chosen / total, round(total))
    return found


def _ratio(over: float, under: float, of_over: Array, of_under: Array) -> tuple[float, Array, float]:
    if not under > 0:
        return math.nan, of_over, 0.0
    return over / under, (of_over - over / under * of_under) / under, under


def _area(n: Array, chance: Array) -> tuple[float, Array, float]:
    positive, negative = n * chance, n * (1 - chance)
    p, q = float(positive.sum()), float(negative.sum())
    if not (p > 0 and q > 0):
        return math.nan, n, 0.0
    below = np.cumsum(negative) - negative / 2
    above = p - np.cumsum(positive) + positive / 2
    value = float(positive @ below) / (p * q)
    return value, n * ((below - above) / (p * q) - value * (1 / p - 1 / q)), p + q


def _metric(
    value: float, slope: Array, rows: float, z: float, cells: Cells, calibration: Calibration
) -> Metric:
    if math.isnan(value):
        return Metric.undefined()
    with_rows = cells.rows > 0
    of_labels = (slope**2 * cells.chance * (1 - cells.chance))[with_rows] / cells.rows[with_rows]
    of_blocks = np.bincount(cells.blocks, weights=slope, minlength=len(calibration.rows))
    variance = float(of_labels.sum()) + float(of_blocks**2 @ calibration.variance)
    reach = z * math.sqrt(variance)
    return Metric(value, max(0.0, value - reach), min(1.0, value + reach), round(rows))
