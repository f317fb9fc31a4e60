"""Groups: everything of one kind that alarms in a model, as one event that fires, grows and resolves."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

import msgspec

from penstock.monitor.alerts.alert import Finding, Kind

if TYPE_CHECKING:
    from penstock.monitor.alerts.alert import Severity

__all__ = ["Found", "Group", "News", "Subject", "rank"]

News = Literal["fired", "grew", "resolved"]

_RANKS: Final[dict[Severity, int]] = {"low": 1, "medium": 2, "high": 3}
_HELD: Final = 4.0
_LONGEST_HOLD_S: Final = 604_800.0


def rank(severity: Severity) -> int:
    """Return 1, 2 or 3: a larger number is more severe."""
    return _RANKS[severity]


class Found(NamedTuple):
    """What was found of one subject: not empty, worst first, and what to do about it."""

    findings: tuple[Finding, ...]
    steps: tuple[str, ...] = ()

    @property
    def rank(self) -> int:
        """Of its most severe finding."""
        return max(rank(finding.severity) for finding in self.findings)


class Subject(msgspec.Struct, kw_only=True):
    """What is remembered of something that alarmed lately.

    Attributes
    ----------
    source : str
        Who looks at it: only then does a quiet window count as quiet.
    votes : list of bool
        Whether it alarmed in each of the last windows, newest last.
    pending : bool
        Whether it alarmed since the last window closed.
    findings, steps
        Of its last alarm.
    since_s : float
        When its present run of alarms began.
    told : int
        Rank of the severity that was told of it in the present alert; 0 where it is not part of it.
    alarmed_s, last : float, int
        When it last alarmed as part of an alert, and its rank then.
    held_for_s, hold_s : float
        How long it stays part of the alert after it was found between windows, and until when.
    """

    source: str
    votes: list[bool] = msgspec.field(default_factory=list)
    pending: bool = False
    findings: tuple[Finding, ...] = ()
    steps: tuple[str, ...] = ()
    since_s: float = 0.0
    told: int = 0
    alarmed_s: float = -1e300
    last: int = 0
    held_for_s: float = 0.0
    hold_s: float = -1e300

    @property
    def quiet(self) -> bool:
        """Whether it alarmed in none of the last windows, nor since."""
        return not (self.pending or any(self.votes))

    def take(self, found: Found) -> None:
        """Take over what was found."""
        since_s = min(finding.since_s for finding in found.findings)
        self.since_s = since_s if self.quiet and not self.told else min(self.since_s, since_s)
        self.findings, self.steps = found.findings, found.steps


class GroupState(msgspec.Struct, kw_only=True):
    """What outlives the process of a group."""

    id: str = ""
    sequence: int = 0
    subjects: dict[str, Subject] = msgspec.field(default_factory=dict)


class Group:
    """Decides who of a kind is part of its alert, and when there is something to say.

    Parameters
    ----------
    kind : {"drift", "performance", "data", "operation"}
    needed, of : int
        A subject alarms when it did so in ``needed`` of the last ``of`` windows.
    cooldown_s : float
        A subject that was part of an alert that is over begins no new one for this time after its last alarm,
        unless it is more severe.
    """

    def __init__(self, kind: Kind, *, needed: int, of: int, cooldown_s: float) -> None:
        self.kind = kind
        self._needed = min(needed, of)
        self._of = of
        self._cooldown_s = cooldown_s
        self.state = GroupState()

    @property
    def members(self) -> dict[str, Subject]:
        """The subjects that are part of the alert that fires."""
        return {name: subject for name, subject in self.state.subjects.items() if subject.told}

    @property
    def firing(self) -> bool:
        """Whether an alert has fired that is not resolved."""
        return bool(self.state.id)

    def vote(self, name: str, found: Found | None, *, source: str, now_s: float, took_s: float) -> None:
        """Note that a subject alarmed before its window closed.

        Parameters
        ----------
        name : str
        found : Found, optional
            May be left out where it is part of the alert.
        source : str
        now_s : float
        took_s : float
            How long it took to find. Windows may be too small to show what took long: it stays part of the
            alert for four times as long, so that it does not flicker.
        """
        subject = self.state.subjects.setdefault(name, Subject(source=source))
        if found is not None:
            subject.take(found)
        subject.pending = True
        subject.held_for_s = min(max(subject.held_for_s, _HELD * took_s), _LONGEST_HOLD_S)
        subject.hold_s = now_s + subject.held_for_s

    def close(self, found: Mapping[str, Found], *, source: str) -> None:
        """Note that a window closed, and what alarmed in it."""
        for name, subject in self.state.subjects.items():
            if name not in found and subject.source == source:
                self._count(subject, subject.pending)
        for name, one in found.items():
            subject = self.state.subjects.setdefault(name, Subject(source=source))
            subject.take(one)
            self._count(subject, True)

    def _count(self, subject: Subject, alarmed: bool) -> None:
        subject.votes = [*subject.votes, alarmed][-self._of :]
        subject.pending = False

    def news(self, now_s: float) -> tuple[News, dict[str, Subject]] | None:
        """Return what is to be said now, of which subjects; the last ones where it is resolved."""
        before = self.members
        spoken = False
        for subject in self.state.subjects.values():
            spoken |= self._heard(subject, now_s)
        self._forget(now_s)
        members = self.members
        if spoken:
            fired = not self.firing
            self.state.id = self.state.id or uuid.uuid4().hex
            self.state.sequence += 1
            return ("fired" if fired else "grew"), members
        if self.firing and not members:
            self.state.sequence += 1
            return "resolved", before
        return None

    def resolved(self) -> None:
        """Begin anew after the last message of an alert."""
        self.state.id, self.state.sequence = "", 0

    def _heard(self, subject: Subject, now_s: float) -> bool:
        """Update whether a subject is part of the alert; return whether that is news."""
        now = subject.pending or (bool(subject.votes) and subject.votes[-1])
        if subject.told:
            if subject.quiet and now_s >= subject.hold_s:
                subject.told, subject.held_for_s = 0, 0.0
                return False
        else:
            recent = subject.votes[len(subject.votes) - self._of + 1 :] if subject.pending else subject.votes
            if not now or sum(recent[-self._of :]) + subject.pending < self._needed:
                return False
            severity = Found(subject.findings).rank
            if now_s < subject.alarmed_s + self._cooldown_s and severity <= subject.last:
                return False
        severity = Found(subject.findings).rank
        worse = severity > subject.told
        subject.told = max(severity, subject.told)
        if now:
            subject.alarmed_s, subject.last = now_s, subject.told
        return worse

    def _forget(self, now_s: float) -> None:
        over = [
            name
            for name, subject in self.state.subjects.items()
            if not subject.told and subject.quiet and now_s >= subject.alarmed_s + self._cooldown_s
        ]
        for name in over:
            del self.state.subjects[name]
