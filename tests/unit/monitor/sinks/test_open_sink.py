"""From settings to sinks, and the sink that logs."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
from alert_receivers import make_alert

from penstock.config import SinkConfig
from penstock.errors import ConfigError
from penstock.monitor.sinks import open_sink
from penstock.monitor.sinks.alertmanager import AlertmanagerSink
from penstock.monitor.sinks.command import CommandSink
from penstock.monitor.sinks.log import LogSink
from penstock.monitor.sinks.webhook import WebhookSink


def test_every_kind(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("key")
    kinds: dict[type, dict[str, Any]] = {
        LogSink: {"kind": "log"},
        WebhookSink: {"kind": "webhook", "url": "https://host/x", "secret_file": str(secret)},
        AlertmanagerSink: {"kind": "alertmanager", "url": "http://host:9093"},
        CommandSink: {"kind": "command", "command": ("true",)},
    }
    for kind, keys in kinds.items():
        assert type(open_sink("it", SinkConfig(**keys))) is kind


@pytest.mark.parametrize("kind", ["webhook", "alertmanager", "command"])
def test_what_is_missing_is_told_with_the_name(kind: Any) -> None:
    with pytest.raises(ConfigError, match=r"^\[monitor\.sinks\.pager\]: expected .*, got none$"):
        open_sink("pager", SinkConfig(kind=kind))


def test_settings_do_not_show_what_may_be_secret() -> None:
    shown = repr(SinkConfig(kind="webhook", url="https://hidden/", command=("tell", "hidden")))
    assert "hidden" not in shown
    assert "url='…', secret_file='', command=('tell', '…')" in shown


@pytest.mark.parametrize(
    ("changes", "level"),
    [
        ({"severity": "low"}, logging.WARNING),
        ({"severity": "medium"}, logging.WARNING),
        ({"severity": "high"}, logging.ERROR),
        ({"severity": "high", "state": "resolved"}, logging.INFO),
    ],
)
def test_levels_of_the_log(changes: dict[str, Any], level: int, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "penstock")
    LogSink().send(make_alert("5f", **changes))
    (record,) = caplog.records
    assert record.levelno == level
    assert record.message == "1 of 16 features moved: SCHL"
    fields = {"alert": "5f", "sequence": 1, "model": "employment", "version": 3, "subjects": "SCHL"}
    assert fields.items() <= vars(record).items()
    assert record.__dict__["next_step"] == "look at the recoding of SCHL"
