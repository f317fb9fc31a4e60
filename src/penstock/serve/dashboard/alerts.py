"""Alerts as the page lists them: each once, as its last message says."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from penstock.monitor.alerts import Alert

__all__ = ["alert_list"]

MOST_ALERTS: Final = 100
MOST_FINDINGS: Final = 30
_RANKS: Final = {"high": 0, "medium": 1, "low": 2}


def alert_list(firing: Sequence[Alert], messages: Iterable[Alert]) -> list[dict[str, Any]]:
    """Return alerts: those that fire by severity, then others, the newest first.

    Parameters
    ----------
    firing : sequence of Alert
    messages : iterable of Alert
        Oldest first; of those with one id the last counts.
    """
    newest = {alert.id: alert for alert in messages}
    going = {alert.id: newest.get(alert.id, alert) for alert in firing}
    ended = [alert for name, alert in newest.items() if name not in going]
    order = sorted(going.values(), key=lambda alert: (_RANKS.get(alert.severity, 3), -alert.at_s))
    order += sorted(ended, key=lambda alert: -alert.at_s)
    return [_plain(alert, alert.id in going) for alert in order[:MOST_ALERTS]]


def _plain(alert: Alert, firing: bool) -> dict[str, Any]:
    found = alert.to_dict()
    found["findings"] = found["findings"][:MOST_FINDINGS]
    return found | {"firing": firing, "n_findings": len(alert.findings)}
