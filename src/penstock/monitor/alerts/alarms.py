"""Alarms: what windows and the watch found becomes alerts, within a budget.

Read next: budget.py, watch.py, group.py.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from penstock.errors import BundleError
from penstock.monitor.alerts import wording
from penstock.monitor.alerts.alert import Alert, Finding, Kind, State
from penstock.monitor.alerts.budget import Budget, Family
from penstock.monitor.alerts.group import Found, Group, Subject
from penstock.monitor.alerts.message import compose
from penstock.monitor.alerts.state import AlarmsState, WatchState, decode, encode
from penstock.monitor.alerts.watch import Crossing, Watch

if TYPE_CHECKING:
    from penstock.config.monitor import ModelMonitorConfig
    from penstock.monitor.baseline import Baseline
    from penstock.monitor.profile import Profile
    from penstock.monitor.report.report import DriftReport
    from penstock.monitor.window import Window

__all__ = ["Alarms"]

_KINDS: Final[tuple[Kind, ...]] = ("drift", "performance", "data", "operation")
_FAMILY_OF: Final[dict[Kind, Family]] = {"performance": "performance", "data": "data"}
_WINDOWS: Final = "windows"


class Alarms:
    """Decides for one model when to say what.

    Parameters
    ----------
    model : str
    settings : ModelMonitorConfig
    baseline : Baseline, optional
        Without one nothing is watched; windows can still be compared with others.
    version : int
    now_s : float
        When the version began to answer.

    Notes
    -----
    One thread at a time. The expected number of alerts that fire in a week when nothing moves is at most
    ``settings.false_alarms_per_week``, provided that the caller tests at the levels that :meth:`level` gives
    and hands over each window once. Messages that an alert grew or is resolved are not counted, nor are
    alerts of the kind ``operation``, which are about facts, nor what fixed thresholds decide.

    The watch looks at the baseline: it is off where ``settings.compare`` does not name it, and where there
    are fixed thresholds, which decide alone.
    """

    def __init__(
        self,
        model: str,
        settings: ModelMonitorConfig,
        baseline: Baseline | None,
        *,
        version: int = 1,
        now_s: float = 0.0,
    ) -> None:
        self.model = model
        self.settings = settings
        self._groups = {kind: self._group(kind) for kind in _KINDS}
        self._judged_s: dict[str, float] = {}
        self._begin(version, baseline, now_s)

    def _group(self, kind: Kind) -> Group:
        at_once = kind == "operation"
        return Group(
            kind,
            needed=1 if at_once else self.settings.alarm_windows,
            of=1 if at_once else max(self.settings.of_windows, self.settings.alarm_windows),
            cooldown_s=self.settings.cooldown_s,
        )

    def _begin(self, version: int, baseline: Baseline | None, now_s: float) -> None:
        settings = self.settings
        self.version = version
        self._began_s = self._now_s = now_s
        self._baseline = baseline
        columns = [f for f in baseline.profile if f.role != "label"] if baseline is not None else []
        counts = {role: sum(f.role == role for f in columns) for role in ("feature", "output")}
        self._totals: dict[str, tuple[str, int]] = {f.name: (f.role, counts[f.role]) for f in columns}
        watched = settings.watch and not settings.thresholds and "baseline" in settings.compare
        self.budget = Budget(
            false_alarms_per_week=settings.false_alarms_per_week,
            watch=watched and baseline is not None,
            comparisons=len(settings.compare),
            multivariate=settings.reservoir_rows > 0,
        )
        again_s = settings.cooldown_s if settings.window_rows else max(settings.cooldown_s, settings.window_s)
        self.watch: Watch | None = None
        self._watch_key = ""
        if self.budget.watch and baseline is not None:
            rate = self.budget.watch_rate
            self.watch = Watch(
                baseline.profile,
                false_alarms_per_week=rate,
                again_s=again_s,
                min_effect=settings.min_effect,
            )
            self._watch_key = f"{baseline.digest} {rate!r} {again_s!r} {settings.min_effect!r}"

    def level(self, window: Window, family: Family = "drift") -> float:
        """Return the chance of any false alarm that a window may be tested at.

        Parameters
        ----------
        window : Window
            Only time since the last window that was judged counts, so that windows may overlap.
        family : {"drift", "multivariate", "performance", "data"}
            ``drift`` is shared by all of ``settings.compare``; :func:`penstock.monitor.comparisons.compare`
            takes it as it is.

        Notes
        -----
        Several tests of one family in one window have to share the level, by
        :func:`penstock.monitor.calibration.holm` for instance.
        """
        kind = family if family in _FAMILY_OF else "drift"
        begin_s = max(window.begin_s, self._judged_s.get(kind, -math.inf))
        return self.budget.window_level(window.end_s - begin_s, family)

    def judge(
        self,
        window: Window,
        reports: Mapping[str, DriftReport],
        extra: Sequence[Finding] = (),
        *,
        now_s: float,
    ) -> list[Alert]:
        """Take what a closed window's comparisons found; return the messages to send.

        Parameters
        ----------
        window : Window
        reports : mapping of str to DriftReport
            By what it was compared with, made at :meth:`level`.
        extra : sequence of Finding
            Of drift that no report has, such as of all features together: those that alarm.
        now_s : float
        """
        found: dict[str, list[Finding]] = {}
        steps: dict[str, tuple[str, ...]] = {}
        for compared_with, report in reports.items():
            for feature in report.alarms:
                finding = wording.of_feature(feature, compared_with, window.begin_s, report.thresholds)
                found.setdefault(feature.name, []).append(finding)
                steps.setdefault(
                    feature.name,
                    wording.steps_for(finding.check, finding.reason, feature.reference, feature.current),
                )
        for finding in extra:
            found.setdefault(finding.subject, []).append(finding)
        group = self._groups["drift"]
        group.close(
            {
                name: Found(wording.worst_first(findings), steps.get(name, ()))
                for name, findings in found.items()
            },
            source=_WINDOWS,
        )
        self._judged_s["drift"] = max(window.end_s, self._judged_s.get("drift", -math.inf))
        return self._say("drift", now_s)

    def step(self, delta: Profile, now_s: float) -> list[Alert]:
        """Watch what was counted since the last step; return the messages to send.

        Parameters
        ----------
        delta : Profile
            On the layout of the baseline; it may have no rows.
        now_s : float

        Raises
        ------
        ConfigError
            Where the profile is on another layout.
        """
        if self.watch is None:
            return []
        crossings = self.watch.step(delta, now_s)
        if not crossings:
            return []
        group = self._groups["drift"]
        members = group.members
        for crossing in crossings:
            known = crossing.feature in members
            group.vote(
                crossing.feature,
                None if known else _found_of(crossing),
                source=_WINDOWS,
                now_s=now_s,
                took_s=now_s - crossing.since_s,
            )
        return self._say("drift", now_s)

    def report(
        self,
        kind: Kind,
        findings: Iterable[Finding],
        now_s: float,
        *,
        source: str = "",
        window: Window | None = None,
    ) -> list[Alert]:
        """Take all that one source finds wrong at present; return the messages to send.

        Parameters
        ----------
        kind : {"drift", "performance", "data", "operation"}
        findings : iterable of Finding
            Those that alarm; none says that all is well. A finding whose evidence is not NaN has been tested
            at ``level(window, kind)``; one with NaN is a fact, such as a rule that was broken.
        now_s : float
        source : str
            Who looked; what another source found is left as it is. Each call counts as a window of it.
        window : Window, optional
            What was tested: its time is spent, and is not given to :meth:`level` again.
        """
        found: dict[str, list[Finding]] = {}
        for finding in findings:
            found.setdefault(finding.subject, []).append(finding)
        self._groups[kind].close(
            {name: Found(wording.worst_first(several)) for name, several in found.items()}, source=source
        )
        if window is not None:
            self._judged_s[kind] = max(window.end_s, self._judged_s.get(kind, -math.inf))
        return self._say(kind, now_s)

    @property
    def active(self) -> tuple[Alert, ...]:
        """The alerts that fire now, with what is part of them at present."""
        return tuple(
            self._alert(kind, group.members, "firing", self._now_s)
            for kind, group in self._groups.items()
            if group.firing and group.members
        )

    def restart(self, version: int, baseline: Baseline | None, now_s: float) -> list[Alert]:
        """Go on with another version; return the messages to send.

        With another baseline, drift that was found is resolved and watching begins anew. Quality is of the
        version that was swapped out, and is resolved.
        """
        same = (
            baseline is not None and self._baseline is not None and baseline.digest == self._baseline.digest
        )
        messages: list[Alert] = []
        over: tuple[Kind, ...] = ("performance",) if same else ("drift", "performance")
        for kind in over:
            group = self._groups[kind]
            if group.firing and group.members:
                group.state.sequence += 1
                messages.append(self._alert(kind, group.members, "resolved", now_s))
            self._groups[kind] = self._group(kind)
        if same:
            self.version, self._began_s = version, now_s
        else:
            self._begin(version, baseline, now_s)
        return messages

    def _say(self, kind: Kind, now_s: float) -> list[Alert]:
        self._now_s = now_s
        group = self._groups[kind]
        news = group.news(now_s)
        if news is None:
            return []
        what, members = news
        message = self._alert(kind, members, "resolved" if what == "resolved" else "firing", now_s)
        if what == "resolved":
            group.resolved()
        return [message]

    def _alert(self, kind: Kind, members: Mapping[str, Subject], state: State, at_s: float) -> Alert:
        group = self._groups[kind].state
        return compose(
            kind,
            members,
            id=group.id,
            sequence=group.sequence,
            model=self.model,
            version=self.version,
            state=state,
            at_s=at_s,
            totals=self._totals,
            began_s=self._began_s,
            near_s=self.settings.window_s,
        )

    def to_bytes(self) -> bytes:
        """Return what is alarming and what the watch has seen as bytes, versioned and with a digest."""
        watch = WatchState(self._watch_key, *self.watch.state()) if self.watch is not None else None
        groups = {str(kind): group.state for kind, group in self._groups.items()}
        return encode(
            AlarmsState(self.model, self.version, self._began_s, dict(self._judged_s), groups, watch)
        )

    @classmethod
    def from_bytes(
        cls, data: bytes, settings: ModelMonitorConfig, baseline: Baseline | None, *, version: int = 1
    ) -> Alarms:
        """Go on where :meth:`to_bytes` was.

        With another baseline or other settings the watch begins anew; what fires goes on firing until it is
        quiet.

        Raises
        ------
        BundleError
            Where the bytes are damaged, truncated, or of a newer format.
        """
        state = decode(data)
        alarms = cls(state.model, settings, baseline, version=version, now_s=state.began_s)
        for kind, group in alarms._groups.items():
            if kind not in state.groups:
                raise BundleError(f'the state of alarms is not well formed: there is no "{kind}"')
            group.state = state.groups[kind]
        alarms._judged_s = dict(state.judged_s)
        found = state.watch
        if alarms.watch is not None and found is not None and found.key == alarms._watch_key:
            alarms.watch.restore((found.origin_s, found.elapsed, found.won, found.began))
        return alarms


def _found_of(crossing: Crossing) -> Found:
    finding = wording.of_crossing(crossing)
    check = wording.check_of(crossing.check)
    return Found((finding,), wording.steps_for(check, finding.reason, crossing.reference, crossing.current))
