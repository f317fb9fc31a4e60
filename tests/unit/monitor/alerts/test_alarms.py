"""Alarms: windows and the watch become alerts that say what moved."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from alarm_streams import profiles

from penstock.config.monitor import ModelMonitorConfig
from penstock.errors import BundleError
from penstock.monitor.alerts import Alarms, Alert, Finding
from penstock.monitor.baseline import Baseline
from penstock.monitor.comparisons import compare
from penstock.monitor.profile import Profile
from penstock.monitor.window import Window

HOUR = 3600.0
START = 1_700_000_000.0 // HOUR * HOUR

Columns = dict[str, np.ndarray]


def columns(random: np.random.Generator, rows: int) -> Columns:
    found: Columns = {f"x{index}": random.normal(50, 10, size=rows) for index in range(6)}
    found["SCHL"] = random.choice(np.array(["16", "19", "21", "22"]), rows, p=[0.3, 0.3, 0.28, 0.12])
    found["AGEP"] = random.integers(17, 95, rows).astype(float)
    return found


def moved(random: np.random.Generator, rows: int) -> Columns:
    found = columns(random, rows)
    found["SCHL"] = np.where(found["SCHL"] == "22", "22.0", found["SCHL"])
    found["AGEP"] = np.minimum(found["AGEP"] + 6, 94.0)
    return found


@pytest.fixture(scope="module")
def baseline() -> Baseline:
    return Baseline(profiles(columns(np.random.default_rng(0), 8000)))


class Played:
    """A model that is looked at, window by window."""

    def __init__(self, baseline: Baseline, **settings: Any) -> None:
        self.settings = ModelMonitorConfig(**{"watch": False, "cooldown_s": 0.0, **settings})
        self.baseline = baseline
        self.alarms = Alarms("census", self.settings, baseline, version=3, now_s=START - 30 * HOUR)
        self.random = np.random.default_rng(7)
        self.hour = 0

    def window(self, draw: Any = columns, rows: int = 2000) -> Window:
        begin = START + HOUR * self.hour
        self.hour += 1
        profile = profiles(draw(self.random, rows), self.baseline.profile)
        return Window(model="census", version=3, begin_s=begin, end_s=begin + HOUR, profile=profile)

    def close(self, draw: Any = columns, rows: int = 2000, **extra: Any) -> list[Alert]:
        window = self.window(draw, rows)
        reports = compare(
            window,
            self.baseline,
            [],
            compare=self.settings.compare,
            level=self.alarms.level(window),
            min_effect=self.settings.min_effect,
            thresholds=self.settings.thresholds or None,
        )
        return self.alarms.judge(window, reports, now_s=window.end_s, **extra)

    def step(self, draw: Any, rows: int, minute: float) -> list[Alert]:
        profile = profiles(draw(self.random, rows), self.baseline.profile)
        return self.alarms.step(profile, START + HOUR * self.hour + 60 * minute)


def test_one_alert_names_exactly_what_moved(baseline: Baseline) -> None:
    played = Played(baseline)
    assert played.close() == []
    (alert,) = played.close(moved)
    assert (alert.model, alert.version, alert.kind, alert.state) == ("census", 3, "drift", "firing")
    assert alert.subjects == ("SCHL", "AGEP")
    assert alert.title.startswith("2 of 8 features moved: SCHL (unseen 0 % → 1")
    assert alert.title.endswith("and AGEP")
    assert alert.severity == "medium"
    assert alert.since_s == START + HOUR
    assert alert.share == pytest.approx(0.12, abs=0.02)
    assert alert.findings[0].evidence < 1e-20
    assert alert.next_steps[0] == 'look at the upstream recoding of "SCHL": "22" stopped, "22.0" is new'
    assert 'look at where "AGEP" comes from' in alert.next_steps[1]
    assert alert.next_steps[-1].startswith(
        "if it is here to stay, retrain with data since 2023-11-14 23:00 UTC"
    )
    json.dumps(alert.to_dict())


def test_it_goes_on_quietly_and_is_resolved(baseline: Baseline) -> None:
    played = Played(baseline)
    (fired,) = played.close(moved)
    assert played.close(moved) == []
    (active,) = played.alarms.active
    assert (active.id, active.sequence, active.subjects) == (fired.id, 1, ("SCHL", "AGEP"))
    assert active.since_s == fired.since_s
    (resolved,) = played.close()
    assert (resolved.id, resolved.sequence, resolved.state) == (fired.id, 2, "resolved")
    assert resolved.title == f"resolved: {active.title}"
    assert played.alarms.active == ()
    (again,) = played.close(moved)
    assert (again.id != fired.id, again.sequence) == (True, 1)


def test_the_watch_alarms_before_the_window_closes(baseline: Baseline) -> None:
    played = Played(baseline, watch=True)
    assert [played.step(columns, 100, minute) for minute in range(20)] == [[]] * 20
    messages = [alert for minute in range(20, 40) for alert in played.step(moved, 100, minute)]
    assert [alert.sequence for alert in messages] == list(range(1, len(messages) + 1))
    assert {alert.id for alert in messages} == {messages[0].id}
    last = messages[-1]
    assert set(last.subjects) == {"SCHL", "AGEP"}
    assert all(finding.compared_with == "baseline" for finding in last.findings)
    assert START + 15 * 60 <= last.since_s <= START + 25 * 60
    assert any('"22" stopped, "22.0" is new' in step for step in last.next_steps)
    closing = played.close(moved)
    assert all(alert.sequence > last.sequence for alert in closing)  # at most: it is more severe than told
    assert [played.step(moved, 100, minute) for minute in range(30)] == [[]] * 30


def test_what_only_the_watch_sees_is_not_resolved_by_small_windows(baseline: Baseline) -> None:
    """It took long to find, and windows of few rows do not show it: it is held, and does not flicker."""

    def slightly(random: np.random.Generator, rows: int) -> Columns:
        found = columns(random, rows)
        found["x0"] = found["x0"] + 2.5
        return found

    played = Played(baseline, watch=True)
    said: list[Alert] = []
    for _ in range(60):
        for minute in range(0, 60, 20):
            said += played.step(slightly, 20, minute)
        said += played.close(slightly, rows=30)
    assert [(alert.sequence, alert.state) for alert in said][:1] == [(1, "firing")]
    assert said[0].subjects == ("x0",)
    assert all(alert.state == "firing" for alert in said)
    assert {alert.id for alert in said} == {said[0].id}


def test_several_windows_are_asked_for(baseline: Baseline) -> None:
    played = Played(baseline, alarm_windows=2, of_windows=3)
    assert played.close(moved) == []
    assert played.close() == []
    (alert,) = played.close(moved)
    assert alert.since_s == START
    assert [len(played.close()) for _ in range(3)] == [0, 0, 1]


def test_fixed_thresholds_decide_alone(baseline: Baseline) -> None:
    played = Played(baseline, watch=True, thresholds={"psi": 0.1})
    assert played.alarms.watch is None
    assert played.step(moved, 5000, 1.0) == []
    (alert,) = played.close(moved)
    finding = alert.findings[0]
    assert (finding.subject, finding.check, finding.compared_with) == ("SCHL", "psi", "threshold")
    assert math.isnan(finding.evidence)
    assert "threshold 0.1" in finding.reason


def test_a_watch_on_the_baseline_is_off_where_hours_are_compared(baseline: Baseline) -> None:
    assert Played(baseline, watch=True, compare=("hour", "weekday")).alarms.watch is None
    assert Played(baseline, watch=True, compare=("baseline", "hour")).alarms.watch is not None


def test_time_is_spent_once(baseline: Baseline) -> None:
    played = Played(baseline)
    first, second = played.window(), played.window()
    level = played.alarms.level(first)
    assert level == pytest.approx(played.alarms.budget.window_rate("drift") / 168)
    played.alarms.judge(first, {}, now_s=first.end_s)
    assert played.alarms.level(first) == 0
    both = first.merge(second)  # as sliding windows overlap
    assert played.alarms.level(both) == pytest.approx(level)
    assert played.alarms.level(both, "performance") == pytest.approx(level)
    played.alarms.report("performance", (), both.end_s, window=both)
    assert played.alarms.level(both, "performance") == 0
    assert played.alarms.level(both) == pytest.approx(level)


def of_kind(subject: str, **more: Any) -> Finding:
    return Finding(
        **{
            "subject": subject,
            "check": "drop",
            "compared_with": "baseline",
            "reason": "accuracy 0.91 → 0.84",
            "effect": 0.07,
            "evidence": 1e-6,
            "since_s": START,
            "severity": "medium",
            **more,
        }
    )


def test_other_kinds_are_alerts_of_their_own(baseline: Baseline) -> None:
    played = Played(baseline, alarm_windows=2, of_windows=2)
    alarms = played.alarms
    worst = of_kind("accuracy{state=MA}", severity="high")
    assert alarms.report("performance", [of_kind("accuracy")], START) == []
    (quality,) = alarms.report("performance", [of_kind("accuracy"), worst], START + HOUR)
    assert quality.title == "quality fell: accuracy (accuracy 0.91 → 0.84)"
    (grown,) = alarms.report("performance", [of_kind("accuracy"), worst], START + 2 * HOUR)
    assert grown.subjects == ("accuracy{state=MA}", "accuracy")
    full = of_kind("prediction log", reason="the disk is full", effect=math.nan, evidence=math.nan)
    (operation,) = alarms.report("operation", [full], START)
    assert operation.title == "monitoring: prediction log (the disk is full)"
    assert math.isnan(operation.share)
    assert operation.to_dict()["share"] is None
    assert {alert.kind for alert in alarms.active} == {"performance", "operation"}
    (resolved,) = alarms.report("operation", [], START + 1)
    assert resolved.state == "resolved"


def test_drift_of_all_columns_together_is_part_of_the_alert(baseline: Baseline) -> None:
    played = Played(baseline, reservoir_rows=1000)
    together = of_kind("all columns", check="domain_classifier", reason="AUC 0.71", effect=0.3)
    (alert,) = played.close(extra=[together])
    assert alert.title == "the rows as a whole moved: all columns (AUC 0.71)"
    (grown,) = played.close(moved, extra=[together])
    assert grown.title.startswith("2 of 8 features moved: all columns (AUC 0.71), SCHL and AGEP")


def test_a_swap_resolves_what_belongs_to_another_baseline(baseline: Baseline) -> None:
    played = Played(baseline, watch=True)
    (fired,) = played.close(moved)
    played.alarms.report("performance", [of_kind("accuracy")], START)
    other = Baseline(profiles(moved(np.random.default_rng(1), 8000)))
    messages = played.alarms.restart(4, other, START + 9 * HOUR)
    assert [(alert.kind, alert.state) for alert in messages] == [
        ("drift", "resolved"),
        ("performance", "resolved"),
    ]
    assert messages[0].id == fired.id
    assert messages[0].version == 3
    played.baseline = other
    assert played.close(moved) == []
    (alert,) = played.close(columns)
    assert alert.version == 4


def test_a_swap_on_the_same_baseline_goes_on(baseline: Baseline) -> None:
    played = Played(baseline)
    (fired,) = played.close(moved)
    assert played.alarms.restart(4, Baseline(baseline.profile), START + HOUR) == []
    assert played.close(moved) == []
    (resolved,) = played.close()
    assert (resolved.id, resolved.version) == (fired.id, 4)


def test_what_begins_with_a_version_says_so(baseline: Baseline) -> None:
    played = Played(baseline)
    played.alarms.restart(4, baseline, START)
    (alert,) = played.close(moved)
    assert any(step.startswith("it began with version 4") for step in alert.next_steps)


def test_a_model_without_a_baseline_reports_other_kinds() -> None:
    alarms = Alarms("m", ModelMonitorConfig(), None)
    assert alarms.step(Profile((), 0), START) == []
    (alert,) = alarms.report("data", [of_kind("refused")], START)
    assert alert.title.startswith("data quality: refused")


def test_a_restart_of_the_process_goes_on(baseline: Baseline) -> None:
    played = Played(baseline, watch=True)
    fired = played.close(moved)
    for minute in range(5):
        played.step(columns, 100, minute)
    data = played.alarms.to_bytes()
    assert played.alarms.watch is not None
    evidence = played.alarms.watch.evidence
    played.alarms = Alarms.from_bytes(data, played.settings, baseline, version=3)
    assert played.alarms.to_bytes() == data
    assert played.alarms.watch.evidence == evidence
    assert [alert.id for alert in played.alarms.active] == [fired[0].id]
    assert played.close(moved) == []
    resolved = [alert for _ in range(3) for alert in played.close()]
    assert [(alert.id, alert.state) for alert in resolved] == [(fired[0].id, "resolved")]


def test_a_state_of_other_settings_keeps_what_fires_only(baseline: Baseline) -> None:
    played = Played(baseline, watch=True)
    played.close(moved)
    played.step(moved, 20, 0.0)
    played.step(moved, 20, 1.0)
    other = ModelMonitorConfig(false_alarms_per_week=3.0)
    alarms = Alarms.from_bytes(played.alarms.to_bytes(), other, baseline, version=3)
    assert len(alarms.active) == 1
    assert alarms.watch is not None
    assert set(alarms.watch.evidence.values()) == {0.0}


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda data: b"", "got other or truncated data"),
        (lambda data: data[:40], "got other or truncated data"),
        (lambda data: data[:-1], "its digest does not match"),
        (lambda data: data[:80] + bytes([data[80] ^ 1]) + data[81:], "its digest does not match"),
        (lambda data: data[:15] + b"\x09" + data[16:], "format 1, got 9; a newer version"),
        (lambda data: b"x" + data[1:], "got other"),
    ],
)
def test_damaged_states_are_refused(baseline: Baseline, damage: Any, says: str) -> None:
    data = Played(baseline).alarms.to_bytes()
    with pytest.raises(BundleError, match=says):
        Alarms.from_bytes(damage(data), ModelMonitorConfig(), baseline)
