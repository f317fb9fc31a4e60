"""All monitors of an engine, and the thread that looks at their counts. Read next: monitor/monitor.py."""

from __future__ import annotations

import functools
import logging
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from penstock.config import Config
from penstock.engine.statistics import PipelineStatistics
from penstock.errors import ModelNotFoundError, PenstockError

if TYPE_CHECKING:
    from penstock.bundle.bundle import Bundle
    from penstock.engine.pipeline import Pipeline
    from penstock.monitor.alerts import Alert
    from penstock.monitor.history import ClosedWindow
    from penstock.monitor.monitor import Monitor
    from penstock.monitor.observer import Observer
    from penstock.monitor.sinks import Dispatcher

__all__ = ["Event", "Monitoring"]

Event: TypeAlias = "tuple[str, Alert | ClosedWindow]"
"""A model, and what happened to it."""

_log = logging.getLogger(__name__)


class Monitoring:
    """Gives each version an observer, and looks at what they counted: a :class:`penstock.engine.Watcher`.

    Parameters
    ----------
    config : Config
    statistics : callable
        Returns the counters of every loaded version.

    Notes
    -----
    Nothing is imported and no thread runs until a model is there to be watched. One thread looks at all
    models every ``monitor.interval_s``; what fails there is counted and logged, and reaches no answer.
    """

    def __init__(
        self, config: Config, statistics: Callable[[], Iterable[PipelineStatistics]] = tuple
    ) -> None:
        self._config = config
        self._statistics = statistics
        self._lock = threading.Lock()
        self._monitors: dict[str, Monitor] = {}
        self._dispatcher: Dispatcher | None = None
        self._thread: threading.Thread | None = None
        self._listeners: list[Callable[[Event], None]] = []
        self._wake = threading.Event()
        self._ending = self._closing = False

    # -- the engine's side -----------------------------------------------------------------------

    def open(self, bundle: Bundle, pipeline: Pipeline) -> Observer | None:
        """Return who is to see the answers of a version; None where nothing is to be watched."""
        settings = self._config.model(pipeline.name).monitor
        if not settings.enabled or not pipeline.signature.batched:
            return None
        try:
            baseline = bundle.baseline()
            wanted = baseline is not None or settings.baseline_rows or settings.rules or settings.log
            if not wanted:
                return None
            return self._monitor(pipeline.name).open(pipeline.version, pipeline.signature, baseline)
        except Exception as error:
            _log.error(
                "model %s version %d is served without being monitored: %s",
                pipeline.name,
                pipeline.version,
                error,
                exc_info=None if isinstance(error, PenstockError) else error,
            )
            return None

    def activate(self, model: str, version: int) -> None:
        """Take note that a version is the one that answers from here on."""
        monitor = self._monitors.get(model)
        if monitor is not None:
            monitor.activate(version)

    def release(self, observer: object) -> None:
        """Take note that a version has answered its last request."""
        if self._ending:
            return  # its window stays open, and goes on in the next process
        for monitor in self.monitors().values():
            monitor.release(observer)

    def settle(self) -> None:
        """Forget alerts of an earlier process that no model of this one goes on with."""
        if self._dispatcher is not None:
            firing = (alert for monitor in self.monitors().values() for alert in monitor.firing())
            self._dispatcher.retain({alert.id for alert in firing})

    def ending(self) -> None:
        """Take note that the engine closes: windows are not closed for it."""
        self._ending = True

    def close(self) -> None:
        """Look once more, save what outlives the process, and let alerts go out for a moment."""
        with self._lock:
            self._closing = True
            thread, dispatcher = self._thread, self._dispatcher
        self._wake.set()
        if thread is not None:
            thread.join()
        for monitor in self.monitors().values():
            monitor.close(time.time())
        if dispatcher is not None:
            dispatcher.close()

    # -- the readers' side -----------------------------------------------------------------------

    def monitors(self) -> dict[str, Monitor]:
        """Return the monitors by model."""
        with self._lock:
            return dict(self._monitors)

    def monitor(self, model: str) -> Monitor:
        """Return the monitor of a model.

        Raises
        ------
        ModelNotFoundError
            When the model is not there, or is not monitored.
        """
        with self._lock:
            found = self._monitors.get(model)
        if found is None:
            raise ModelNotFoundError(
                f'model "{model}" is not monitored: its bundle has no baseline, which penstock pack '
                "--reference makes"
            )
        return found

    def subscribe(self, listener: Callable[[Event], None]) -> Callable[[], None]:
        """Call `listener` with a model and each alert or closed window of it, in the thread that looks.

        Returns
        -------
        callable
            Ends the subscription.
        """
        with self._lock:
            self._listeners.append(listener)

        def unsubscribe() -> None:
            with self._lock:
                if listener in self._listeners:
                    self._listeners.remove(listener)

        return unsubscribe

    @property
    def dispatcher(self) -> Dispatcher:
        """What sends alerts on; made when first asked for."""
        from penstock.monitor.sinks import Dispatcher

        with self._lock:
            if self._dispatcher is None:
                settings = self._config.monitor
                directory = Path(settings.directory, "alerts") if settings.directory else None
                self._dispatcher = Dispatcher(settings.sinks, directory)
            return self._dispatcher

    # -- the thread ------------------------------------------------------------------------------

    def _monitor(self, model: str) -> Monitor:
        from penstock.monitor.monitor import Monitor

        dispatcher = self.dispatcher
        with self._lock:
            known = self._monitors.get(model)
            if known is None:
                settings = self._config.monitor
                known = Monitor(
                    model,
                    self._config.model(model).monitor,
                    directory=Path(settings.directory) if settings.directory else None,
                    tell=functools.partial(self._tell, dispatcher, model),
                    wake=self._wake.set,
                    statistics=functools.partial(self._counters, model),
                )
                self._monitors[model] = known
            if self._thread is None and not self._closing:
                self._thread = threading.Thread(target=self._look, name="penstock-monitor", daemon=True)
                self._thread.start()
            return known

    def _counters(self, model: str, version: int) -> PipelineStatistics | None:
        found = (one for one in self._statistics() if (one.model, one.version) == (model, version))
        return next(found, None)

    def _tell(self, dispatcher: Dispatcher, model: str, what: Alert | ClosedWindow) -> None:
        from penstock.monitor.alerts import Alert

        if isinstance(what, Alert):
            dispatcher.send(what)
        with self._lock:
            listeners = list(self._listeners)
        for listener in listeners:
            try:
                listener((model, what))
            except Exception:
                _log.exception("a listener failed on an event of %s", model)

    def _look(self) -> None:
        while True:
            self._wake.wait(self._config.monitor.interval_s)
            self._wake.clear()
            for monitor in self.monitors().values():
                if self._closing:
                    return
                try:
                    monitor.tick(time.time())
                except Exception:
                    _log.exception("monitoring of %s failed", monitor.model)
