"""Monitors over the life of versions: swaps while rows are under way, reloads, restarts, losses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from test_monitor import BASELINE, SIGNATURE, START_S, Watched, feed, rows_of

from penstock.config import LogConfig, ModelMonitorConfig
from penstock.config.monitor import RuleConfig
from penstock.monitor.alerts import Alert
from penstock.monitor.history import History
from penstock.monitor.monitor import Monitor


def rows_held(monitor: Monitor) -> list[tuple[int, int]]:
    return [(one.window.version, one.window.rows) for one in monitor.windows()]


def test_rows_that_are_under_way_when_a_version_is_released_are_counted() -> None:
    watched = Watched()
    watched.observer.enter()  # its answer is out, so the version is drained; the rows come only now
    watched.monitor.release(watched.observer)
    watched.monitor.tick(START_S + 1)
    feed(watched.observer, rows_of(1, 100))
    watched.observer.leave()
    watched.monitor.tick(START_S + 2)
    assert rows_held(watched.monitor) == [(1, 100)]
    assert watched.monitor.status().rows == {}


def test_a_version_that_is_loaded_again(tmp_path: Path) -> None:
    watched = Watched(tmp_path)
    watched.serve(10, rows_of(1, 100))
    fresh = watched.monitor.open(1, SIGNATURE, BASELINE, START_S + 11)
    watched.monitor.activate(1, START_S + 11)
    feed(watched.observer, rows_of(2, 50))
    feed(fresh, rows_of(3, 200))
    watched.monitor.tick(START_S + 12)
    assert watched.monitor.status().rows == {1: 350}
    watched.monitor.release(watched.observer)
    feed(watched.observer, rows_of(4, 5))
    watched.monitor.tick(START_S + 13)
    assert rows_held(watched.monitor) == [(1, 155)]
    (saved,) = _saved(tmp_path, watched)
    assert saved.window is not None
    assert saved.window.rows == 200


def test_versions_that_are_gone_leave_nothing_to_go_on_with(tmp_path: Path) -> None:
    watched = Watched(tmp_path)
    observer = watched.observer
    for version in range(2, 12):
        feed(observer, rows_of(version, 50))
        fresh = watched.monitor.open(version, SIGNATURE, BASELINE, START_S + version)
        watched.monitor.activate(version, START_S + version)
        watched.monitor.release(observer)
        watched.monitor.tick(START_S + version + 0.5)
        observer = fresh
    feed(observer, rows_of(1, 50))
    watched.monitor.tick(START_S + 20)
    assert rows_held(watched.monitor) == [(version, 50) for version in range(1, 11)]
    assert [path.name for path in (tmp_path / "people").glob("open-*")] == ["open-11.window"]
    (saved,) = _saved(tmp_path, watched)
    assert saved.version == 11
    assert saved.extra


def _saved(directory: Path, watched: Watched) -> list[Any]:
    watched.monitor.close(START_S + 100)
    history = History(directory, "people")
    try:
        return history.load_open()
    finally:
        history.close()


def test_a_swap_to_a_version_that_is_not_monitored_resolves_what_fires() -> None:
    watched = Watched(window_rows=1000)
    watched.serve(10, rows_of(1, 2000, shift=9))
    (alert,) = watched.monitor.firing()
    watched.monitor.activate(2, START_S + 20)
    assert watched.monitor.firing() == ()
    assert [one.state for one in watched.alerts if one.id == alert.id][-1] == "resolved"


def test_the_window_that_ended_while_the_process_was_down_is_there_once(tmp_path: Path) -> None:
    first = Watched(tmp_path)
    first.serve(60, rows_of(1, 500))
    first.monitor.close(START_S + 61)
    second = Watched(tmp_path, after_s=7200)
    for seconds in (7201, 7202):
        second.monitor.tick(START_S + seconds)
    assert rows_held(second.monitor) == [(1, 500)]
    second.monitor.close(START_S + 7300)


def test_what_is_read_of_the_past_does_not_push_newer_windows_out(tmp_path: Path) -> None:
    first = Watched(tmp_path, window_rows=100)
    for seconds in range(1, 8):
        first.serve(seconds * 100, rows_of(seconds, 100 + seconds))
    first.monitor.close(START_S + 1000)
    second = Watched(tmp_path, after_s=2000, window_rows=100, keep_windows=3)
    second.monitor.snapshot(now_s=START_S + 2001)
    feed(second.observer, rows_of(9, 150))
    second.monitor.snapshot(now_s=START_S + 2002)  # a window closes before the past is read
    second.monitor.tick(START_S + 2003)
    assert [rows for _, rows in rows_held(second.monitor)] == [106, 107, 150]
    second.monitor.close(START_S + 2100)


def test_a_state_of_alarms_that_cannot_be_read_costs_the_state_only(tmp_path: Path) -> None:
    history = History(tmp_path, "people")
    history.save_open(1, None, b"of another release")
    history.close()
    watched = Watched(tmp_path, window_rows=1000)
    assert watched.monitor.status().failures == {"alarms": 1}
    watched.serve(10, rows_of(1, 2000, shift=9))
    assert {alert.kind for alert in watched.monitor.firing()} == {"drift", "operation"}
    watched.monitor.close(START_S + 20)


@pytest.mark.parametrize("baseline", [BASELINE, None])
def test_rows_that_are_not_logged_alarm_at_once_and_until_it_is_well(tmp_path: Path, baseline: Any) -> None:
    (tmp_path / "log").write_text("in the way")
    told: list[Alert] = []
    settings = ModelMonitorConfig(
        log=LogConfig(directory=str(tmp_path / "log"), buffer_rows=100), window_s=600, watch=False
    )
    monitor = Monitor(
        "people", settings, tell=lambda what: told.append(what) if isinstance(what, Alert) else None
    )
    observer = monitor.open(1, SIGNATURE, baseline, START_S)
    monitor.activate(1, START_S)
    feed(observer, rows_of(1, 90))
    monitor.tick(START_S + 1)
    assert not told
    for second in range(2, 6):
        feed(observer, rows_of(second, 90))
        monitor.tick(START_S + second)
    assert [(one.kind, one.state, one.sequence) for one in told] == [("operation", "firing", 1)]
    assert "90 rows were not logged" in told[0].findings[0].reason
    assert "360 rows were not logged" in monitor.firing()[0].findings[0].reason
    monitor.tick(START_S + 604)
    assert monitor.firing()
    monitor.tick(START_S + 606)
    assert [one.state for one in told if one.kind == "operation"] == ["firing", "resolved"]
    monitor.close(START_S + 607)


def test_windows_that_are_not_written_alarm(tmp_path: Path) -> None:
    (tmp_path / "people").write_text("in the way")
    watched = Watched(tmp_path)
    watched.serve(60, rows_of(1, 500))
    watched.serve(3700, rows_of(2, 500))
    (alert,) = watched.monitor.firing()
    assert (alert.kind, alert.subjects) == ("operation", ("history",))
    assert watched.monitor.status().rows == {1: 1000}
    assert watched.monitor.windows()[0].reports
    watched.monitor.close(START_S + 3701)


def test_a_closing_monitor_keeps_what_alarms_fired_last(tmp_path: Path) -> None:
    first = Watched(tmp_path, window_rows=1000)
    first.serve(10, rows_of(1, 2000, shift=9))
    (fired,) = first.monitor.firing()
    first.monitor.close(START_S + 11)
    second = Watched(tmp_path, after_s=20, window_rows=1000)
    assert [one.id for one in second.monitor.firing()] == [fired.id]
    second.monitor.close(START_S + 21)


def test_quality_of_ever_new_versions_is_bounded() -> None:
    from penstock.config.monitor import FeedbackConfig
    from penstock.monitor.live_quality import LiveQuality

    quality = LiveQuality(FeedbackConfig())
    for version in range(1, 301):
        quality.follower(version, None, ("p",))
    assert list(quality._known) == list(quality._outputs) == list(range(201, 301))


def test_a_rule_for_no_column_is_said_and_opens_nothing() -> None:
    monitor = Monitor("people", ModelMonitorConfig(rules={"none": RuleConfig(min=0)}))
    with pytest.raises(Exception, match="none"):
        monitor.open(1, SIGNATURE, BASELINE, START_S)
    monitor.tick(START_S)
    assert monitor.status().rows == {}
