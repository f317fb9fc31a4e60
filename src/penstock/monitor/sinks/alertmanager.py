"""Alerts as those of Prometheus Alertmanager."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

from penstock.monitor.alerts import Alert
from penstock.monitor.sinks.http import Endpoint

__all__ = ["AlertmanagerSink"]

_LIFETIMES: Final = 4
"""A firing alert ends by itself after so many repetitions that did not come, as with Prometheus."""


class AlertmanagerSink:
    """Posts to ``/api/v2/alerts``, and again while the alert fires: Alertmanager keeps nothing for good.

    Parameters
    ----------
    url : str
        Of Alertmanager, without ``/api/v2/alerts``.
    timeout_s : float
        Of one attempt.
    repeat_s : float
        Seconds between two posts of an alert that fires.
    clock : callable
        Seconds since the epoch.

    Notes
    -----
    Alertmanager knows an alert by its labels: ``alertname`` (``PenstockDrift`` …), ``model``, ``version``,
    ``kind``, ``severity``. One that grows worse is another there; the former ends by itself.
    """

    def __init__(
        self,
        url: str,
        *,
        timeout_s: float = 10.0,
        repeat_s: float = 60.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._endpoint = Endpoint(url.rstrip("/") + "/api/v2/alerts" if url else "", timeout_s)
        self._clock = clock
        self.repeat_s = repeat_s

    def send(self, alert: Alert) -> None:
        """Post an alert."""
        self._endpoint.post(json.dumps([self._message(alert)]).encode("ascii"))

    def _message(self, alert: Alert) -> dict[str, Any]:
        ends_s = alert.at_s if alert.state == "resolved" else self._clock() + _LIFETIMES * self.repeat_s
        return {
            "labels": {
                "alertname": f"Penstock{alert.kind.capitalize()}",
                "model": alert.model,
                "version": str(alert.version),
                "kind": alert.kind,
                "severity": alert.severity,
            },
            "annotations": {
                "summary": alert.title,
                "description": "\n".join(f"{found.subject}: {found.reason}" for found in alert.findings),
                "next_steps": "\n".join(alert.next_steps),
                "id": alert.id,
                "sequence": str(alert.sequence),
            },
            "startsAt": _moment(alert.since_s),
            "endsAt": _moment(max(ends_s, alert.since_s)),
        }


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()
