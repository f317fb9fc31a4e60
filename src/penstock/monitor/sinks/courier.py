"""Brings alerts to one sink: in order, again until they arrive, never in the caller's way."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Final

from tenacity import RetryCallState, Retrying, retry_if_exception, sleep_using_event

from penstock.config.monitor import SinkConfig
from penstock.monitor.alerts import Alert
from penstock.monitor.sinks.backoff import Backoff
from penstock.monitor.sinks.sink import DeliveryError, RepeatingSink, Sink, SinkStatus
from penstock.monitor.sinks.spool import Message, Spool

__all__ = ["Courier"]

_log = logging.getLogger("penstock.monitor.sinks")
_RANK: Final = {"low": 0, "medium": 1, "high": 2}
_ERROR_CHARACTERS: Final = 300
_OPEN: Final = 10_000
"""Alerts that a sink is known to have been told of."""


class Courier:
    """One sink, what waits for it, and the thread that brings it there.

    Parameters
    ----------
    name : str
        Of the sink.
    sink : Sink
    config : SinkConfig
        `min_severity`, `retry_for_s` and `buffer_alerts` are used.
    folder : Path or None
        Where undelivered messages outlive the process.
    clock : callable
        Seconds since the epoch.
    backoff : Backoff

    Notes
    -----
    At least once: a message is forgotten after its delivery, so a crash in between sends it again.
    The thread starts with the first message.
    """

    def __init__(
        self,
        name: str,
        sink: Sink,
        config: SinkConfig,
        folder: Path | None,
        clock: Callable[[], float],
        backoff: Backoff,
    ) -> None:
        self._name = name
        self._sink = sink
        self._config = config
        self._clock = clock
        self._backoff = backoff
        self._spool = Spool(folder)
        self._senders = threading.Lock()
        self._changed = threading.Condition()
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None
        self._sent = self._failed_attempts = self._dropped = 0
        self._last_error = ""
        self._given_up = False
        self._current: Message | None = None
        self._repeat_at = 0.0
        waiting, told = self._spool.load()
        self._queue = deque(waiting)
        self._told = {message.alert.id: message for message in told}
        self._open = dict.fromkeys([*self._told, *(message.alert.id for message in waiting)])
        self._order = max((message.order for message in (*waiting, *told)), default=0)
        if isinstance(sink, RepeatingSink):
            self._repeat_at = time.monotonic() + sink.repeat_s
        with self._changed:
            self._shorten()
            self._start()

    def send(self, alert: Alert) -> None:
        """Accept an alert. Waits for the disk where messages are kept there, never for the sink."""
        with self._senders:
            wanted = _RANK[alert.severity] >= _RANK[self._config.min_severity] or alert.id in self._open
            if not wanted:
                return
            self._remember(alert)
            self._order += 1
            message = Message(self._order, self._clock(), alert)
            self._spool.save(message)
            with self._changed:
                self._queue.append(message)
                self._shorten()
                self._start()
                self._changed.notify()
                if self._given_up:
                    self._leave()

    def retain(self, ids: Collection[str]) -> None:
        """Forget what fires under any other id: nobody will resolve it, so it is not told again."""
        with self._senders, self._changed:
            for id in self._open.keys() - set(ids):
                del self._open[id]
            for id in self._told.keys() - set(ids):
                self._forget(id)

    def status(self) -> SinkStatus:
        """Return what became of the alerts so far."""
        with self._changed:
            waiting = len(self._queue) + (self._current is not None)
            return SinkStatus(self._sent, self._failed_attempts, self._dropped, waiting, self._last_error)

    def close(self) -> None:
        """Ask the thread to deliver what waits, and to end at the first failure. Returns at once."""
        with self._changed:
            self._closing.set()
            self._changed.notify()

    def join(self, timeout_s: float) -> None:
        """Wait for the thread to end; after the timeout it begins nothing more."""
        if self._thread is not None:
            self._thread.join(timeout_s)
        with self._changed:
            self._given_up = True
            self._leave()

    def _remember(self, alert: Alert) -> None:
        """Let everything about an alert through once some of it was, whatever its severity becomes."""
        self._open.pop(alert.id, None)
        if alert.state == "firing":
            self._open[alert.id] = None
        if len(self._open) > _OPEN:
            del self._open[next(iter(self._open))]

    def _leave(self) -> None:
        """Nothing more is brought: what waits stays on disk, or ends with the process."""
        while self._queue and not self._spool.keeps:
            self._drop(self._queue.popleft(), "the process ends, and there is no directory to keep it")

    def _start(self) -> None:
        repeating = self._told and isinstance(self._sink, RepeatingSink)
        if self._thread is None and (self._queue or repeating) and not self._closing.is_set():
            self._thread = threading.Thread(target=self._run, name=f"penstock-sink-{self._name}", daemon=True)
            self._thread.start()

    def _shorten(self) -> None:
        """Drop the oldest messages over the bound, but not the one on its way."""
        room = max(1, self._config.buffer_alerts - (self._current is not None))
        while len(self._queue) > room:
            self._drop(self._queue.popleft(), f"more than {self._config.buffer_alerts} wait")

    def _run(self) -> None:
        while True:
            message = self._take()
            if message is not None:
                self._deliver(message)
            elif self._closing.is_set():
                return
            else:
                self._repeat()

    def _take(self) -> Message | None:
        """Wait for the next message; None where the thread should end or repeat what fires."""
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._closing.is_set(), self._until_repeat())
            due = self._until_repeat() == 0 and not self._closing.is_set()
            if due or self._given_up or not self._queue:
                return None
            self._current = self._queue.popleft()
            return self._current

    def _deliver(self, message: Message) -> None:
        deadline_s = message.accepted_s + self._config.retry_for_s

        def is_over(_: RetryCallState) -> bool:
            return self._closing.is_set() or self._clock() >= deadline_s

        def wait_s(state: RetryCallState) -> float:
            return self._backoff.wait_s(state, deadline_s - self._clock())

        attempts = Retrying(
            retry=retry_if_exception(_may_pass),
            stop=is_over,
            wait=wait_s,
            sleep=sleep_using_event(self._closing),
            reraise=True,
        )
        try:
            attempts(self._attempt, message.alert)
        except Exception as error:
            if self._closing.is_set() and _may_pass(error) and self._clock() < deadline_s:
                self._put_back(message)
            else:
                with self._changed:
                    self._current = None
                    self._drop(message, _text(error))
        else:
            self._delivered(message)

    def _attempt(self, alert: Alert) -> None:
        try:
            self._sink.send(alert)
        except Exception as error:
            with self._changed:
                first = not self._last_error
                self._failed_attempts += 1
                self._last_error = _text(error)
            if first:
                _log.warning("alerts do not arrive", extra={"sink": self._name, "error": self._last_error})
            raise
        with self._changed:
            recovered, self._last_error = bool(self._last_error), ""
        if recovered:
            _log.info("alerts arrive again", extra={"sink": self._name})

    def _delivered(self, message: Message) -> None:
        with self._changed:
            self._current = None
            self._sent += 1
            self._forget(message.alert.id)
            if message.alert.state == "resolved":
                self._spool.remove(message)
                return
            if not self._told and isinstance(self._sink, RepeatingSink):
                self._repeat_at = time.monotonic() + self._sink.repeat_s
            self._told[message.alert.id] = message
            self._spool.told(message)
            while len(self._told) > self._config.buffer_alerts:
                self._forget(next(iter(self._told)))

    def _forget(self, id: str) -> None:
        former = self._told.pop(id, None)
        if former is not None:
            self._spool.remove(former)

    def _drop(self, message: Message, reason: str) -> None:
        self._dropped += 1
        self._spool.remove(message)
        _log.error(
            "an alert was dropped",
            extra={
                "sink": self._name,
                "alert": message.alert.id,
                "title": message.alert.title,
                "error": reason,
            },
        )

    def _put_back(self, message: Message) -> None:
        with self._changed:
            self._current = None
            self._queue.appendleft(message)
            self._given_up = True
            self._leave()

    def _until_repeat(self) -> float | None:
        if not self._told or not isinstance(self._sink, RepeatingSink):
            return None
        return max(0.0, self._repeat_at - time.monotonic())

    def _repeat(self) -> None:
        if not isinstance(self._sink, RepeatingSink):
            return
        with self._changed:
            alerts = [message.alert for message in self._told.values()]
        for alert in alerts:
            if self._closing.is_set():
                return
            try:
                self._attempt(alert)
            except Exception:
                break
        self._repeat_at = time.monotonic() + self._sink.repeat_s


def _may_pass(error: BaseException) -> bool:
    return isinstance(error, Exception) and not (isinstance(error, DeliveryError) and error.permanent)


def _text(error: BaseException) -> str:
    text = str(error) if isinstance(error, DeliveryError) else f"{type(error).__name__}: {error}"
    return text[:_ERROR_CHARACTERS]
