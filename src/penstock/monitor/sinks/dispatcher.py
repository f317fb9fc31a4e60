"""Sends every alert to every sink, each in a thread of its own."""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Final

from penstock.config.monitor import SinkConfig
from penstock.errors import ConfigError
from penstock.monitor.alerts import Alert
from penstock.monitor.sinks.backoff import Backoff
from penstock.monitor.sinks.courier import Courier
from penstock.monitor.sinks.open import open_sink
from penstock.monitor.sinks.sink import Sink, SinkStatus

__all__ = ["Dispatcher"]

_log = logging.getLogger("penstock.monitor.sinks")
_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")
_BOUNDS: Final = SinkConfig(kind="log")


class Dispatcher:
    """Where alerts are handed over.

    Parameters
    ----------
    sinks : mapping of str to SinkConfig
        By name, as in ``[monitor.sinks.NAME]``; empty logs alerts.
    directory : Path or None
        Undelivered alerts are kept in a folder a sink here, and sent by the next process. Without it they
        end with the process. One process only may use it.
    clock : callable
        Seconds since the epoch.
    backoff : Backoff

    Raises
    ------
    ConfigError
        When a sink cannot be made from its settings.

    Notes
    -----
    Thread-safe. Each sink gets every alert at least once and in order, until `retry_for_s` or
    `buffer_alerts` is passed; then it is dropped and counted. Repeats carry the same `id` and `sequence`.
    Sinks do not wait for each other.

    Examples
    --------
    >>> with Dispatcher({}) as dispatcher:
    ...     dispatcher.status()["log"].waiting
    0
    """

    def __init__(
        self,
        sinks: Mapping[str, SinkConfig],
        directory: Path | None = None,
        *,
        clock: Callable[[], float] = time.time,
        backoff: Backoff = Backoff(),  # noqa: B008 - frozen
    ) -> None:
        self._directory = directory
        self._clock = clock
        self._backoff = backoff
        self._lock = threading.Lock()
        self._couriers: dict[str, Courier] = {}
        self._closed = False
        configs = sinks or {"log": SinkConfig(kind="log")}
        # All are made before the first thread starts, so that a wrong one leaves nothing behind.
        opened = {name: open_sink(_checked(name), config) for name, config in configs.items()}
        for name, sink in opened.items():
            self.add(name, sink, configs[name])

    def __enter__(self) -> Dispatcher:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def add(self, name: str, sink: Sink, bounds: SinkConfig = _BOUNDS) -> None:
        """Send alerts from now on to another sink too, such as one that starts a training.

        Parameters
        ----------
        name : str
        sink : Sink
        bounds : SinkConfig
            Its `min_severity`, `retry_for_s` and `buffer_alerts` are used.

        Raises
        ------
        ConfigError
            When the name is taken, or cannot be that of a folder.
        """
        with self._lock:
            if _checked(name) in self._couriers:
                raise ConfigError(f'expected a new name of a sink, got "{name}", which there is already')
            folder = self._directory / name if self._directory is not None else None
            courier = Courier(name, sink, bounds, folder, self._clock, self._backoff)
            self._couriers = {**self._couriers, name: courier}

    def send(self, alert: Alert) -> None:
        """Hand an alert over. Never raises; waits for nothing but one small file a sink."""
        for name, courier in self._couriers.items():
            try:
                courier.send(alert)
            except Exception:
                _log.exception("an alert could not be handed over", extra={"sink": name, "alert": alert.id})

    def retain(self, ids: Collection[str]) -> None:
        """Stop telling what fires under any other id.

        For the start of a process: alerts of an earlier one whose state was lost, or whose model is gone,
        would be repeated to Alertmanager for ever.
        """
        for courier in self._couriers.values():
            courier.retain(ids)

    def status(self) -> dict[str, SinkStatus]:
        """Return what became of the alerts of each sink."""
        return {name: courier.status() for name, courier in self._couriers.items()}

    def close(self, timeout_s: float = 5.0) -> None:
        """Deliver what waits, each sink until its first failure, all within a time.

        What is left stays on disk for the next process; without a directory it is dropped, and counted.
        """
        with self._lock:
            if self._closed:
                return
            self._closed = True
        deadline = time.monotonic() + timeout_s
        for courier in self._couriers.values():
            courier.close()
        for courier in self._couriers.values():
            courier.join(max(0.0, deadline - time.monotonic()))


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ConfigError(f"expected a sink name of at most 64 letters, digits, _, - and ., got {name!r}")
    return name
