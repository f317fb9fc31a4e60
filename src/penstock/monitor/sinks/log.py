"""Alerts as records of the log."""

from __future__ import annotations

import logging
from typing import Final

from penstock.monitor.alerts import Alert

__all__ = ["LogSink"]

_log = logging.getLogger("penstock.monitor.alerts")
_LEVELS: Final = {"low": logging.WARNING, "medium": logging.WARNING, "high": logging.ERROR}


class LogSink:
    """Writes one record a message: an error if the severity is high, else a warning; info once resolved."""

    def send(self, alert: Alert) -> None:
        """Log an alert."""
        fields = {
            "alert": alert.id,
            "sequence": alert.sequence,
            "state": alert.state,
            "severity": alert.severity,
            "model": alert.model,
            "version": alert.version,
            "kind": alert.kind,
            "subjects": ", ".join(alert.subjects),
            "next_step": alert.next_steps[0] if alert.next_steps else "",
        }
        level = _LEVELS[alert.severity] if alert.state == "firing" else logging.INFO
        _log.log(level, "%s", alert.title, extra=fields)
