"""The dispatcher: every alert to every sink, in order, at least once, until a stated bound."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from alert_receivers import QUICK, ForgetfulSink, RecordingSink, down, make_alert
from serving import wait_until

from penstock.config import SinkConfig
from penstock.errors import ConfigError
from penstock.monitor.alerts import Alert
from penstock.monitor.sinks import DeliveryError, Dispatcher, Sink, SinkStatus

Start = Callable[..., Dispatcher]


def bounds(**keys: Any) -> SinkConfig:
    return SinkConfig(kind="log", **keys)


@pytest.fixture
def start() -> Iterator[Start]:
    """Make dispatchers with one sink; all are closed with the test."""
    started: list[Dispatcher] = []

    def make(sink: Sink, directory: Path | None = None, clock: Any = None, **keys: Any) -> Dispatcher:
        clocked = {"clock": clock} if clock else {}
        dispatcher = Dispatcher({}, directory, backoff=QUICK, **clocked)
        dispatcher.add("it", sink, bounds(**keys))
        started.append(dispatcher)
        return dispatcher

    yield make
    for dispatcher in started:
        dispatcher.close(0.5)


def status(dispatcher: Dispatcher) -> SinkStatus:
    return dispatcher.status()["it"]


def settle(dispatcher: Dispatcher) -> SinkStatus:
    return wait_until(lambda: (now := status(dispatcher)).waiting == 0 and now, what="an empty queue")


class Gate:
    """A sink that is stuck until it is opened."""

    def __init__(self) -> None:
        self.opened, self.reached = threading.Event(), threading.Event()

    def __call__(self, alert: Alert) -> None:
        self.reached.set()
        assert self.opened.wait(20)


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate()
    yield gate
    gate.opened.set()


def test_alerts_arrive_in_order(start: Start) -> None:
    sink = RecordingSink()
    dispatcher = start(sink)
    sent = [make_alert(f"a{i}", title=f"{i}") for i in range(50)]
    for alert in sent:
        dispatcher.send(alert)
    assert settle(dispatcher) == SinkStatus(50, 0, 0, 0, "")
    assert sink.ids == [alert.id for alert in sent]


def test_a_sink_that_fails_gets_everything_later_and_in_order(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    sink = RecordingSink(down)
    dispatcher = start(sink)
    with caplog.at_level(logging.INFO, "penstock"):
        for i in range(5):
            dispatcher.send(make_alert(f"a{i}"))
        wait_until(lambda: status(dispatcher).failed_attempts >= 5, what="five attempts")
        seen = status(dispatcher)
        assert (seen.sent, seen.waiting, seen.last_error) == (0, 5, "nobody is there")
        sink.fail = None
        last = settle(dispatcher)
    assert (last.sent, last.dropped, last.last_error) == (5, 0, "")
    assert sink.ids == ["a0", "a1", "a2", "a3", "a4"]
    told = [record.message for record in caplog.records if record.name == "penstock.monitor.sinks"]
    assert told == ["alerts do not arrive", "alerts arrive again"]


def test_what_the_receiver_refuses_is_dropped_and_does_not_stop_others(start: Start) -> None:
    def refuse(alert: Alert) -> None:
        if alert.id == "bad":
            raise DeliveryError("not like this", permanent=True)

    sink = RecordingSink(refuse)
    dispatcher = start(sink)
    for id in ("a", "bad", "b"):
        dispatcher.send(make_alert(id))
    last = settle(dispatcher)
    assert (last.sent, last.dropped, last.failed_attempts) == (2, 1, 1)
    assert sink.ids == ["a", "b"]


def test_an_error_that_no_sink_should_raise_is_one_that_may_pass(start: Start) -> None:
    left = [ValueError("odd"), KeyError("odder")]

    def fail(alert: Alert) -> None:
        if left:
            raise left.pop()

    dispatcher = start(RecordingSink(fail))
    dispatcher.send(make_alert())
    last = settle(dispatcher)
    assert (last.sent, last.failed_attempts) == (1, 2)


def test_beyond_the_buffer_the_oldest_are_dropped(start: Start, gate: Gate) -> None:
    sink = RecordingSink(gate)
    dispatcher = start(sink, buffer_alerts=10)
    dispatcher.send(make_alert("a0"))
    assert gate.reached.wait(20)
    for i in range(1, 15):
        dispatcher.send(make_alert(f"a{i}"))
    now = status(dispatcher)
    assert (now.waiting, now.dropped) == (10, 5)
    gate.opened.set()
    assert settle(dispatcher).sent == 10
    assert sink.ids == ["a0", *(f"a{i}" for i in range(6, 15))]


def test_after_its_time_an_alert_is_dropped(start: Start) -> None:
    now_s = [1000.0]
    sink = RecordingSink(down)
    dispatcher = start(sink, clock=lambda: now_s[0], retry_for_s=60.0)
    dispatcher.send(make_alert("old"))
    wait_until(lambda: status(dispatcher).failed_attempts > 2, what="some attempts")
    assert status(dispatcher).dropped == 0
    now_s[0] += 60.0
    assert settle(dispatcher).dropped == 1
    sink.fail = None
    dispatcher.send(make_alert("new"))
    settle(dispatcher)
    assert sink.ids == ["new"]


def test_sinks_do_not_wait_for_each_other_nor_the_caller_for_them(start: Start, gate: Gate) -> None:
    quick = RecordingSink()
    dispatcher = start(RecordingSink(gate))
    dispatcher.add("quick", quick)
    for i in range(100):
        dispatcher.send(make_alert(f"a{i}"))
    wait_until(lambda: len(quick.alerts) == 100, what="the other sink")
    assert dispatcher.status()["it"].sent == 0
    assert dispatcher.status()["quick"].sent == 100


def test_what_is_not_delivered_is_sent_after_a_restart(start: Start, tmp_path: Path) -> None:
    first = start(RecordingSink(down), tmp_path)
    alerts = [make_alert(f"a{i}", sequence=i + 1) for i in range(5)]
    for alert in alerts:
        first.send(alert)
    first.close(2.0)
    assert status(first).waiting == 5
    assert status(first).dropped == 0
    first.send(make_alert("late"))

    sink = RecordingSink()
    second = start(sink, tmp_path)
    second.send(make_alert("next"))
    settle(second)
    assert [(alert.id, alert.sequence) for alert in sink.alerts] == [
        *((alert.id, alert.sequence) for alert in alerts),
        ("late", 1),
        ("next", 1),
    ]
    assert sink.alerts[0].to_dict() == alerts[0].to_dict()
    second.close()
    assert settle(start(RecordingSink(), tmp_path)) == SinkStatus(0, 0, 0, 0, "")


def test_without_a_directory_what_waits_ends_with_the_process_and_is_counted(start: Start) -> None:
    dispatcher = start(RecordingSink(down))
    for i in range(3):
        dispatcher.send(make_alert(f"a{i}"))
    dispatcher.close(2.0)
    dispatcher.close(2.0)
    dispatcher.send(make_alert("late"))
    assert (status(dispatcher).waiting, status(dispatcher).dropped) == (0, 4)


def test_closing_delivers_what_waits(start: Start, gate: Gate) -> None:
    sink = RecordingSink(gate)
    dispatcher = start(sink)
    for i in range(20):
        dispatcher.send(make_alert(f"a{i}"))
    assert gate.reached.wait(20)
    threading.Timer(0.05, gate.opened.set).start()
    dispatcher.close(20.0)
    assert len(sink.alerts) == 20


def test_closing_does_not_wait_for_a_stuck_sink(start: Start, gate: Gate, tmp_path: Path) -> None:
    dispatcher = start(RecordingSink(gate), tmp_path)
    for i in range(3):
        dispatcher.send(make_alert(f"a{i}"))
    assert gate.reached.wait(20)
    dispatcher.close(0.01)
    assert status(dispatcher).waiting == 3
    sink = RecordingSink()
    settle(start(sink, tmp_path))
    assert sink.ids == ["a0", "a1", "a2"]


def test_less_severe_alerts_are_left_out_until_they_grow_worse(start: Start) -> None:
    sink = RecordingSink()
    dispatcher = start(sink, min_severity="medium")
    for severity, state in (
        ("low", "firing"),
        ("high", "firing"),
        ("low", "resolved"),
        ("low", "resolved"),
    ):
        dispatcher.send(make_alert("a", severity=severity, state=state))
    dispatcher.send(make_alert("b", severity="low"))
    dispatcher.send(make_alert("b", severity="low", state="resolved"))
    settle(dispatcher)
    assert [(alert.id, alert.severity, alert.state) for alert in sink.alerts] == [
        ("a", "high", "firing"),
        ("a", "low", "resolved"),
    ]


def test_what_fires_is_repeated_until_it_is_resolved(start: Start) -> None:
    sink = ForgetfulSink()
    dispatcher = start(sink)
    dispatcher.send(make_alert("a"))
    dispatcher.send(make_alert("b"))
    wait_until(lambda: sink.ids.count("a") > 3 and sink.ids.count("b") > 3, what="repetitions")
    dispatcher.send(make_alert("a", state="resolved", sequence=2))
    settle(dispatcher)
    first = len(sink.alerts)
    wait_until(lambda: len(sink.alerts) > first + 3, what="repetitions of b")
    resolved = sink.alerts.index(next(alert for alert in sink.alerts if alert.state == "resolved"))
    assert set(sink.ids[resolved + 1 :]) == {"b"}
    assert status(dispatcher).sent == 3


def test_what_fires_is_repeated_after_a_restart_until_nobody_retains_it(start: Start, tmp_path: Path) -> None:
    first = start(ForgetfulSink(), tmp_path)
    first.send(make_alert("a"))
    first.send(make_alert("gone"))
    first.send(make_alert("a", severity="medium", sequence=2))
    settle(first)
    first.close()
    sink = ForgetfulSink()
    second = start(sink, tmp_path)
    wait_until(lambda: {"a", "gone"} <= set(sink.ids), what="both")
    second.retain(["a"])
    seen = len(sink.alerts) + 1
    wait_until(lambda: len(sink.alerts) > seen + 3, what="repetitions of one")
    assert set(sink.ids[seen:]) == {"a"}
    assert {alert.sequence for alert in sink.alerts if alert.id == "a"} == {2}
    second.close()
    assert len(list((tmp_path / "it").iterdir())) == 1


def test_a_repetition_that_fails_is_tried_again_later(start: Start) -> None:
    sink = ForgetfulSink()
    dispatcher = start(sink)
    dispatcher.send(make_alert())
    settle(dispatcher)
    sink.fail = down
    wait_until(lambda: status(dispatcher).failed_attempts > 2, what="failures")
    sink.fail = None
    seen = len(sink.alerts)
    wait_until(lambda: len(sink.alerts) > seen, what="another repetition")
    assert status(dispatcher).dropped == 0


def test_foreign_and_torn_files_are_left_alone(
    start: Start, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first = start(RecordingSink(down), tmp_path)
    for i in range(3):
        first.send(make_alert(f"a{i}"))
    first.close(2.0)
    folder = tmp_path / "it"
    kept = sorted(folder.iterdir())
    kept[1].write_bytes(kept[1].read_bytes()[:50])
    (folder / "00000000000000000009.waiting.json").write_text('{"accepted_s": 1, "alert": {"findings": [3]}}')
    (folder / "x.waiting.json").write_text(json.dumps({"accepted_s": 1, "alert": make_alert().to_dict()}))
    (folder / "notes.txt").write_text("mine")
    (folder / "00000000000000000008.waiting.tmp").write_text("half")
    sink = RecordingSink()
    settle(start(sink, tmp_path))
    assert sink.ids == ["a0", "a2"]
    assert sum("cannot be read" in record.message for record in caplog.records) == 3
    assert not list(folder.glob("*.tmp"))
    assert (folder / "notes.txt").read_text() == "mine"


def test_a_directory_that_cannot_be_made_costs_only_the_memory_of_restarts(
    start: Start, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("in the way")
    sink = RecordingSink()
    dispatcher = start(sink, tmp_path / "file")
    for i in range(3):
        dispatcher.send(make_alert(f"a{i}"))
    assert settle(dispatcher).sent == 3
    told = [record for record in caplog.records if "cannot be kept on disk" in record.message]
    assert len(told) == 2  # one a sink


def test_an_alert_that_is_none_does_not_raise(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    sink = RecordingSink()
    dispatcher = start(sink)
    dispatcher.send(make_alert(severity="dreadful"))
    dispatcher.send(make_alert("good"))
    settle(dispatcher)
    assert sink.ids == ["good"]
    assert "could not be handed over" in caplog.text


def test_without_sinks_alerts_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    with Dispatcher({}) as dispatcher:
        assert list(dispatcher.status()) == ["log"]
        dispatcher.send(make_alert())
    assert "1 of 16 features moved: SCHL" in caplog.messages


def test_sinks_come_from_settings(caplog: pytest.LogCaptureFixture) -> None:
    sinks = {"all": SinkConfig(kind="log"), "worst": SinkConfig(kind="log", min_severity="high")}
    with Dispatcher(sinks) as dispatcher:
        dispatcher.send(make_alert(severity="low"))
    assert {name: one.sent for name, one in dispatcher.status().items()} == {"all": 1, "worst": 0}


@pytest.mark.parametrize("name", ["", "..", "a/b", ".hidden", "a b", "x" * 65, "a\n"])
def test_names_that_are_no_folder_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="expected a sink name"):
        Dispatcher({name: SinkConfig(kind="log")})


def test_a_name_is_taken_once(start: Start) -> None:
    dispatcher = start(RecordingSink())
    with pytest.raises(ConfigError, match='got "it", which there is already'):
        dispatcher.add("it", RecordingSink())


def test_many_senders_at_once(start: Start, tmp_path: Path) -> None:
    sink = RecordingSink()
    dispatcher = start(sink, tmp_path)
    threads = [
        threading.Thread(
            target=lambda k=k: [dispatcher.send(make_alert(f"{k}", sequence=i + 1)) for i in range(20)]
        )
        for k in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    settle(dispatcher)
    for k in range(4):
        assert [alert.sequence for alert in sink.alerts if alert.id == f"{k}"] == list(range(1, 21))
