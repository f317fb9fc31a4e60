"""Calibration: the share of positives at a score, learned from labelled rows. Read next: estimation.py."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from penstock.errors import ConfigError
from penstock.monitor.quality.isotonic import pool
from penstock.monitor.quality.scores import area, binned

__all__ = ["Calibration"]

Array = np.ndarray[Any, Any]

_SPLITS: Final = 10
_HELD_OUT: Final = 0.1
_BINS: Final = 10
_SEPARATED: Final = 0.999


@dataclass(frozen=True, eq=False)
class Calibration:
    """What probability a score stands for.

    Attributes
    ----------
    low, high : ndarray of float64, shape (n_blocks,)
        Smallest and largest score of each block, ascending.
    positives, rows : ndarray of float64, shape (n_blocks,)
        Of the blocks; their quotients rise strictly.
    applied : bool
        Whether it changes scores. False where out of sample it did not help: they stand for themselves then.

    Examples
    --------
    >>> random = np.random.default_rng(0)
    >>> score = random.random(5000)
    >>> calibration = Calibration.fit(score, random.random(5000) < score**2)
    >>> calibration.applied, calibration(np.array([0.5])).round(1).tolist()
    (True, [0.2])
    """

    low: Array
    high: Array
    positives: Array
    rows: Array
    applied: bool

    __hash__ = None  # type: ignore[assignment]

    @classmethod
    def fit(cls, scores: Any, labels: Any, *, seed: int = 0) -> Calibration:
        """Learn from scores and what was true.

        Parameters
        ----------
        scores : array of float, shape (n,)
            Probabilities of the positive class.
        labels : array of bool or of 0 and 1, shape (n,)
        seed : int, default 0
            Of the splits that decide whether it is applied.

        Raises
        ------
        ConfigError
            Where there is no row, or one without a label or a finite score.

        Notes
        -----
        Isotonic regression, linear between blocks. It is applied where it lowers the calibration error of
        rows that it was not fitted on: ten splits that hold a tenth out, stratified by label, ten bins of as
        many rows each. With one class alone, or an area under the ROC curve above 0.999, it is not. That
        is NannyML's rule, with other random splits. O(n log n) time, eleven fits.
        """
        x, y = np.asarray(scores, np.float64), np.asarray(labels).astype(np.float64)
        if x.shape != y.shape or x.ndim != 1 or not len(x):
            raise ConfigError(f"calibration: expected a label a score, got {y.shape} for {x.shape}")
        if not (np.isfinite(x).all() and np.isin(y, (0.0, 1.0)).all()):
            raise ConfigError("calibration: expected finite scores and labels 0 and 1")
        order = np.argsort(x, kind="stable")
        x, y = x[order], y[order]
        return _fitted(x, y, applied=_helps(x, y, np.random.default_rng(seed)))

    def __call__(self, scores: Array) -> Array:
        """Return the probabilities that scores stand for; those beyond the learned range as its ends."""
        if self.applied:
            return self.shares(scores)
        clipped: Array = np.clip(np.asarray(scores, np.float64), 0.0, 1.0)
        return clipped

    def shares(self, scores: Array) -> Array:
        """Return the learned share of positives, whether it is applied or not."""
        share = self.positives / self.rows
        ends = np.stack([self.low, self.high], axis=1).ravel()
        return np.asarray(np.interp(scores, ends, np.repeat(share, 2)))

    def block(self, scores: Array) -> Array:
        """Return the index of the block that each score is in or nearest below."""
        return np.maximum(np.searchsorted(self.low, scores, side="right") - 1, 0)

    @property
    def variance(self) -> Array:
        """Of the share of each block, by its number of rows; not 0 where all are of one class."""
        share = (self.positives + 1) / (self.rows + 2)
        variance: Array = share * (1 - share) / self.rows
        return variance

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Calibration):
            return NotImplemented
        return self.applied == other.applied and all(
            np.array_equal(getattr(self, name), getattr(other, name))
            for name in ("low", "high", "positives", "rows")
        )


def _fitted(x: Array, y: Array, applied: bool) -> Calibration:
    """Fit sorted scores."""
    begins = np.flatnonzero(np.concatenate([[True], x[1:] != x[:-1]]))
    values = x[begins]
    rows = np.diff(np.append(begins, len(x))).astype(np.float64)
    blocks, positives, rows = pool(np.add.reduceat(y, begins), rows)
    ends = np.append(blocks[1:], len(values)) - 1
    return Calibration(values[blocks], values[ends], positives, rows, applied)


def _helps(x: Array, y: Array, random: np.random.Generator) -> bool:
    """Whether out of sample the calibration error falls."""
    found = area(binned(np.clip(x, 0.0, 1.0), y == 1))
    if math.isnan(found.value) or found.value > _SEPARATED or len(x) < 2 * _BINS:
        return False
    parts = []
    for _ in range(_SPLITS):
        held = np.zeros(len(x), bool)
        for label in (0.0, 1.0):
            of_class = np.flatnonzero(y == label)
            held[random.permutation(of_class)[: round(_HELD_OUT * len(of_class))]] = True
        learned = _fitted(x[~held], y[~held], applied=True)
        parts.append((x[held], learned(x[held]), y[held]))
    raw, calibrated, truth = (np.concatenate(column) for column in zip(*parts, strict=True))
    return len(raw) >= 2 * _BINS and _error(raw, truth) > _error(calibrated, truth)


def _error(scores: Array, truth: Array) -> float:
    """Return the calibration error over bins of as many rows each."""
    order = np.argsort(scores, kind="stable")
    edges = np.arange(_BINS) * (len(order) // _BINS)
    return float(np.abs(np.add.reduceat((scores - truth)[order], edges)).sum()) / len(order)
