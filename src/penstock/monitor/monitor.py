"""Monitors: what one model's answers look like, window by window, and whether that is another than before.

Read first: observer.py, which counts; then windows.py, comparisons.py, alerts/.
"""

from __future__ import annotations

import collections
import logging
import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from penstock.bundle.signature import Signature
from penstock.config.monitor import ModelMonitorConfig
from penstock.errors import ConfigError, ModelNotReadyError, SignatureError
from penstock.monitor.alerts import Alarms, Alert, Finding
from penstock.monitor.baseline import Baseline
from penstock.monitor.comparisons import compare_with, counterparts
from penstock.monitor.drift import drift
from penstock.monitor.history import ClosedWindow, History, OpenWindow
from penstock.monitor.live_data import door_history
from penstock.monitor.live_quality import LiveQuality, QualityReport
from penstock.monitor.log import LogStatus, PredictionLog
from penstock.monitor.observer import Follower, Observer
from penstock.monitor.places import column_names, tensor_columns
from penstock.monitor.profile import Profile
from penstock.monitor.report.report import DriftReport
from penstock.monitor.snapshot import Snapshot
from penstock.monitor.status import MonitorStatus
from penstock.monitor.track import Track
from penstock.monitor.window import Window
from penstock.monitor.windows import Windows

if TYPE_CHECKING:
    from penstock.engine.statistics import PipelineStatistics
    from penstock.monitor.feedback import FeedbackStatus, JoinResult

__all__ = ["Monitor"]

_log = logging.getLogger(__name__)

T = TypeVar("T")

_KEPT_ALERTS: Final = 1000
_KEPT_IDS: Final = 10_000
_REST: Final = 30.0
"""Windows close by their rows at most once in so many times what closing one took: 3 % of a core."""
_LEAST_ESTIMATED: Final = 200
"""Rows from which on quality is estimated of the open window."""


class Monitor:
    """Watches one model, whatever version of it answers.

    Parameters
    ----------
    model : str
    settings : ModelMonitorConfig
    directory : Path, optional
        Where windows and the state of alarms are kept.
    tell : callable
        Takes each alert and each closed window; never blocks and never raises.
    wake : callable
        Called by an answering thread when a window has all its rows, so that :meth:`tick` comes soon.
    statistics : callable
        Returns the counters of a version, None where it is not loaded.

    Notes
    -----
    Any thread may call anything. What fails is counted by part in :meth:`status`, logged once a part and
    reaches nobody who waits for an answer.
    """

    def __init__(
        self,
        model: str,
        settings: ModelMonitorConfig,
        *,
        directory: Path | None = None,
        tell: Callable[[Alert | ClosedWindow], None] = lambda what: None,
        wake: Callable[[], None] = lambda: None,
        statistics: Callable[[int], PipelineStatistics | None] = lambda version: None,
    ) -> None:
        self.model = model
        self._statistics = statistics
        self.settings = settings
        self._tell = tell
        self._wake = wake
        self._lock = threading.RLock()
        self._tracks: list[Track] = []
        self._active: int | None = None
        self._alarms: Alarms | None = None
        self._closed: collections.deque[ClosedWindow] = collections.deque(maxlen=settings.keep_windows)
        self._alerts: collections.deque[Alert] = collections.deque(maxlen=_KEPT_ALERTS)
        self._merged_ids: collections.deque[str] = collections.deque(maxlen=_KEPT_IDS)
        self._failures: collections.Counter[str] = collections.Counter()
        self._fired: collections.Counter[str] = collections.Counter()
        self._left: dict[int, OpenWindow] = {}
        self._alarms_left = b""
        self._lost_seen: collections.Counter[str] = collections.Counter()
        self._lost_before: collections.Counter[str] = collections.Counter()
        self._lost_s: float | None = None
        self._log: PredictionLog | None = None
        self._quality: LiveQuality | None = None
        self._doors = door_history()
        self._history: History | None = None
        self._past_is_read = False
        self._rest_until_s = 0.0
        if directory is not None:
            history = self._history = History(directory, model, granularity=_granularity(settings))
            left = self._attempt("history", history.load_open) or []
            self._left = {saved.version: saved for saved in left}
        self._attempt("quality", lambda: self._open_quality(directory))

    def _open_log(self, baseline: Baseline | None, signature: Signature) -> PredictionLog | None:
        """Return the log; its columns are named after the first version."""
        settings = self.settings
        if self._log is None and settings.log is not None:
            prediction = "" if settings.feedback is None else settings.feedback.prediction
            names = {} if baseline is None else column_names(baseline.profile.features, signature)
            self._log = PredictionLog(settings.log, self.model, prediction=prediction, names=names)
        return self._log

    def _open_quality(self, directory: Path | None) -> None:
        settings = self.settings
        if settings.feedback is None:
            return
        state = None if directory is None else directory / self.model / "labels.json"
        self._quality = LiveQuality(settings.feedback, state, window_s=settings.window_s)

    # -- the engine's side -----------------------------------------------------------------------

    def open(
        self, version: int, signature: Signature, baseline: Baseline | None, now_s: float | None = None
    ) -> Observer:
        """Return who is to see the answers of a version that is about to serve.

        Raises
        ------
        SignatureError
            When nothing of the baseline is among the inputs and outputs of the model.
        """
        now_s = time.time() if now_s is None else now_s
        followers: dict[str, Follower] = {}
        log = self._attempt("log", lambda: self._open_log(baseline, signature))
        if log is not None:
            followers["log"] = log.follower(version)
        if self._quality is not None:
            outputs = tuple(name for spec in signature.outputs for name in tensor_columns(spec))
            known = None if baseline is None else baseline.quality
            with self._lock:
                followers["quality"] = self._quality.follower(version, known, outputs)
        track = Track(
            self.model,
            version,
            signature,
            baseline,
            self.settings,
            followers=followers,
            wants_ids=bool(followers),
            statistics=lambda: self._statistics(version),
            wake=self._wake,
            now_s=now_s,
        )
        with self._lock:
            self._tracks.append(track)
            self._attempt("history", lambda: self._resume(track, now_s))
        return track.observer

    def activate(self, version: int, now_s: float | None = None) -> None:
        """Take note that this is the version that alarms are about from here on."""
        now_s = time.time() if now_s is None else now_s
        with self._lock:
            self._active = version
            track = self._track(version)
            if track is not None:
                self._attempt("alarms", lambda: self._begin_alarms(track, now_s))
            elif (alarms := self._alarms) is not None:  # it is not monitored
                self._attempt("alarms", lambda: self._report(alarms.restart(version, None, now_s)))

    def _begin_alarms(self, track: Track, now_s: float) -> None:
        layout = track.layout
        baseline = None if layout is None else Baseline(layout)
        if self._alarms is not None:
            self._report(self._alarms.restart(track.version, baseline, now_s))
        else:
            left, self._alarms_left = self._alarms_left, b""
            alarms = self._attempt("alarms", lambda: self._alarms_of(left, baseline, track)) if left else None
            fresh = Alarms(self.model, self.settings, baseline, version=track.version, now_s=now_s)
            self._alarms = alarms or fresh
        if baseline is not None:
            self._report(self._alarms.step(baseline.profiler().profile(), now_s))  # its time begins here

    def _alarms_of(self, left: bytes, baseline: Baseline | None, track: Track) -> Alarms:
        return Alarms.from_bytes(left, self.settings, baseline, version=track.version)

    def release(self, observer: object) -> None:
        """Take note that a version has answered its last request; its window closes at the next look."""
        with self._lock:
            for track in self._tracks:
                track.released = track.released or track.observer is observer

    # -- the thread's side -----------------------------------------------------------------------

    def tick(self, now_s: float) -> None:
        """Look at what was counted since the last look; never raises."""
        if not self._past_is_read:
            self._past_is_read = True
            self._attempt("history", self._read_past)
        with self._lock:
            if self._quality is not None:
                quality = self._quality
                self._attempt("quality", lambda: quality.tick(now_s))
            for version in list(self._left) if self._active is not None else ():
                self._attempt("history", lambda version=version: self._abandon(version))  # type: ignore[misc]
            for track in list(self._tracks):
                over = track.released and not track.observer.busy  # before the look, which then sees all
                self._attempt("windows", lambda track=track: self._look(track, now_s))  # type: ignore[misc]
                if over:
                    self._tracks.remove(track)
                    self._attempt("windows", lambda track=track: self._end_track(track, now_s))  # type: ignore[misc]
            self._attempt("alarms", lambda: self._judge_losses(now_s))

    def close(self, now_s: float) -> None:
        """Look once more and save the open windows, or close them where nothing is kept."""
        self._past_is_read = True  # nobody asks for it any more
        self.tick(now_s)
        with self._lock:
            if self._history is None:
                for track in self._tracks:
                    self._attempt("windows", lambda track=track: self._end_track(track, now_s))  # type: ignore[misc]
            else:
                for track in self._tracks:
                    self._attempt("history", lambda track=track: self._save(track))  # type: ignore[misc]
                self._history.close()
            self._tracks.clear()
            if self._log is not None:
                self._log.close()

    def _read_past(self) -> None:
        """Take in what an earlier process left, which may take seconds; nobody waits for it."""
        log, quality, history = self.settings.log, self._quality, self._history
        if log is not None and quality is not None:
            quality.rebuild(Path(log.directory) / self.model)
        if history is not None:
            before = history.load(self.settings.keep_windows)
            known = {_moment(closed.window) for closed in before}
            with self._lock:
                since = [closed for closed in self._closed if _moment(closed.window) not in known]
                self._closed.clear()
                self._closed.extend([*before, *since])

    def _look(self, track: Track, now_s: float) -> None:
        if track.learn() and track.version == self._active:
            self._begin_alarms(track, now_s)
        delta = track.take(now_s)
        if delta is None:
            return
        self._count(track, delta, now_s)
        if delta.rows:
            self._attempt("history", lambda: self._save(track))

    def _end_track(self, track: Track, now_s: float) -> None:
        """Close the window of a version that answers no more, and forget what was saved of it."""
        self._failures.update(track.observer.failures)
        last = track.windows.close(now_s)
        if last is not None:
            self._close(track, last, now_s)
        self._attempt("history", lambda: self._drop(track))

    def _drop(self, track: Track) -> None:
        if self._history is None or self._track(track.version) not in (None, track):
            return  # it was loaded again, and saves for itself
        if track.version == self._active:
            self._save(track)  # the state of the alarms
        else:
            self._history.drop_open(track.version)

    def _count(self, track: Track, delta: Profile, now_s: float) -> None:
        alarms = self._alarms
        if track.version == self._active and alarms is not None:
            self._report(self._attempt("alarms", lambda: alarms.step(delta, now_s)) or [])
        for window in track.windows.add(delta, now_s, by_rows=now_s >= self._rest_until_s):
            began_s = time.perf_counter()
            self._close(track, window, now_s)
            self._rest_until_s = now_s + _REST * (time.perf_counter() - began_s)
        if track.version == self._active:
            self._attempt("data", lambda: self._judge_silence(track, now_s))

    def _close(self, track: Track, window: Window, now_s: float) -> None:
        """Compare a window that closed, keep it, and say what alarms."""
        settings = self.settings
        past = [closed.window for closed in self._closed]
        alarms = self._alarms if track.version == self._active else None
        level = alarms.level(window) if alarms is not None else 0.01
        compared = track.windows.sliding([*past, window])
        found = counterparts(compared, track.baseline, past, compare=settings.compare, slide=settings.slide)
        reports = self._attempt(
            "comparisons",
            lambda: compare_with(
                compared,
                found,
                level=level / max(len(settings.compare), 1),
                min_effect=settings.min_effect,
                thresholds=settings.thresholds or None,
            ),
        )
        spans = {name: one.span for name, one in found.items() if one.span is not None}
        closed = ClosedWindow(window, reports or {}, spans)
        self._closed.append(closed)
        self._tell(closed)
        history = self._history
        if history is not None:
            self._attempt("history", lambda: history.append(window, closed.reports, spans))
        if alarms is not None:
            self._report(self._attempt("alarms", lambda: self._judge(alarms, track, closed, now_s)) or [])

    def _judge(self, alarms: Alarms, track: Track, closed: ClosedWindow, now_s: float) -> list[Alert]:
        """Return what to say of a window: of its columns, alone and together, of requests, and of labels."""
        window = closed.window
        joint = self._attempt(
            "multivariate", lambda: track.joint_findings(window, alarms.level(window, "multivariate"))
        )
        messages = alarms.judge(window, closed.reports, joint or [], now_s=now_s)
        messages += self._judge_requests(alarms, track, window, now_s)
        if self._quality is not None:
            quality, level = self._quality, alarms.level(window, "performance")
            worse = self._attempt("quality", lambda: quality.judge(window, level))
            if worse is not None:
                messages += alarms.report("performance", worse, now_s, source="labels", window=window)
        return messages

    def _judge_requests(self, alarms: Alarms, track: Track, window: Window, now_s: float) -> list[Alert]:
        level = alarms.level(window, "data")
        found = self._attempt("data", lambda: track.data_findings(window, self._doors, level))
        return alarms.report("data", found or [], now_s, source="requests", window=window)

    def _judge_silence(self, track: Track, now_s: float) -> None:
        """Judge what came in the time of a window in which no row was answered."""
        alarms, layout = self._alarms, track.layout
        if alarms is None or layout is None or now_s - track.judged_s < self.settings.window_s:
            return
        opened = track.windows.open
        if opened is not None:
            return
        span = Window(
            model=self.model,
            version=track.version,
            begin_s=track.judged_s,
            end_s=now_s,
            profile=Profile((), 0),
        )
        self._report(self._judge_requests(alarms, track, span, now_s))

    def _judge_losses(self, now_s: float) -> None:
        """Alarm at once what the monitor itself lost; all is well when a window's time passes without."""
        alarms = self._alarms
        if alarms is None:
            return
        lost = self._lost()
        if self._lost_s is None:
            self._lost_s = now_s
        if any(count > self._lost_seen[subject] for subject, (count, _) in lost.items()):
            self._lost_seen |= {subject: count for subject, (count, _) in lost.items()}
            self._lost_s = now_s
            found = [
                Finding(
                    subject=subject,
                    check="losses",
                    compared_with="rule",
                    reason=reason,
                    effect=math.nan,
                    evidence=math.nan,
                    since_s=now_s,
                    severity="medium",
                )
                for subject, (count, reason) in lost.items()
                if count > self._lost_before[subject]
            ]
            self._report(alarms.report("operation", found, now_s, source="monitor"))
        elif not self._lost_s <= now_s < self._lost_s + self.settings.window_s:
            self._lost_s = now_s
            self._lost_before = self._lost_seen.copy()
            self._report(alarms.report("operation", (), now_s, source="monitor"))

    def _lost(self) -> dict[str, tuple[int, str]]:
        """Return what was lost since the start, by part: how often, and in words."""
        failures = collections.Counter(self._failures)
        for track in self._tracks:
            failures.update(track.observer.failures)
        found = {
            part: (count, f"failures since the start: {count:,}; the first is in the log")
            for part, count in failures.items()
        }
        log = self.log_status()
        if log is not None:
            why = f": {log.last_error}" if log.last_error else ""
            found["prediction log"] = (log.dropped_rows, f"{log.dropped_rows:,} rows were not logged{why}")
        labels = self.feedback_status()
        if labels is not None:
            count = labels.dropped_rows
            found["labels"] = (count, f"{count:,} answers were not kept; their labels will be unknown")
        return found

    def _report(self, alerts: Sequence[Alert]) -> None:
        for alert in alerts:
            self._alerts.append(alert)
            self._fired[alert.kind] += alert.state == "firing" and alert.sequence == 1
            self._tell(alert)

    # -- restarts --------------------------------------------------------------------------------

    def _resume(self, track: Track, now_s: float) -> None:
        """Go on with the window that an earlier process left open, or close it."""
        saved = self._left.pop(track.version, None)
        if saved is None:
            return
        self._alarms_left = saved.extra
        if saved.window is None:
            return
        if track.layout is None:
            self._end(replace(saved.window, complete=False))
            return
        ended = track.windows.resume(saved.window, track.layout, now_s)
        if ended is not None:
            self._end(ended)

    def _abandon(self, version: int) -> None:
        """Close the window of a version that is not loaded any more."""
        window = self._left.pop(version).window
        if window is not None:
            self._end(replace(window, complete=False))
        if self._history is not None:
            self._history.drop_open(version)

    def _end(self, window: Window) -> None:
        self._closed.append(ClosedWindow(window))
        if self._history is not None:
            self._history.append(window, {})

    def _save(self, track: Track) -> None:
        if self._history is not None and self._track(track.version) in (None, track):
            active = self._alarms is not None and track.version == self._active
            extra = self._alarms.to_bytes() if active and self._alarms is not None else b""
            self._history.save_open(track.version, track.windows.open, extra)

    # -- the readers' side -----------------------------------------------------------------------

    def status(self) -> MonitorStatus:
        """Return the state of the monitor."""
        with self._lock:
            baseline = self.baseline()
            failures, rows = collections.Counter(self._failures), collections.Counter[int]()
            for track in self._tracks:
                failures.update(track.observer.failures)
                rows[track.version] += track.rows
            return MonitorStatus(
                model=self.model,
                version=self._active,
                rows=dict(rows),
                baseline_rows=0 if baseline is None else baseline.profile.rows,
                learning_rows=self._learning_rows(),
                windows=len(self._closed),
                firing=len(self.firing()),
                failures=dict(failures),
            )

    def log_status(self) -> LogStatus | None:
        """Return how the prediction log fares; None where there is none."""
        return None if self._log is None else self._log.status()

    def windows(self, limit: int | None = None) -> list[ClosedWindow]:
        """Return the closed windows and what they were compared with, oldest first; the newest `limit`."""
        with self._lock:
            found = list(self._closed)
        return found if limit is None else found[max(len(found) - limit, 0) :]

    def current(self, version: int | None = None) -> Window | None:
        """Return the open window of a version, of the active one where left out; None where it has no row."""
        with self._lock:
            track = self._track(self._active if version is None else version)
            return None if track is None else track.windows.open

    def firing(self) -> tuple[Alert, ...]:
        """Return the alerts that are not resolved."""
        with self._lock:
            return () if self._alarms is None else tuple(self._alarms.active)

    def alerts(self, limit: int | None = None) -> list[Alert]:
        """Return the messages about alerts since the start, oldest first; the newest `limit`."""
        with self._lock:
            found = list(self._alerts)
        return found if limit is None else found[max(len(found) - limit, 0) :]

    def alert_counts(self) -> dict[str, int]:
        """Return how many alerts fired since the start, by kind."""
        with self._lock:
            return dict(self._fired)

    def baseline(self, version: int | None = None) -> Baseline | None:
        """Return what a version is compared with; None while there is none."""
        with self._lock:
            track = self._track(self._active if version is None else version)
            return None if track is None else track.baseline

    def report(self, *, windows: int | None = None, false_alarms: float = 0.01) -> DriftReport:
        """Compare the latest rows of the active version with its baseline.

        Parameters
        ----------
        windows : int, optional
            How many closed windows are taken beside the open one; all that are held where left out.
        false_alarms : float, default 0.01
            Chance of any false alarm in this one report, which is none of the budget of alerts.

        Raises
        ------
        ModelNotReadyError
            When there is no baseline, or no row was counted yet.
        """
        with self._lock:
            track = self._track(self._active)
            layout = None if track is None else track.layout
            if track is None or layout is None:
                raise ModelNotReadyError(f'model "{self.model}" has no baseline to compare with yet')
            opened = track.windows.open
            parts = [] if opened is None else [opened]
            held = [one.window for one in self._closed if one.window.version == track.version]
            parts += held[max(len(held) - windows, 0) :] if windows is not None else held
        fitting = [part for part in parts if [f.name for f in part.profile] == [f.name for f in layout]]
        if not fitting:
            raise ModelNotReadyError(f'model "{self.model}": no row was counted yet')
        current = reduce(Window.merge, fitting).profile
        return drift(
            layout,
            current,
            false_alarms=false_alarms,
            min_effect=self.settings.min_effect,
            thresholds=self.settings.thresholds or None,
        )

    # -- labels ----------------------------------------------------------------------------------

    def feedback(
        self, ids: Any, labels: Any, times_s: Any | None = None, now_s: float | None = None
    ) -> JoinResult:
        """Join labels with rows that were answered.

        Parameters
        ----------
        ids : sequence of str
            As clients called their requests; ``id/3`` is the fourth row of a request of several.
        labels : sequence of numbers or str
        times_s : sequence of float, optional
            When each became known, seconds since the epoch.

        Raises
        ------
        ConfigError
            When labels are not joined for this model.
        SignatureError
            When there are not as many labels or times as ids.
        """
        if self._quality is None:
            raise ConfigError(
                f"labels of {self.model} are not joined; add a table [models.{self.model}.monitor.feedback]"
            )
        with self._lock:
            try:
                return self._quality.join(ids, labels, times_s, time.time() if now_s is None else now_s)
            except ValueError as error:
                raise SignatureError(str(error)) from None

    def broken_rules(self) -> dict[int, Mapping[tuple[str, str], int]]:
        """Return how many rows broke which rule, by version, then by column and rule."""
        with self._lock:
            return {track.version: track.broken_rules() for track in self._tracks}

    def feedback_status(self) -> FeedbackStatus | None:
        """Return how labels fared; None where they are not joined."""
        return None if self._quality is None else self._quality.status()

    def quality(self, version: int | None = None) -> QualityReport | None:
        """Return how good the answers of a version are, of the active one where left out.

        None where neither the baseline nor labels tell.
        """
        with self._lock:
            version = self._active if version is None else version
            track = self._track(version)
            if track is None or version is None:
                return None
            profile = self._latest(track)
            if self._quality is not None:
                return self._quality.report(version, profile)
            known = None if track.baseline is None else track.baseline.quality
            if known is None:
                return None
            estimated = {} if profile is None else known.estimate(profile)
            return QualityReport(version=version, baseline=known.metrics(), estimated=estimated)

    def _latest(self, track: Track) -> Profile | None:
        """Return the open window, or the last one where it has few rows."""
        opened = track.windows.open
        if opened is not None and opened.rows >= _LEAST_ESTIMATED:
            return opened.profile
        closed = [one.window for one in self._closed if one.window.version == track.version]
        return closed[-1].profile if closed else None if opened is None else opened.profile

    # -- replicas --------------------------------------------------------------------------------

    def snapshot(self, version: int | None = None, now_s: float | None = None) -> Snapshot | None:
        """Return what was counted since the last snapshot, to be merged in another process.

        Parameters
        ----------
        version : int, optional
            The active one where left out.

        Returns
        -------
        Snapshot or None
            None where nothing was counted. It counts here too: merge it where nothing else counts the rows.
        """
        now_s = time.time() if now_s is None else now_s
        with self._lock:
            track = self._track(self._active if version is None else version)
            if track is None:
                return None
            self._look(track, now_s)
            return track.snapshot(now_s)

    def merge(self, snapshot: Snapshot, now_s: float | None = None) -> bool:
        """Count what another process counted, as if it had been here.

        Returns
        -------
        bool
            False for a snapshot that was merged before.

        Raises
        ------
        ConfigError
            When it is of another model, of a version that is not loaded, or on another baseline.
        """
        now_s = time.time() if now_s is None else now_s
        window = snapshot.window
        with self._lock:
            track = self._track(window.version)
            if window.model != self.model or track is None:
                raise ConfigError(
                    f"expected a snapshot of {self.model} in a version that is loaded, "
                    f"got {window.model} version {window.version}"
                )
            track.check(snapshot)
            if snapshot.id in self._merged_ids:
                return False
            self._look(track, now_s)
            self._count(track, window.profile, now_s)
            track.rows += window.rows
            self._merged_ids.append(snapshot.id)
            return True

    # -- internals -------------------------------------------------------------------------------

    def _track(self, version: int | None) -> Track | None:
        for track in reversed(self._tracks):
            if track.version == version:
                return track
        return None

    def _learning_rows(self) -> int:
        track = self._track(self._active)
        return 0 if track is None or track.learner is None else track.learner.missing_rows

    def _attempt(self, part: str, work: Callable[[], T]) -> T | None:
        """Do something that may fail without anybody waiting for it; None where it did."""
        try:
            return work()
        except Exception as error:
            self._failures[part] += 1
            if self._failures[part] == 1:
                _log.error("monitoring of %s failed in its %s", self.model, part, exc_info=error)
            return None


def _moment(window: Window) -> tuple[int, float, float]:
    return window.version, window.begin_s, window.end_s


def _granularity(settings: ModelMonitorConfig) -> str:
    return Windows(
        "", 1, window_s=settings.window_s, window_rows=settings.window_rows, begin_s=0.0
    ).granularity
