"""The part of a baseline about quality: what is predicted, how well, and what scores stand for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import msgspec
import numpy as np

from penstock.errors import BundleError, ConfigError
from penstock.monitor.profile import Profile
from penstock.monitor.quality.calibration import Calibration
from penstock.monitor.quality.counts import QualityCounts
from penstock.monitor.quality.encoding import read, write
from penstock.monitor.quality.metric import Metric
from penstock.monitor.quality.metrics import metrics
from penstock.monitor.quality.score_bins import ScoreBins
from penstock.monitor.quality.target import INVALID, Target

__all__ = ["BaselineQuality"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class BaselineQuality:
    """How good the predictions of a reference are, and what lets one estimate it without labels.

    Attributes
    ----------
    counts : QualityCounts
        Of all rows of the reference that have a label.
    calibration : Calibration, optional
        Of a binary probability.
    bins : ScoreBins, optional
        Likewise: what the bins of its profile stand for.

    Notes
    -----
    Made by :meth:`penstock.monitor.baseline.Baseline.fit` with ``label`` and ``prediction``.
    """

    counts: QualityCounts
    calibration: Calibration | None = None
    bins: ScoreBins | None = None

    __hash__ = None  # type: ignore[assignment]

    @classmethod
    def fit(
        cls, counts: QualityCounts, labels: Any, predictions: Mapping[str, Any], profile: Profile
    ) -> BaselineQuality:
        """Learn what scores stand for.

        Parameters
        ----------
        counts : QualityCounts
            Of the whole reference.
        labels, predictions : columns
            Of some of its rows, as :meth:`QualityCounts.of` takes them.
        profile : Profile
            Of the reference, with the prediction on its bins.
        """
        target = counts.target
        if (target.task, target.form) != ("binary", "probability"):
            return cls(counts)
        codes, scores = target.codes(labels), target.predicted(predictions)
        valid = (codes != INVALID) & ~np.isnan(scores)
        if not valid.any():
            return cls(counts)
        calibration = Calibration.fit(scores[valid], codes[valid])
        edges = profile[target.prediction[0]].edges
        return cls(counts, calibration, ScoreBins.fit(edges, scores[valid], calibration, target.threshold))

    @property
    def target(self) -> Target:
        """What is predicted, by which columns."""
        return self.counts.target

    def metrics(self, level: float = 0.95) -> dict[str, Metric]:
        """Return the metrics of the reference; see :func:`penstock.monitor.quality.metrics`."""
        return metrics(self.counts, level)

    def estimate(self, profile: Profile, level: float = 0.95) -> dict[str, Metric]:
        """Estimate the quality of live rows from what was counted of their predictions.

        Parameters
        ----------
        profile : Profile
            Of live rows, on the layout of the baseline.

        Returns
        -------
        dict of str to Metric
            See :meth:`ScoreBins.estimate`; empty where the prediction is no binary probability.
        """
        name = self.target.prediction[0]
        if self.calibration is None or self.bins is None or name not in profile:
            return {}
        return self.bins.estimate(profile[name], self.calibration, level)

    def to_bytes(self) -> bytes:
        """Return this as bytes, versioned and with a digest; no pickle."""
        return self._bytes

    @cached_property
    def _bytes(self) -> bytes:
        return write(_Quality(self.counts.to_bytes(), _parts(self.calibration), _parts(self.bins)))

    @classmethod
    def from_bytes(cls, data: bytes, source: str = "quality") -> BaselineQuality:
        """Read what :meth:`to_bytes` wrote.

        Raises
        ------
        BundleError
            Where it is damaged, truncated, or of a newer format.
        """
        parts = read(data, _Quality, source)
        counts = QualityCounts.from_bytes(parts.counts, source)
        try:
            calibration = None if parts.calibration is None else _calibration(parts.calibration)
            bins = None if parts.bins is None else _bins(parts.bins, counts.target.threshold)
        except (KeyError, ValueError) as error:
            raise BundleError(f"{source}: the quality is not well formed: {error}") from None
        return cls(counts, calibration, bins)

    def with_threshold(self, threshold: float) -> BaselineQuality:
        """Return the same for another threshold of a binary probability.

        Notes
        -----
        The confusion is counted anew from the 1,024 bins of the scores: exact where the threshold is an edge
        of them, otherwise all of the bin that it is in counts as selected.

        Raises
        ------
        ConfigError
            Where the prediction is no binary probability.
        """
        target = self.target
        if threshold == target.threshold:
            return self
        if (target.task, target.form) != ("binary", "probability"):
            raise ConfigError(f"threshold: expected a binary probability, got {target.task} by {target.form}")
        return replace(
            self,
            counts=self.counts.with_threshold(threshold),
            bins=None if self.bins is None else replace(self.bins, threshold=threshold),
        )


class _Quality(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    counts: bytes
    calibration: dict[str, bytes] | None
    bins: dict[str, bytes] | None


_CALIBRATION = ("low", "high", "positives", "rows")
_INTEGERS = ("blocks", "applied")


def _parts(value: Calibration | ScoreBins | None) -> dict[str, bytes] | None:
    if value is None:
        return None
    names = (*_CALIBRATION, "applied") if isinstance(value, Calibration) else ("edges", "chance", "blocks")
    return {
        name: np.asarray(getattr(value, name)).astype("<i4" if name in _INTEGERS else "<f8").tobytes()
        for name in names
    }


def _array(parts: Mapping[str, bytes], name: str) -> Array:
    dtype = "<i4" if name in _INTEGERS else "<f8"
    return np.frombuffer(parts[name], dtype).astype(np.int64 if name in _INTEGERS else np.float64)


def _calibration(parts: Mapping[str, bytes]) -> Calibration:
    low, high, positives, rows = (_array(parts, name) for name in _CALIBRATION)
    if not (len(low) == len(high) == len(positives) == len(rows) > 0):
        raise ValueError("expected four values a block of the calibration")
    return Calibration(low, high, positives, rows, bool(_array(parts, "applied")[0]))


def _bins(parts: Mapping[str, bytes], threshold: float) -> ScoreBins:
    edges, chance, blocks = (_array(parts, name) for name in ("edges", "chance", "blocks"))
    if not (len(edges) + 1 == len(chance) == len(blocks)):
        raise ValueError("expected a chance and a block a bin")
    return ScoreBins(edges, chance, blocks, threshold)
