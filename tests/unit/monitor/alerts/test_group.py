"""Groups: hysteresis, cool-down, and one event for all that alarms."""

from __future__ import annotations

import pytest

from penstock.monitor.alerts.alert import Finding, Severity
from penstock.monitor.alerts.group import Found, Group

HOUR = 3600.0


def found(name: str, severity: Severity = "low", since_s: float = 0.0) -> Found:
    finding = Finding(
        subject=name,
        check="chi2",
        compared_with="baseline",
        reason="it moved",
        effect=0.01,
        evidence=1e-9,
        since_s=since_s,
        severity=severity,
    )
    return Found((finding,))


class Played:
    """Closes windows of an hour and keeps what is said."""

    def __init__(self, needed: int = 1, of: int = 1, cooldown_s: float = 0.0) -> None:
        self.group = Group("drift", needed=needed, of=of, cooldown_s=cooldown_s)
        self.hour = 0

    def close(self, *names: str, **severe: Severity) -> str | None:
        self.hour += 1
        now = HOUR * self.hour
        every = {name: found(name, since_s=now - HOUR) for name in names}
        every |= {name: found(name, severity, now - HOUR) for name, severity in severe.items()}
        self.group.close(every, source="windows")
        return self.said(now)

    def said(self, now: float) -> str | None:
        news = self.group.news(now)
        if news is None:
            return None
        what, members = news
        if what == "resolved":
            self.group.resolved()
        return f"{what} {' '.join(sorted(members))} {self.group.state.sequence}".strip()


def test_it_fires_once_and_is_resolved_once() -> None:
    played = Played()
    assert [played.close(), played.close("a"), played.close("a"), played.close("a")] == [
        None,
        "fired a 1",
        None,
        None,
    ]
    first = played.group.state.id
    assert len(first) == 32
    assert played.close() == "resolved a 0"
    assert played.close() is None
    assert played.close("a") == "fired a 1"
    assert played.group.state.id != first


def test_it_grows_by_subjects_and_by_severity() -> None:
    played = Played()
    assert played.close("a") == "fired a 1"
    assert played.close("a", "b") == "grew a b 2"
    assert played.close("b", a="high") == "grew a b 3"
    assert played.close("a", "b") is None  # less severe is no news
    assert played.close("b", a="medium") is None
    assert played.close("b") is None  # that one of two is over is none either
    assert sorted(played.group.members) == ["b"]
    assert played.close() == "resolved b 0"


@pytest.mark.parametrize(
    ("windows", "says"),
    [
        ("a.a", [None, None, "fired a 1"]),
        ("a..a", [None, None, None, None]),
        ("aa", [None, "fired a 1"]),
        ("aa...", [None, "fired a 1", None, None, "resolved a 0"]),
        ("aa..a...", [None, "fired a 1", None, None, None, None, None, "resolved a 0"]),
    ],
)
def test_two_of_three_windows(windows: str, says: list[str | None]) -> None:
    played = Played(needed=2, of=3)
    assert [played.close(*([] if mark == "." else ["a"])) for mark in windows] == says


def test_a_cool_down_keeps_what_flickers_quiet() -> None:
    played = Played(cooldown_s=3 * HOUR)
    assert played.close("a") == "fired a 1"
    assert played.close() == "resolved a 0"
    assert played.close("a") is None
    assert played.close("b") == "fired b 1"  # another subject is news
    assert played.close("a", "b") == "grew a b 2"  # four hours after its last alarm that was told


def test_a_cool_down_does_not_hide_what_is_more_severe() -> None:
    played = Played(cooldown_s=30 * HOUR)
    assert played.close("a") == "fired a 1"
    assert played.close() == "resolved a 0"
    assert played.close("a") is None
    assert played.close(a="medium") == "fired a 1"


def test_a_vote_between_windows_fires_at_once_and_is_held() -> None:
    played = Played()
    played.group.vote("a", found("a", since_s=-HOUR), source="windows", now_s=0.5 * HOUR, took_s=0.75 * HOUR)
    assert played.said(0.5 * HOUR) == "fired a 1"
    assert played.said(0.6 * HOUR) is None
    played.group.vote("a", None, source="windows", now_s=0.6 * HOUR, took_s=0.0)
    assert played.said(0.7 * HOUR) is None
    assert [played.close() for _ in range(4)] == [None, None, None, "resolved a 0"]


def test_a_vote_counts_as_its_window_where_several_are_needed() -> None:
    played = Played(needed=2, of=3)
    played.group.vote("a", found("a"), source="windows", now_s=0.0, took_s=0.0)
    assert played.said(0.5 * HOUR) is None
    assert played.close() is None
    played.group.vote("a", found("a"), source="windows", now_s=0.0, took_s=0.0)
    assert played.said(1.5 * HOUR) == "fired a 1"
    assert [played.close() for _ in range(4)] == [None, None, None, "resolved a 0"]


def test_what_another_source_finds_is_left_alone() -> None:
    group = Group("data", needed=1, of=1, cooldown_s=0.0)
    group.close({"refused": found("refused")}, source="door")
    assert group.news(1.0) is not None
    group.close({}, source="rules")
    assert group.news(2.0) is None
    assert list(group.members) == ["refused"]
    group.close({}, source="door")
    assert group.news(3.0) is not None


def test_since_when_is_that_of_the_whole_run() -> None:
    played = Played(needed=2, of=3)
    for names in (["a"], [], ["a"]):
        played.close(*names)
    assert played.group.members["a"].since_s == 0.0
    for _ in range(5):
        played.close()
    played.close("a")
    played.close("a")
    assert played.group.members["a"].since_s == 8 * HOUR


def test_what_is_over_is_forgotten() -> None:
    played = Played(cooldown_s=2 * HOUR)
    for index in range(50):
        played.close(f"s{index}")
    assert len(played.group.state.subjects) <= 4
