"""Monitors: from counts to windows, comparisons and alerts; restarts, swaps and replicas."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from penstock.bundle.signature import Signature, TensorSpec
from penstock.config import ModelMonitorConfig
from penstock.errors import BundleError, ConfigError, ModelNotReadyError
from penstock.monitor import Baseline
from penstock.monitor.alerts import Alert
from penstock.monitor.monitor import Monitor
from penstock.monitor.observer import Observer
from penstock.monitor.snapshot import Snapshot

START_S = 1_800_000_000.0  # on the hour
SIGNATURE = Signature(
    (TensorSpec("age", "FP32", (-1,)), TensorSpec("state", "BYTES", (-1,))),
    (TensorSpec("p", "FP32", (-1,)),),
    batched=True,
)


def rows_of(seed: int, count: int, shift: float = 0.0, states: str = "AB") -> dict[str, Any]:
    random = np.random.default_rng(seed)
    return {
        "age": random.normal(40 + shift, 10, count).astype(np.float32),
        "state": random.choice(list(states), count).astype(object),
        "p": random.random(count).astype(np.float32),
    }


BASELINE = Baseline.fit(rows_of(0, 20_000), prediction="p")


def feed(observer: Observer, rows: dict[str, Any]) -> None:
    columns = {name: rows[name] for name in ("age", "state")}
    observer.observe(columns, {"p": rows["p"]}, len(rows["age"]))


class Watched:
    """A monitor with one version, and what it told."""

    def __init__(self, directory: Path | None = None, after_s: float = 0.0, **settings: Any) -> None:
        self.told: list[Any] = []
        self.monitor = Monitor(
            "people", ModelMonitorConfig(**settings), directory=directory, tell=self.told.append
        )
        self.observer = self.monitor.open(1, SIGNATURE, BASELINE, START_S + after_s)
        self.monitor.activate(1, START_S + after_s)

    @property
    def alerts(self) -> list[Alert]:
        return [what for what in self.told if isinstance(what, Alert)]

    def serve(self, seconds: float, rows: dict[str, Any]) -> None:
        """Answer rows just before a look."""
        self.monitor.tick(START_S + seconds - 1)
        feed(self.observer, rows)
        self.monitor.tick(START_S + seconds)


def test_windows_close_by_time_and_are_compared() -> None:
    watched = Watched()
    for hour in range(3):
        for minute in range(0, 60, 20):
            watched.serve(3600 * hour + 60 * minute + 2, rows_of(10 * hour + minute, 300))
    watched.serve(3 * 3600 + 2, rows_of(99, 100))
    closed = watched.monitor.windows()
    assert [one.window.rows for one in closed] == [900, 900, 900]
    assert all(set(one.reports) == {"baseline"} for one in closed)
    assert not watched.alerts
    current = watched.monitor.current()
    assert current is not None
    assert current.rows == 100
    status = watched.monitor.status()
    assert (status.rows, status.windows, status.firing, status.failures) == ({1: 2800}, 3, 0, {})
    assert watched.monitor.windows(1) == closed[-1:]


def test_a_recoded_column_and_a_shift_fire_one_alert_that_names_both() -> None:
    watched = Watched()
    watched.serve(1800, rows_of(1, 3000))
    assert not watched.alerts
    watched.serve(3000, rows_of(2, 3000, shift=5, states="ab"))
    watched.serve(3602, rows_of(3, 10, shift=5, states="ab"))
    (active,) = watched.monitor.firing()
    assert set(active.subjects) == {"age", "state"}
    assert {alert.id for alert in watched.alerts} == {active.id}
    assert active.severity == "high"
    assert watched.monitor.alerts() == watched.alerts
    assert watched.monitor.alert_counts() == {"drift": 1}
    report = watched.monitor.report()
    assert {feature.name for feature in report.alarms} == {"age", "state"}
    assert report.n_current == 6010


def test_windows_by_rows_wake_the_thread_that_looks() -> None:
    woken: list[int] = []
    monitor = Monitor("people", ModelMonitorConfig(window_rows=1000), wake=lambda: woken.append(1))
    observer = monitor.open(1, SIGNATURE, BASELINE, START_S)
    monitor.activate(1, START_S)
    feed(observer, rows_of(1, 600))
    assert not woken
    feed(observer, rows_of(2, 600))
    assert woken
    monitor.tick(START_S + 1)
    assert [one.window.rows for one in monitor.windows()] == [1200]


def test_a_swap_closes_the_window_of_the_old_version() -> None:
    watched = Watched()
    watched.serve(60, rows_of(1, 500))
    fresh = watched.monitor.open(2, SIGNATURE, BASELINE, START_S + 61)
    watched.monitor.activate(2, START_S + 61)
    feed(watched.observer, rows_of(2, 100))  # under way while it was swapped
    feed(fresh, rows_of(3, 200))
    watched.monitor.release(watched.observer)
    watched.monitor.tick(START_S + 62)
    (closed,) = watched.monitor.windows()
    assert (closed.window.version, closed.window.rows, closed.window.complete) == (1, 600, False)
    current = watched.monitor.current()
    assert current is not None
    assert (current.version, current.rows) == (2, 200)
    assert watched.monitor.status().rows == {2: 200}


def test_a_restart_goes_on_with_the_open_window(tmp_path: Path) -> None:
    first = Watched(tmp_path)
    for hour in range(2):
        first.serve(3600 * hour + 60, rows_of(hour, 700))
    first.monitor.close(START_S + 3700)
    second = Watched(tmp_path, 3701)
    second.monitor.tick(START_S + 3702)
    assert [one.window.rows for one in second.monitor.windows()] == [700]
    assert set(second.monitor.windows()[0].reports) == {"baseline"}
    second.serve(3800, rows_of(7, 300))
    second.serve(7202, rows_of(8, 10))
    assert [one.window.rows for one in second.monitor.windows()] == [700, 1000]
    assert second.monitor.windows()[-1].window.complete is False
    second.monitor.close(START_S + 7202)


def test_a_killed_process_loses_what_came_after_the_last_look(tmp_path: Path) -> None:
    first = Watched(tmp_path)
    first.serve(60, rows_of(1, 700))
    feed(first.observer, rows_of(2, 50))
    first.monitor._past.close()  # the lock goes with the process
    second = Watched(tmp_path, 61)
    current = second.monitor.current()
    assert current is not None
    assert current.rows == 700
    second.monitor.close(START_S + 61)


def test_an_alert_is_not_said_again_after_a_restart(tmp_path: Path) -> None:
    first = Watched(tmp_path)
    first.serve(60, rows_of(1, 3000, states="ab"))
    assert len(first.alerts) == 1
    first.monitor.close(START_S + 61)
    second = Watched(tmp_path, 62)
    second.serve(120, rows_of(2, 3000, states="ab"))
    assert not second.alerts
    assert [alert.id for alert in second.monitor.firing()] == [first.alerts[0].id]
    second.monitor.close(START_S + 121)


def test_without_a_directory_the_open_window_closes_at_the_end() -> None:
    watched = Watched()
    watched.serve(60, rows_of(1, 700))
    watched.monitor.close(START_S + 61)
    assert [(one.window.rows, one.window.complete) for one in watched.monitor.windows()] == [(700, False)]


def test_a_disk_that_fails_is_counted_and_windows_go_on(tmp_path: Path) -> None:
    (tmp_path / "people").write_text("in the way")
    watched = Watched(tmp_path)
    watched.serve(60, rows_of(1, 700))
    watched.serve(3602, rows_of(2, 700))
    assert len(watched.monitor.windows()) == 1
    assert watched.monitor.status().failures["history"] >= 1


def test_the_first_live_rows_become_the_baseline() -> None:
    monitor = Monitor("people", ModelMonitorConfig(baseline_rows=2000))
    observer = monitor.open(1, SIGNATURE, None, START_S)
    monitor.activate(1, START_S)
    feed(observer, rows_of(1, 1500))
    monitor.tick(START_S + 1)
    assert monitor.status().learning_rows == 500
    with pytest.raises(ModelNotReadyError, match="no baseline"):
        monitor.report()
    feed(observer, rows_of(2, 1500))
    monitor.tick(START_S + 2)
    assert monitor.status().learning_rows == 0
    assert monitor.status().baseline_rows == 3000
    feed(observer, rows_of(3, 2000, states="ab"))
    monitor.tick(START_S + 3)
    assert [alert.subjects for alert in monitor.firing()] == [("state",)]
    assert observer.failures == {}


def test_replicas_merge_as_if_one_had_counted() -> None:
    aggregate, replica, other = Watched(), Watched(), Watched()
    for one, seed in ((replica, 1), (other, 2), (aggregate, 3)):
        one.serve(60, rows_of(seed, 1000))
    states = [one.monitor.snapshot(now_s=START_S + 61) for one in (replica, other)]
    assert all(state is not None for state in states)
    for state in states:
        assert state is not None
        again = Snapshot.from_bytes(state.to_bytes())
        assert again == state
        assert aggregate.monitor.merge(again, START_S + 62)
        assert not aggregate.monitor.merge(again, START_S + 62)
    assert replica.monitor.snapshot(now_s=START_S + 63) is None
    whole = Watched()
    for seed in (1, 2, 3):
        whole.serve(60, rows_of(seed, 1000))
    merged, expected = aggregate.monitor.current(), whole.monitor.current()
    assert merged is not None
    assert expected is not None
    for feature in expected.profile:
        found = merged.profile[feature.name]
        assert found.mean == pytest.approx(feature.mean, rel=1e-12, nan_ok=True)
        assert found.m2 == pytest.approx(feature.m2, rel=1e-9, nan_ok=True)
        assert replace(found, mean=0.0, m2=0.0) == replace(feature, mean=0.0, m2=0.0)


def test_snapshots_that_do_not_fit_are_refused() -> None:
    watched, other = Watched(), Watched()
    watched.serve(60, rows_of(1, 1000))
    state = watched.monitor.snapshot(now_s=START_S + 61)
    assert state is not None
    with pytest.raises(ConfigError, match="on the baseline of this version"):
        other.monitor.merge(Snapshot(id="1", window=state.window, layout="x"))
    with pytest.raises(ConfigError, match="in a version that is loaded"):
        other.monitor.merge(Snapshot(id="1", window=replace(state.window, version=9), layout=state.layout))
    data = state.to_bytes()
    for wrong in (b"", b"no", data[:-1], data[:-1] + b"x", data[:16] + b"\xff\xff" + data[18:]):
        with pytest.raises(BundleError, match="snapshot"):
            Snapshot.from_bytes(wrong)


def test_other_windows_to_compare_with() -> None:
    watched = Watched(compare=("baseline", "previous", "hour"), false_alarms_per_week=50.0)
    for hour in range(26):
        watched.serve(3600 * hour + 60, rows_of(hour, 400))
    reports = watched.monitor.windows()[-1].reports
    assert set(reports) == {"baseline", "previous", "hour"}
