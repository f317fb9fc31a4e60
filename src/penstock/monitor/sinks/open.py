"""From settings to sinks."""

from __future__ import annotations

from penstock.config.monitor import SinkConfig
from penstock.errors import ConfigError
from penstock.monitor.sinks.alertmanager import AlertmanagerSink
from penstock.monitor.sinks.command import CommandSink
from penstock.monitor.sinks.log import LogSink
from penstock.monitor.sinks.sink import Sink
from penstock.monitor.sinks.webhook import WebhookSink

__all__ = ["open_sink"]


def open_sink(name: str, config: SinkConfig) -> Sink:
    """Return the sink that settings describe.

    Raises
    ------
    ConfigError
        When its URL, program or secret is missing or cannot be used. The sink is named.

    Examples
    --------
    >>> open_sink("pager", SinkConfig(kind="webhook"))
    Traceback (most recent call last):
    penstock.errors.ConfigError: [monitor.sinks.pager]: expected a URL such as https://host/path, got none
    """
    try:
        return _open(config)
    except ConfigError as error:
        raise ConfigError(f"[monitor.sinks.{name}]: {error}") from None


def _open(config: SinkConfig) -> Sink:
    match config.kind:
        case "log":
            return LogSink()
        case "webhook":
            return WebhookSink(config.url, secret_file=config.secret_file, timeout_s=config.timeout_s)
        case "alertmanager":
            return AlertmanagerSink(config.url, timeout_s=config.timeout_s)
        case "command":
            return CommandSink(config.command, timeout_s=config.timeout_s)
