"""Estimates from the histogram of a score, which live monitoring has anyway. Read next: estimation.py."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from penstock.errors import ConfigError
from penstock.monitor.quality.calibration import Calibration
from penstock.monitor.quality.estimation import Cells, estimate_cells
from penstock.monitor.quality.metric import Metric

if TYPE_CHECKING:
    from penstock.monitor.profile import FeatureProfile

__all__ = ["ScoreBins"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class ScoreBins:
    """What the bins of a score stand for.

    Attributes
    ----------
    edges : ndarray of float64, shape (n_bins - 1,)
        Those of the score in the profile.
    chance : ndarray of float64, shape (n_bins,)
        Mean calibrated probability of the reference rows in each bin.
    blocks : ndarray of int64, shape (n_bins,)
        Block of the calibration that most of each bin is in.
    threshold : float
    """

    edges: Array
    chance: Array
    blocks: Array
    threshold: float

    __hash__ = None  # type: ignore[assignment]

    @classmethod
    def fit(cls, edges: Array, scores: Array, calibration: Calibration, threshold: float) -> ScoreBins:
        """Learn what bins stand for from the scores of the reference."""
        at = np.searchsorted(edges, scores, side="right")
        bins = len(edges) + 1
        rows = np.bincount(at, minlength=bins)
        low, high = np.append(0.0, edges), np.append(edges, 1.0)
        middle = np.clip((low + high) / 2, 0.0, 1.0)
        sums = (np.bincount(at, weights=weights, minlength=bins) for weights in (calibration(scores), scores))
        chance, mean = (
            np.where(rows > 0, sum_ / np.maximum(rows, 1), instead)
            for sum_, instead in zip(sums, (calibration(middle), middle), strict=True)
        )
        return cls(edges, chance, calibration.block(mean), threshold)

    def estimate(
        self, profile: FeatureProfile, calibration: Calibration, level: float = 0.95
    ) -> dict[str, Metric]:
        """Estimate quality from the counts of a score.

        Parameters
        ----------
        profile : FeatureProfile
            Of the score, on the bins of the baseline; values that are missing are left out.
        calibration : Calibration
        level : float, default 0.95

        Notes
        -----
        Exact as :func:`~penstock.monitor.quality.estimation.estimate_rows` is when scores lie within the bins
        as in the reference, ties in a bin counting half in the area; see :meth:`error_bound`. The bins
        have an edge at the threshold, so that what is selected is exact. Microseconds; no pass over rows.
        """
        return estimate_cells(self._cells(profile), calibration, level)

    def error_bound(self, profile: FeatureProfile, calibration: Calibration) -> float:
        """Return the most that the accuracy can be off because only bins are known."""
        cells = self._cells(profile)
        ends = calibration(np.concatenate([[0.0], self.edges, [1.0]]))
        away = np.maximum(ends[1:] - cells.chance, cells.chance - ends[:-1])
        # In the bin of the threshold, which it divides, scores may be on either side of it.
        divided = (cells.selected > 0) & (cells.selected < 1)
        total = float(cells.rows.sum())
        return float(cells.rows @ np.where(divided, 1.0, away)) / total if total else 0.0

    def _cells(self, profile: FeatureProfile) -> Cells:
        if not np.array_equal(profile.edges, self.edges):
            raise ConfigError(f'"{profile.name}": expected counts on the bins of the baseline, got others')
        return Cells(profile.histogram.astype(np.float64), self.chance, self._selected, self.blocks)

    @property
    def _selected(self) -> Array:
        low, high = np.append(0.0, self.edges), np.append(self.edges, 1.0)
        inside = (high - self.threshold) / np.maximum(high - low, 1e-300)
        return np.where(low >= self.threshold, 1.0, np.clip(inside, 0.0, 1.0))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ScoreBins):
            return NotImplemented
        return self.threshold == other.threshold and all(
            np.array_equal(getattr(self, name), getattr(other, name))
            for name in ("edges", "chance", "blocks")
        )
