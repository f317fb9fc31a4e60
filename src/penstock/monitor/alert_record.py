"""Messages about alerts since the start: kept, counted and passed on."""

from __future__ import annotations

import collections
from collections.abc import Callable, Sequence
from typing import Final

from penstock.monitor.alerts import Alert

__all__ = ["AlertRecord"]

_KEPT: Final = 1000


class AlertRecord:
    """Keeps the latest messages.

    Parameters
    ----------
    tell : callable
        Takes each message; never blocks and never raises.
    """

    def __init__(self, tell: Callable[[Alert], None]) -> None:
        self._tell = tell
        self._alerts: collections.deque[Alert] = collections.deque(maxlen=_KEPT)
        self._fired: collections.Counter[str] = collections.Counter()

    def add(self, alerts: Sequence[Alert]) -> None:
        """Take note of messages, and pass them on."""
        for alert in alerts:
            self._alerts.append(alert)
            self._fired[alert.kind] += alert.state == "firing" and alert.sequence == 1
            self._tell(alert)

    def latest(self) -> list[Alert]:
        """Return the messages that are kept, oldest first."""
        return list(self._alerts)

    @property
    def fired(self) -> dict[str, int]:
        """How many alerts fired, by kind."""
        return dict(self._fired)
