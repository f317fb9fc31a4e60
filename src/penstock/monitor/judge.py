"""The judge of one model: what alarms in the version that is active, and how it goes on with another."""

from __future__ import annotations

from collections.abc import Mapping

from penstock.config.monitor import ModelMonitorConfig
from penstock.monitor.alert_record import AlertRecord
from penstock.monitor.alerts import Alarms, Alert
from penstock.monitor.baseline import Baseline
from penstock.monitor.failures import Failures
from penstock.monitor.history import ClosedWindow
from penstock.monitor.live_data import door_history
from penstock.monitor.live_quality import LiveQuality
from penstock.monitor.losses import Losses
from penstock.monitor.profile import Profile
from penstock.monitor.track import Track
from penstock.monitor.window import Window

__all__ = ["Judge"]


class Judge:
    """Asks the alarms of the active version about what was counted.

    Parameters
    ----------
    model : str
    settings : ModelMonitorConfig
    record : AlertRecord
        Takes what there is to say.
    quality : LiveQuality, optional
    failures : Failures

    Attributes
    ----------
    alarms : Alarms, optional
        None until a version that is monitored is active.
    left : bytes
        State of the alarms that a process before left; the next version to begin goes on with it.

    Notes
    -----
    One thread at a time.
    """

    def __init__(
        self,
        model: str,
        settings: ModelMonitorConfig,
        record: AlertRecord,
        quality: LiveQuality | None,
        failures: Failures,
    ) -> None:
        self.alarms: Alarms | None = None
        self.left = b""
        self._model = model
        self._settings = settings
        self._record = record
        self._quality = quality
        self._failures = failures
        self._doors = door_history()
        self._losses = Losses(settings.window_s)

    def begin(self, track: Track, now_s: float) -> None:
        """Watch a version that is active from here on, or has learned its baseline."""
        layout = track.layout
        baseline = None if layout is None else Baseline(layout)
        if self.alarms is not None:
            self._record.add(self.alarms.restart(track.version, baseline, now_s))
        else:
            left, self.left = self.left, b""
            attempt = self._failures.attempt
            alarms = attempt("alarms", lambda: self._restored(left, baseline, track)) if left else None
            fresh = Alarms(self._model, self._settings, baseline, version=track.version, now_s=now_s)
            self.alarms = alarms or fresh
        if baseline is not None:
            # Its time begins here.
            self._record.add(self.alarms.step(baseline.profiler().profile(), now_s))

    def _restored(self, left: bytes, baseline: Baseline | None, track: Track) -> Alarms:
        return Alarms.from_bytes(left, self._settings, baseline, version=track.version)

    def leave(self, alarms: Alarms, version: int, now_s: float) -> None:
        """Go over to a version that is not monitored."""
        self._record.add(alarms.restart(version, None, now_s))

    def step(self, alarms: Alarms, delta: Profile, now_s: float) -> None:
        """Look at what was counted since the last look."""
        self._record.add(self._failures.attempt("alarms", lambda: alarms.step(delta, now_s)) or [])

    def judge(self, alarms: Alarms, track: Track, closed: ClosedWindow, now_s: float) -> None:
        """Say what alarms in a window that closed."""
        work = self._failures.attempt("alarms", lambda: self._messages(alarms, track, closed, now_s))
        self._record.add(work or [])

    def _messages(self, alarms: Alarms, track: Track, closed: ClosedWindow, now_s: float) -> list[Alert]:
        """Return what to say of a window: of its columns, alone and together, of requests, and of labels."""
        window = closed.window
        attempt = self._failures.attempt
        joint = attempt(
            "multivariate", lambda: track.joint_findings(window, alarms.level(window, "multivariate"))
        )
        messages = alarms.judge(window, closed.reports, joint or [], now_s=now_s)
        messages += self._requests(alarms, track, window, now_s)
        if self._quality is not None:
            quality, level = self._quality, alarms.level(window, "performance")
            worse = attempt("quality", lambda: quality.judge(window, level))
            if worse is not None:
                messages += alarms.report("performance", worse, now_s, source="labels", window=window)
        return messages

    def _requests(self, alarms: Alarms, track: Track, window: Window, now_s: float) -> list[Alert]:
        level = alarms.level(window, "data")
        found = self._failures.attempt("data", lambda: track.data_findings(window, self._doors, level))
        return alarms.report("data", found or [], now_s, source="requests", window=window)

    def judge_silence(self, track: Track, now_s: float) -> None:
        """Judge what came in the time of a window in which no row was answered."""
        alarms, layout = self.alarms, track.layout
        if alarms is None or layout is None or now_s - track.judged_s < self._settings.window_s:
            return
        opened = track.windows.open
        if opened is not None:
            return
        span = Window(
            model=self._model,
            version=track.version,
            begin_s=track.judged_s,
            end_s=now_s,
            profile=Profile((), 0),
        )
        self._record.add(self._requests(alarms, track, span, now_s))

    def judge_losses(self, lost: Mapping[str, tuple[int, str]], now_s: float) -> None:
        """Alarm at once what the monitor itself lost; all is well when a window's time passes without."""
        if self.alarms is None:
            return
        found = self._losses.judge(lost, now_s)
        if found is not None:
            self._record.add(self.alarms.report("operation", found, now_s, source="monitor"))
