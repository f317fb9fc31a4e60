"""Monitors: what one model's answers look like, window by window, and whether that is another than before.

Read first: observer.py, which counts; then windows.py, comparisons.py, judge.py, past.py.
"""

from __future__ import annotations

import collections
import threading
import time
from collections.abc import Callable, Mapping
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from penstock.bundle.signature import Signature
from penstock.config.monitor import ModelMonitorConfig
from penstock.errors import ConfigError, ModelNotReadyError, SignatureError
from penstock.monitor.alert_record import AlertRecord
from penstock.monitor.alerts import Alert
from penstock.monitor.baseline import Baseline
from penstock.monitor.comparisons import compare_with, counterparts
from penstock.monitor.drift import drift
from penstock.monitor.failures import Failures
from penstock.monitor.history import ClosedWindow
from penstock.monitor.judge import Judge
from penstock.monitor.live_quality import LiveQuality, QualityReport
from penstock.monitor.log import LogStatus, PredictionLog
from penstock.monitor.observer import Follower, Observer
from penstock.monitor.past import Past
from penstock.monitor.places import column_names, tensor_columns
from penstock.monitor.profile import Profile
from penstock.monitor.replicas import Replicas
from penstock.monitor.report.report import DriftReport
from penstock.monitor.snapshot import Snapshot
from penstock.monitor.status import MonitorStatus
from penstock.monitor.track import Track
from penstock.monitor.window import Window

if TYPE_CHECKING:
    from penstock.engine.statistics import PipelineStatistics
    from penstock.monitor.feedback import FeedbackStatus, JoinResult

__all__ = ["Monitor"]

T = TypeVar("T")

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
        self._wake = wake
        self._lock = threading.RLock()
        self._tracks: list[Track] = []
        self._active: int | None = None
        self._failures = Failures(model)
        self._record = AlertRecord(tell)
        self._tell = tell
        self._log: PredictionLog | None = None
        self._past_is_read = False
        self._rest_until_s = 0.0
        self._past = Past(directory, model, settings, self._failures)
        self._quality = self._attempt("quality", lambda: self._open_quality(directory))
        self._judge = Judge(model, settings, self._record, self._quality, self._failures)
        self._replicas = Replicas(model)

    def _open_log(self, baseline: Baseline | None, signature: Signature) -> PredictionLog | None:
        """Return the log; its columns are named after the first version."""
        settings = self.settings
        if self._log is None and settings.log is not None:
            prediction = "" if settings.feedback is None else settings.feedback.prediction
            names = {} if baseline is None else column_names(baseline.profile.features, signature)
            self._log = PredictionLog(settings.log, self.model, prediction=prediction, names=names)
        return self._log

    def _open_quality(self, directory: Path | None) -> LiveQuality | None:
        settings = self.settings
        if settings.feedback is None:
            return None
        state = None if directory is None else directory / self.model / "labels.json"
        return LiveQuality(settings.feedback, state, window_s=settings.window_s)

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
                self._attempt("alarms", lambda: self._judge.begin(track, now_s))
            elif (alarms := self._judge.alarms) is not None:  # it is not monitored
                self._attempt("alarms", lambda: self._judge.leave(alarms, version, now_s))

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
            for version in self._past.left if self._active is not None else ():
                self._attempt("history", lambda version=version: self._past.abandon(version))  # type: ignore[misc]
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
            if not self._past.is_kept:
                for track in self._tracks:
                    self._attempt("windows", lambda track=track: self._end_track(track, now_s))  # type: ignore[misc]
            else:
                for track in self._tracks:
                    self._attempt("history", lambda track=track: self._save(track))  # type: ignore[misc]
                self._past.close()
            self._tracks.clear()
            if self._log is not None:
                self._log.close()

    def _read_past(self) -> None:
        """Take in what an earlier process left, which may take seconds; nobody waits for it."""
        log, quality = self.settings.log, self._quality
        if log is not None and quality is not None:
            quality.rebuild(Path(log.directory) / self.model)
        self._past.read(self._lock)

    def _look(self, track: Track, now_s: float) -> None:
        if track.learn() and track.version == self._active:
            self._judge.begin(track, now_s)
        delta = track.take(now_s)
        if delta is None:
            return
        self._count(track, delta, now_s)
        if delta.rows:
            self._attempt("history", lambda: self._save(track))

    def _end_track(self, track: Track, now_s: float) -> None:
        """Close the window of a version that answers no more, and forget what was saved of it."""
        self._failures.add(track.observer.failures)
        last = track.windows.close(now_s)
        if last is not None:
            self._close(track, last, now_s)
        self._attempt("history", lambda: self._drop(track))

    def _drop(self, track: Track) -> None:
        if not self._past.is_kept or self._track(track.version) not in (None, track):
            return  # it was loaded again, and saves for itself
        if track.version == self._active:
            self._save(track)  # the state of the alarms
        else:
            self._past.drop(track.version)

    def _count(self, track: Track, delta: Profile, now_s: float) -> None:
        alarms = self._judge.alarms
        if track.version == self._active and alarms is not None:
            self._judge.step(alarms, delta, now_s)
        for window in track.windows.add(delta, now_s, by_rows=now_s >= self._rest_until_s):
            began_s = time.perf_counter()
            self._close(track, window, now_s)
            self._rest_until_s = now_s + _REST * (time.perf_counter() - began_s)
        if track.version == self._active:
            self._attempt("data", lambda: self._judge.judge_silence(track, now_s))

    def _close(self, track: Track, window: Window, now_s: float) -> None:
        """Compare a window that closed, keep it, and say what alarms."""
        settings = self.settings
        past = self._past.windows
        alarms = self._judge.alarms if track.version == self._active else None
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
        self._past.add(closed)
        self._tell(closed)
        self._past.write(closed)
        if alarms is not None:
            self._judge.judge(alarms, track, closed, now_s)

    def _judge_losses(self, now_s: float) -> None:
        if self._judge.alarms is not None:
            self._judge.judge_losses(self._lost(), now_s)

    def _lost(self) -> dict[str, tuple[int, str]]:
        """Return what was lost since the start, by part: how often, and in words."""
        failures = self._failures.counts
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

    # -- restarts --------------------------------------------------------------------------------

    def _resume(self, track: Track, now_s: float) -> None:
        """Go on with the window that an earlier process left open, or close it."""
        saved = self._past.take_left(track.version)
        if saved is None:
            return
        self._judge.left = saved.extra
        if saved.window is not None:
            self._past.resume(track, saved.window, now_s)

    def _save(self, track: Track) -> None:
        if self._past.is_kept and self._track(track.version) in (None, track):
            alarms = self._judge.alarms if track.version == self._active else None
            extra = b"" if alarms is None else alarms.to_bytes()
            self._past.save(track.version, track.windows.open, extra)

    # -- the readers' side -----------------------------------------------------------------------

    def status(self) -> MonitorStatus:
        """Return the state of the monitor."""
        with self._lock:
            baseline = self.baseline()
            failures, rows = self._failures.counts, collections.Counter[int]()
            for track in self._tracks:
                failures.update(track.observer.failures)
                rows[track.version] += track.rows
            return MonitorStatus(
                model=self.model,
                version=self._active,
                rows=dict(rows),
                baseline_rows=0 if baseline is None else baseline.profile.rows,
                learning_rows=self._learning_rows(),
                windows=len(self._past.closed),
                firing=len(self.firing()),
                failures=dict(failures),
            )

    def log_status(self) -> LogStatus | None:
        """Return how the prediction log fares; None where there is none."""
        return None if self._log is None else self._log.status()

    def windows(self, limit: int | None = None) -> list[ClosedWindow]:
        """Return the closed windows and what they were compared with, oldest first; the newest `limit`."""
        with self._lock:
            found = list(self._past.closed)
        return found if limit is None else found[max(len(found) - limit, 0) :]

    def current(self, version: int | None = None) -> Window | None:
        """Return the open window of a version, of the active one where left out; None where it has no row."""
        with self._lock:
            track = self._track(self._active if version is None else version)
            return None if track is None else track.windows.open

    def firing(self) -> tuple[Alert, ...]:
        """Return the alerts that are not resolved."""
        with self._lock:
            return () if self._judge.alarms is None else tuple(self._judge.alarms.active)

    def alerts(self, limit: int | None = None) -> list[Alert]:
        """Return the messages about alerts since the start, oldest first; the newest `limit`."""
        with self._lock:
            found = self._record.latest()
        return found if limit is None else found[max(len(found) - limit, 0) :]

    def alert_counts(self) -> dict[str, int]:
        """Return how many alerts fired since the start, by kind."""
        with self._lock:
            return self._record.fired

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
            held = self._past.windows_of(track.version)
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
        closed = self._past.windows_of(track.version)
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
            track = self._replicas.accept(snapshot, self._track(window.version))
            if track is None:
                return False
            self._look(track, now_s)
            self._count(track, window.profile, now_s)
            track.rows += window.rows
            self._replicas.merged(snapshot)
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
        return self._failures.attempt(part, work)
