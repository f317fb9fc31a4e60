"""Everything that a comparison of files can show, in one pass over the current data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from penstock.monitor.drift import drift
from penstock.monitor.quality import QualityCounts, compare_quality, metrics
from penstock.monitor.report.extended import extended
from penstock.monitor.report.quality import QualityReport

if TYPE_CHECKING:
    import pyarrow as pa

    from penstock.monitor.baseline import Baseline
    from penstock.monitor.multivariate import MultivariateBaseline, Reservoir
    from penstock.monitor.profile import Profile
    from penstock.monitor.report import DriftReport
    from penstock.monitor.timeline import Cut, TimelineCounter

__all__ = ["Wanted", "compare_files"]


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What to look at beside each feature.

    Attributes
    ----------
    cut : Cut, optional
        Windows over time.
    time : str
        Column that they are cut by.
    multivariate : bool
        All features together; the baseline has to have that part.
    quality : bool
        Realised and estimated, as far as the baseline knows a target and the data have its columns.
    labelled : bool
        Whether the data have labels: without them quality is estimated, and cannot alarm.
    """

    cut: Cut | None = None
    time: str = ""
    multivariate: bool = False
    quality: bool = False
    labelled: bool = True

    @property
    def parts(self) -> int:
        """How many parts share the promise: the features, and whatever else can alarm."""
        return 1 + (self.cut is not None) + self.multivariate + (self.quality and self.labelled)


def compare_files(
    baseline: Baseline,
    batches: Iterable[pa.RecordBatch],
    wanted: Wanted,
    *,
    columns: Sequence[str],
    false_alarms: float = 0.01,
    min_effect: float = 0.0,
    thresholds: Mapping[str, float] | None = None,
) -> DriftReport:
    """Compare data with a baseline.

    Parameters
    ----------
    baseline : Baseline
    batches : iterable of Arrow record batches
        With the columns to compare, and those that the other parts need.
    wanted : Wanted
    columns : sequence of str
        Features and outputs to compare.
    false_alarms : float, default 0.01
        The chance that anything alarms in any part when nothing moved; the parts share it equally.
    min_effect, thresholds
        As in :func:`penstock.drift`.

    Notes
    -----
    Memory does not grow with the rows.
    """
    settings: dict[str, Any] = {
        "false_alarms": false_alarms / wanted.parts,
        "min_effect": min_effect,
        "thresholds": thresholds,
    }
    passed = _Pass(baseline, wanted, columns)
    report = drift(baseline, passed.through(batches), columns=columns, **settings)
    current = {feature.name: feature.current for feature in report.features}
    report = extended(
        report,
        false_alarms=false_alarms,
        joint=passed.joint(),
        quality=passed.quality_report(current),
        windows=None if passed.timeline is None else passed.timeline.timeline(**settings),
    )
    return replace(report, notes=(*report.notes, *_notes(report, wanted, passed)))


class _Pass:
    """Hands every batch to whoever counts it."""

    def __init__(self, baseline: Baseline, wanted: Wanted, columns: Sequence[str]) -> None:
        self._baseline = baseline
        self._known = baseline.quality if wanted.quality else None
        target = None if self._known is None else self._known.target
        self._counts = None if target is None else QualityCounts.empty(target)
        self.timeline: TimelineCounter | None = None
        if wanted.cut is not None:
            from penstock.monitor.timeline import TimelineCounter

            self.timeline = TimelineCounter(baseline, wanted.cut, wanted.time, names=columns, target=target)
        self._reference: MultivariateBaseline | None = None
        self._reservoir: Reservoir | None = None
        if wanted.multivariate and baseline.multivariate is not None:
            from penstock.monitor.multivariate import Reservoir, reference_rows

            self._reference = baseline.multivariate.restricted(columns)
            names = self._reference.names
            self._reservoir = Reservoir(baseline.profile, reference_rows(len(names)), names=names)

    def through(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            if self.timeline is not None:
                self.timeline.add(batch)
            if self._reservoir is not None:
                self._reservoir.update(batch)
            if self._counts is not None and set(self._counts.target.columns) <= set(batch.schema.names):
                target = self._counts.target
                predictions = {name: batch.column(name) for name in target.prediction}
                found = QualityCounts.of(target, batch.column(target.label), predictions)
                self._counts = self._counts.merge(found)
            yield batch

    def joint(self) -> list[Any]:
        if self._reservoir is None or self._reference is None:
            return []
        from penstock.monitor.multivariate import joint_checks

        return joint_checks(self._reference, self._reservoir.sample())

    def quality_report(self, current: Mapping[str, Any]) -> QualityReport | None:
        known, counts = self._known, self._counts
        if known is None or counts is None:
            return None
        from penstock.monitor.profile import Profile

        features = tuple(current.values())
        profile: Profile = Profile(features, features[0].rows if features else 0)
        return QualityReport(
            label=known.target.label,
            prediction=known.target.prediction,
            task=known.target.task,
            reference=known.metrics(),
            realised=metrics(counts) if counts.rows else {},
            estimated=known.estimate(profile) if profile.rows else {},
            checks=tuple(compare_quality(known.counts, counts)),
        )


def _notes(report: DriftReport, wanted: Wanted, passed: _Pass) -> Iterator[str]:
    from penstock.monitor.multivariate.checks import LEAST_ROWS

    parts = ["each feature"]
    parts += ["all features together"] if wanted.multivariate else []
    parts += ["quality"] if wanted.quality and wanted.labelled else []
    parts += ["windows"] if wanted.cut is not None else []
    if wanted.parts > 1 and not report.thresholds:
        yield (
            f"the chance of a false alarm, {report.false_alarms:g}, is shared equally by "
            f"{', '.join(parts[:-1])} and {parts[-1]}"
        )
    if wanted.multivariate and not report.joint:
        yield f"all features together are tested with {LEAST_ROWS} rows or more on each side"
    if report.windows is not None:
        if report.windows.unplaced:
            yield f'{report.windows.unplaced:,} rows have no "{report.windows.by}" and are in no window'
        if wanted.cut is not None and report.windows.width != wanted.cut.width:
            times = report.windows.width / wanted.cut.width
            yield f"windows are {times:g} times as wide as asked for, so that there are at most 200"
    if report.quality is not None and not report.quality.realised:
        yield f'no labels in "{report.quality.label}": quality is estimated only, where it can be'
