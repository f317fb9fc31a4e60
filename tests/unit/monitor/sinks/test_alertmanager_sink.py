"""What Alertmanager is told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from alert_receivers import Receiver, make_alert

from penstock.monitor.alerts import Alert
from penstock.monitor.sinks import DeliveryError, RepeatingSink
from penstock.monitor.sinks.alertmanager import AlertmanagerSink

NOW_S = 1_700_010_000.0


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


def posted(receiver: Receiver, alert: Alert) -> dict[str, Any]:
    AlertmanagerSink(f"http://{receiver.host}/am/", clock=lambda: NOW_S).send(alert)
    assert receiver.requests[-1].path == "/am/api/v2/alerts"
    (message,) = json.loads(receiver.requests[-1].body)
    return message


def seconds(text: str) -> float:
    moment = datetime.fromisoformat(text)
    assert moment.utcoffset() is not None
    return moment.astimezone(UTC).timestamp()


def test_an_alert_that_fires_ends_by_itself_after_four_repetitions(receiver: Receiver) -> None:
    alert = make_alert("5f", sequence=2)
    message = posted(receiver, alert)
    assert message["labels"] == {
        "alertname": "PenstockDrift",
        "model": "employment",
        "version": "3",
        "kind": "drift",
        "severity": "high",
    }
    assert message["annotations"] == {
        "summary": "1 of 16 features moved: SCHL",
        "description": "SCHL: 31 % of rows hold 22.0, which the baseline has not",
        "next_steps": "look at the recoding of SCHL",
        "id": "5f",
        "sequence": "2",
    }
    assert seconds(message["startsAt"]) == alert.since_s
    assert seconds(message["endsAt"]) == NOW_S + 4 * 60


def test_a_resolved_alert_ended_when_it_was_resolved(receiver: Receiver) -> None:
    alert = make_alert(state="resolved")
    assert seconds(posted(receiver, alert)["endsAt"]) == alert.at_s


def test_nothing_ends_before_it_starts(receiver: Receiver) -> None:
    message = posted(receiver, make_alert(state="resolved", at_s=1.0))
    assert message["startsAt"] == message["endsAt"]


def test_every_part_is_text(receiver: Receiver) -> None:
    message = posted(receiver, make_alert(findings=(), next_steps=(), title="bad \udcff byte"))
    for part in ("labels", "annotations"):
        assert all(isinstance(value, str) for value in message[part].values())


def test_it_is_repeated() -> None:
    sink = AlertmanagerSink("http://localhost:9093")
    assert isinstance(sink, RepeatingSink)
    assert sink.repeat_s == 60.0


def test_failures_are_told(receiver: Receiver) -> None:
    receiver.status = 503
    with pytest.raises(DeliveryError, match="got 503"):
        posted(receiver, make_alert())
