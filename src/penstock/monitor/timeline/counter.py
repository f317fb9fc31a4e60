"""Counts data window by window, in memory that does not grow with the rows. Read next: timeline.py."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from penstock.errors import ConfigError
from penstock.monitor.drift import drift
from penstock.monitor.profile import Profile
from penstock.monitor.profiler import Profiler
from penstock.monitor.quality import QualityCounts, Target, metrics
from penstock.monitor.timeline.cut import Cut, positions
from penstock.monitor.timeline.timeline import Point, Span, Timeline

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    from penstock.monitor.baseline import Baseline

__all__ = ["MOST_WINDOWS", "TimelineCounter"]

MOST_WINDOWS: Final = 200
"""With more, two neighbours become one, as often as is needed."""

_OPEN: Final = 10_000
"""Features of profilers that count at the same time: about 250 MB."""

_FEWEST_OPEN: Final = 4
_LARGEST_KEY: Final = 2.0**52


class TimelineCounter:
    """Counts the batches of some data by the window that each row is in.

    Parameters
    ----------
    baseline : Baseline
    cut : Cut
    by : str, default ""
        Column of time, or of the number that is cut by; not needed to cut after so many rows.
    names : sequence of str, optional
        Features to count; all by default.
    target : Target, optional
        Measure the quality of each window by labels, where batches have them.

    Raises
    ------
    ConfigError
        Where a cut by time has no column.

    Notes
    -----
    Memory is that of :data:`MOST_WINDOWS` profiles of the baseline, whatever the number of rows. It is fast
    where rows come about in order of time. Not for several threads at once.
    """

    def __init__(
        self,
        baseline: Baseline,
        cut: Cut,
        by: str = "",
        *,
        names: Sequence[str] | None = None,
        target: Target | None = None,
    ) -> None:
        if cut.kind != "rows" and not by:
            raise ConfigError(
                'window: expected a column of time to cut by, or a number of rows such as "5000 rows"'
            )
        self._baseline = baseline
        self._cut = cut
        self._by = by if cut.kind != "rows" else ""
        self._names = names
        self._target = target
        self._rows = 0
        self._unplaced = 0
        self._doubled = 0
        count = len(names) if names is not None else len(baseline.profile)
        self._most_open = max(_FEWEST_OPEN, min(MOST_WINDOWS, _OPEN // max(count, 1)))
        self._open: dict[int, Profiler] = {}
        self._profiles: dict[int, Profile] = {}
        self._quality: dict[int, QualityCounts] = {}

    def add(self, batch: pa.RecordBatch) -> None:
        """Count the rows of a batch.

        Raises
        ------
        SignatureError
            Where a column is missing or holds something else.
        """
        keys = self._keys(batch)
        placed = np.flatnonzero(keys == keys)
        self._unplaced += len(keys) - len(placed)
        self._rows += len(keys)
        if not len(placed):
            return
        order = placed[np.argsort(keys[placed], kind="stable")]
        ordered = keys[order]
        doubled = self._doubled
        begins = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
        for begin, end in zip(begins, np.append(begins[1:], len(order)), strict=True):
            rows = order[begin:end]
            whole = rows[-1] - rows[0] + 1 == len(rows)
            part = batch.slice(int(rows[0]), len(rows)) if whole else batch.take(rows)
            self._count(int(ordered[begin]) >> (self._doubled - doubled), part)

    def timeline(
        self,
        *,
        false_alarms: float = 0.01,
        min_effect: float = 0.0,
        thresholds: Mapping[str, float] | None = None,
    ) -> Timeline:
        """Compare every window with the baseline; about a millisecond a window and feature.

        Parameters
        ----------
        false_alarms : float, default 0.01
            The chance that any window alarms when nothing moved; each has an equal share.
        min_effect, thresholds
            As in :func:`penstock.drift`.
        """
        self._close_all()
        share = false_alarms / max(len(self._profiles), 1)
        settings: dict[str, Any] = {"false_alarms": share, "min_effect": min_effect, "thresholds": thresholds}
        return Timeline(
            spans=tuple(self._span(key, settings) for key in sorted(self._profiles)),
            by=self._by,
            width=self._cut.width,
            false_alarms=false_alarms,
            unplaced=self._unplaced,
        )

    def _keys(self, batch: pa.RecordBatch) -> NDArray[np.float64]:
        """Return the window of each row; NaN where it is in none."""
        if self._cut.kind == "rows":
            found = np.arange(self._rows, self._rows + batch.num_rows, dtype=np.float64)
        else:
            found = positions(batch.column(self._by), self._cut.kind, self._by)
        keys = np.floor((found - self._cut.origin) / self._cut.width)
        keys[~(np.abs(keys) < _LARGEST_KEY)] = math.nan
        return np.asarray(keys)

    def _count(self, key: int, rows: pa.RecordBatch) -> None:
        profiler = self._open.pop(key, None) or Profiler(self._baseline, names=self._names)
        self._open[key] = profiler  # the last one used is last
        profiler.update(rows)
        if self._target is not None and self._target.label in rows.schema.names:
            predictions = {name: rows.column(name) for name in self._target.prediction}
            counts = QualityCounts.of(self._target, rows.column(self._target.label), predictions)
            known = self._quality.get(key)
            self._quality[key] = counts if known is None else known.merge(counts)
        if len(self._open) > self._most_open:
            self._close(next(iter(self._open)))
        while len(self._profiles.keys() | self._open.keys()) > MOST_WINDOWS:
            self._widen()

    def _close(self, key: int) -> None:
        found = self._open.pop(key).profile()
        # How many values are distinct is not shown over time, and is most of the memory.
        found = Profile(tuple(replace(feature, registers=b"") for feature in found), found.rows)
        known = self._profiles.get(key)
        self._profiles[key] = found if known is None else known.merge(found)

    def _close_all(self) -> None:
        for key in list(self._open):
            self._close(key)

    def _widen(self) -> None:
        self._close_all()
        self._cut = self._cut.wider()
        self._doubled += 1
        self._profiles = _halved(self._profiles)
        self._quality = _halved(self._quality)

    def _span(self, key: int, settings: Mapping[str, Any]) -> Span:
        profile = self._profiles[key]
        report = drift(self._baseline, profile, columns=[feature.name for feature in profile], **settings)
        begin = self._cut.origin + key * self._cut.width
        counts = self._quality.get(key)
        quality = self._baseline.quality
        return Span(
            label=self._cut.label(begin),
            begin=begin,
            end=begin + self._cut.width,
            rows=profile.rows,
            points={feature.name: Point.of(feature) for feature in report.features},
            realised=metrics(counts) if counts is not None and counts.rows else {},
            estimated={} if quality is None else quality.estimate(profile),
        )


def _halved(counted: Mapping[int, Any]) -> dict[int, Any]:
    """Merge the counts of neighbours."""
    found: dict[int, Any] = {}
    for key, value in counted.items():
        found[key // 2] = found[key // 2].merge(value) if key // 2 in found else value
    return found
