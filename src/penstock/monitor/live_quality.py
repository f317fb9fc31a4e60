"""Quality while a model is served: labels that come late, measured by version, window and slice.

Read first: feedback/feedback.py, which joins, and quality/, which measures.
"""

from __future__ import annotations

import collections
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from penstock.config.monitor import FeedbackConfig
from penstock.monitor.alerts.alert import Finding
from penstock.monitor.alerts.wording import severity_of
from penstock.monitor.calibration import Check, holm
from penstock.monitor.feedback import Feedback, JoinResult
from penstock.monitor.quality import (
    BaselineQuality,
    GroupComparison,
    Metric,
    QualityCounts,
    SlicedCounts,
    Target,
    compare_groups,
    compare_quality,
    live_target,
    metrics,
)
from penstock.monitor.window import Window

if TYPE_CHECKING:
    from penstock.monitor.feedback.feedback import FeedbackFollower, FeedbackStatus

__all__ = ["LiveQuality", "QualityReport"]

_LEAST_LABELS: Final = 100
"""Labels that are judged together at least; fewer wait for the next window."""

_KEPT_WINDOWS: Final = 500
_KEPT_VERSIONS: Final = 100
"""Versions whose quality is remembered, those that were loaded last."""


@dataclass(frozen=True, kw_only=True)
class QualityReport:
    """How good the answers of one version are.

    Attributes
    ----------
    version : int
    baseline : dict of str to Metric
        Of the reference; empty where the baseline has no labels.
    estimated : dict of str to Metric
        Without labels, from what scores stood for in the reference; empty where that is not known.
    realised : dict of str to Metric
        Of all labels that came.
    slices : dict of str to dict of str to dict of str to Metric
        The same by column and value.
    groups : tuple of GroupComparison
    windows : tuple of (float, dict of str to Metric)
        Realised, by the time at which the window that the answer was in began.
    """

    version: int
    baseline: Mapping[str, Metric] = field(default_factory=dict)
    estimated: Mapping[str, Metric] = field(default_factory=dict)
    realised: Mapping[str, Metric] = field(default_factory=dict)
    slices: Mapping[str, Mapping[str, Mapping[str, Metric]]] = field(default_factory=dict)
    groups: tuple[GroupComparison, ...] = ()
    windows: tuple[tuple[float, Mapping[str, Metric]], ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, for JSON."""
        return {
            "version": self.version,
            "baseline": _plain(self.baseline),
            "estimated": _plain(self.estimated),
            "realised": _plain(self.realised),
            "slices": {
                column: {value: _plain(found) for value, found in values.items()}
                for column, values in self.slices.items()
            },
            "groups": [group.to_dict() for group in self.groups],
            "windows": [{"begin_s": begin_s, "metrics": _plain(found)} for begin_s, found in self.windows],
        }


class LiveQuality:
    """Joins labels and measures with them.

    Parameters
    ----------
    settings : FeedbackConfig
    state : Path, optional
        File that remembers which files of labels were read.
    window_s : float
        Answers are put together by the multiple of it in which they were given.

    Notes
    -----
    The owner serialises everything but what :meth:`follower` returns.
    """

    def __init__(
        self, settings: FeedbackConfig, state: Path | None = None, *, window_s: float = 3600.0
    ) -> None:
        self._settings = settings
        self._window_s = window_s
        self._columns = tuple(dict.fromkeys((*settings.slices, *settings.groups)))
        self._feedback = Feedback(settings, state=state)
        self._known: dict[int, BaselineQuality | None] = {}
        self._outputs: dict[int, tuple[str, ...]] = {}
        self._targets: dict[int, Target] = {}
        self._all: dict[int, SlicedCounts] = {}
        self._recent: dict[int, SlicedCounts] = {}
        self._recent_since_s: dict[int, float] = {}
        self._windows: collections.OrderedDict[tuple[int, float], QualityCounts] = collections.OrderedDict()

    def follower(
        self, version: int, known: BaselineQuality | None, outputs: tuple[str, ...]
    ) -> FeedbackFollower:
        """Return what takes in the rows of one version."""
        self._known.pop(version, None)
        self._known[version], self._outputs[version] = known, outputs
        while len(self._known) > _KEPT_VERSIONS:
            self._forget(next(iter(self._known)))
        return self._feedback.follower(version)

    def _forget(self, version: int) -> None:
        held: tuple[dict[int, Any], ...] = (
            self._known,
            self._outputs,
            self._targets,
            self._all,
            self._recent,
            self._recent_since_s,
        )
        for one in held:
            one.pop(version, None)

    def rebuild(self, log: Path) -> int:
        """Take in what a prediction log holds; return the rows."""
        return self._feedback.rebuild(log)

    def join(self, ids: Any, labels: Any, times_s: Any | None, now_s: float) -> JoinResult:
        """Join labels with answers; see :meth:`Feedback.join`."""
        result = self._feedback.join(ids, labels, times_s, now_s=now_s)
        self._measure(result)
        return result

    def tick(self, now_s: float) -> None:
        """Take in labels that waited, and files that appeared."""
        self._measure(self._feedback.tick(now_s))

    def status(self) -> FeedbackStatus:
        """Return how labels fared."""
        return self._feedback.status()

    def judge(self, window: Window, level: float) -> list[Finding] | None:
        """Test whether the labels that came since the last test are of worse answers than the baseline's.

        Parameters
        ----------
        window : Window
            That closed now; labels are judged when they come, whatever window their answer was in.
        level : float
            Chance of any false finding.

        Returns
        -------
        list of Finding or None
            None where too few labels came: they wait for the next window.
        """
        known, recent = self._known.get(window.version), self._recent.get(window.version)
        if known is None or recent is None or recent.counts.rows < _LEAST_LABELS:
            return None
        before, target = known.counts, recent.counts.target
        if target.task == "binary" and not before.target.same_layout(target):
            before = known.with_threshold(target.threshold).counts
        if not before.target.same_layout(target):
            return None  # the settings say that something else is predicted than the baseline does
        found = compare_quality(before, recent.counts)
        since_s = self._recent_since_s.pop(window.version, window.begin_s)
        del self._recent[window.version]
        adjusted = holm([check.p_value for check in found]) if found else []
        judged = [replace(check, adjusted=p) for check, p in zip(found, adjusted, strict=True)]
        return [_finding(check, since_s) for check in judged if check.adjusted <= level]

    def report(self, version: int, profile: Any | None = None) -> QualityReport:
        """Return how good the answers of a version are.

        Parameters
        ----------
        version : int
        profile : Profile, optional
            Of the rows that the estimate is of.
        """
        known, found = self._known.get(version), self._all.get(version)
        windows = tuple(
            (begin_s, metrics(counts))
            for (of, begin_s), counts in sorted(self._windows.items())
            if of == version
        )
        report = QualityReport(
            version=version,
            baseline={} if known is None else known.metrics(),
            estimated={} if known is None or profile is None else known.estimate(profile),
            windows=windows,
        )
        if found is None:
            return report
        slices = {
            column: {value: metrics(counts) for value, counts in found.slices[column].items()}
            for column in self._settings.slices
        }
        groups = [self._groups(column, found) for column in self._settings.groups if found.slices[column]]
        return replace(report, realised=metrics(found.counts), slices=slices, groups=tuple(groups))

    def _groups(self, column: str, counts: SlicedCounts) -> GroupComparison:
        return compare_groups(column, counts.slices[column])

    def _measure(self, result: JoinResult) -> None:
        if not result.rows:
            return
        versions = np.asarray(result.joined.column("version"))
        times = result.joined.column("time").cast("int64").to_numpy() / 1e6
        begins = np.floor(times / self._window_s) * self._window_s
        for version in np.unique(versions).tolist():
            for begin_s in np.unique(begins[versions == version]).tolist():
                chosen = np.flatnonzero((versions == version) & (begins == begin_s))
                part = replace(result, joined=result.joined.take(chosen))
                self._add(version, begin_s, float(times[chosen].min()), part)

    def _add(self, version: int, begin_s: float, since_s: float, part: JoinResult) -> None:
        target = self._targets.get(version)
        if target is None:
            known, outputs = self._known.get(version), self._outputs.get(version, ())
            target = self._targets[version] = live_target(self._settings, known, outputs, part)
        counts = SlicedCounts.of(target, part, self._columns)
        _merge(self._all, version, counts)
        _merge(self._recent, version, counts)
        _merge(self._windows, (version, begin_s), counts.counts)
        self._recent_since_s[version] = min(since_s, self._recent_since_s.get(version, math.inf))
        while len(self._windows) > _KEPT_WINDOWS:
            self._windows.popitem(last=False)


def _merge(held: Any, key: Any, counts: SlicedCounts | QualityCounts) -> None:
    held[key] = held[key].merge(counts) if key in held else counts


def _finding(check: Check, since_s: float) -> Finding:
    return Finding(
        subject=check.name,
        check=check.name,
        compared_with="baseline",
        reason=check.reason,
        effect=check.effect,
        evidence=check.adjusted,
        since_s=since_s,
        severity=severity_of(check.effect),
    )


def _plain(found: Mapping[str, Metric]) -> dict[str, Any]:
    return {name: metric.to_dict() for name, metric in found.items()}
