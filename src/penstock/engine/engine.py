"""All deployments of a process: what an application embeds and what the server serves."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from penstock.batching import Routes
from penstock.bundle.repository import Repository
from penstock.bundle.signature import Signature
from penstock.config import Config
from penstock.engine.failures import error_of
from penstock.engine.future import InferenceFuture
from penstock.engine.model import Model
from penstock.engine.monitoring import Monitoring
from penstock.engine.observer import Observer
from penstock.engine.pipeline import Pipeline
from penstock.engine.routing import RoutingTable
from penstock.engine.session import Arrays
from penstock.engine.statistics import LoadCounts, ModelStatus, PipelineStatistics, read_statistics
from penstock.engine.version import LoadedVersion
from penstock.errors import (
    InferenceError,
    ModelNotFoundError,
    ModelNotReadyError,
    PenstockError,
    SignatureError,
)
from penstock.imports import imported

if TYPE_CHECKING:
    from penstock.monitor.monitor import Monitor

__all__ = ["Engine"]

_log = logging.getLogger(__name__)


class Engine:
    """Serves the models of a repository inside this process; opens no port.

    Parameters
    ----------
    repository : str or Path
        Directory of ``<model>/<version>/`` bundles.
    config : Config, optional
        Settings by model; the defaults where left out.

    Raises
    ------
    ConfigError
        When the repository is not a directory, or may not be read. It may be empty.

    Notes
    -----
    Every model is loaded before the constructor returns, in the highest version that loads, unless
    the configuration names one. What does not load is logged, shown by :meth:`models`, and fails
    nothing else. All methods may be called from any thread. Use as a context manager, or call
    :meth:`close`.

    Examples
    --------
    ::

        with Engine("models") as engine:
            out = engine.predict("employment", {"input": rows})
    """

    def __init__(self, repository: str | Path, *, config: Config | None = None) -> None:
        self._config = config or Config()
        self._repository = Repository(repository)
        self._lock = threading.Lock()  # guards _models and _listeners, for a look or an insertion
        self._publish_lock = threading.Lock()
        self._models: dict[str, Model] = {}
        self._listeners: list[Callable[[str], None]] = []
        self._routes = Routes()
        self._table = RoutingTable()
        self._closed = False
        self._monitoring = Monitoring(self._config, self.statistics)
        self.refresh()
        self._monitoring.settle()

    def __enter__(self) -> Engine:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # -- inference -----------------------------------------------------------------------------

    def predict(
        self,
        model: str,
        columns: Any,
        *,
        version: int | None = None,
        outputs: Sequence[str] | None = None,
        ids: Sequence[str] | None = None,
    ) -> Arrays:
        """Score a batch at once, in this thread, past the queue.

        Parameters
        ----------
        model : str
        columns : mapping of str to array, pyarrow.RecordBatch, pyarrow.Table or ndarray
            See :meth:`penstock.engine.pipeline.Pipeline.score`.
        version : int, optional
            The active one where left out.
        outputs : sequence of str, optional
            All where left out.
        ids : sequence of str, optional
            What each row is called, for the prediction log and for labels that come later.

        Returns
        -------
        dict of str to ndarray
            In the order asked for, else of the signature.

        Raises
        ------
        SignatureError
            When the columns or outputs do not fit the model.
        ModelNotFoundError, ModelNotReadyError
        InferenceError
            When the model fails.
        """
        while True:
            loaded = self._table.resolve(model, version)
            observer = loaded.observer
            if observer is not None:
                observer.enter()
            try:
                names = loaded.signature.check_outputs(outputs)
                if observer is None:
                    answer = loaded.pipeline.score(columns)
                else:
                    answer = _observed(observer, loaded.pipeline, columns, ids)
            except SignatureError as error:
                loaded.target.refuse(error.name, error.reason, answered=False)
                raise
            except InferenceError:
                if self._is_current(loaded, model, version):
                    raise
                continue  # swapped and closed between the look-up and the run
            finally:
                if observer is not None:
                    observer.leave()
            return {name: answer[name] for name in names}

    def submit(
        self,
        model: str,
        columns: Any,
        *,
        version: int | None = None,
        outputs: Sequence[str] | None = None,
        timeout_s: float | None = None,
        priority: int = 0,
        request_id: str = "",
    ) -> InferenceFuture:
        """Queue a request, to share a batch with others.

        Parameters
        ----------
        model, columns, version, outputs
            As for :meth:`predict`. Arrays are not to be changed before the answer.
        timeout_s : float, optional
            The request is answered with DeadlineExceededError if it cannot run within this time.
        priority : int
            0 is served first, 2 last.
        request_id : str
            What the request is called, for the prediction log and for labels that come later.

        Returns
        -------
        InferenceFuture
            Its result is what :meth:`predict` returns; its exception may also be OverloadedError,
            DeadlineExceededError or CancelledError.

        Raises
        ------
        SignatureError, ModelNotFoundError, ModelNotReadyError
            As for :meth:`predict`, at once.
        """
        if priority not in (0, 1, 2):
            raise SignatureError(f'parameter "priority": expected an integer from 0 to 2, got {priority!r}')
        while True:
            loaded = self._table.resolve(model, version)
            try:
                names = loaded.signature.check_outputs(outputs)
                inputs, rows = loaded.pipeline.to_inputs(columns)
            except SignatureError as error:
                loaded.target.refuse(error.name, error.reason)
                raise
            known = [spec.name for spec in loaded.signature.outputs]
            future = InferenceFuture(loaded.version)
            ticket = loaded.queue.submit(
                loaded.target,
                future,
                inputs,
                rows,
                outputs=[known.index(name) for name in names],
                timeout_s=timeout_s,
                priority=priority,
                request_id=request_id,
                error_of=error_of,
            )
            if ticket is not None:
                future.follow(ticket)
                return future
            # Retired between the look-up and the hold; the next table is published already.

    def count_refusal(self, model: str, version: int | None, error: SignatureError) -> None:
        """Count a request that was refused before it came to :meth:`submit`, where its model is there."""
        with contextlib.suppress(ModelNotFoundError, ModelNotReadyError):
            self._table.resolve(model, version).target.refuse(error.name, error.reason)

    def signature(self, model: str, version: int | None = None) -> Signature:
        """Return what a version takes and gives.

        Raises
        ------
        ModelNotFoundError, ModelNotReadyError
        """
        return self._table.resolve(model, version).signature

    def active_version(self, model: str, version: int | None = None) -> int:
        """Return the version that answers requests which name `version`, or none.

        Raises
        ------
        ModelNotFoundError, ModelNotReadyError
        """
        return self._table.resolve(model, version).version

    # -- deployment ----------------------------------------------------------------------------

    def load(self, model: str, version: int | None = None) -> int:
        """Load a version beside the active one, then swap; requests under way finish on the old.

        Parameters
        ----------
        model : str
        version : int, optional
            Pins the model to it, also to roll back. Where left out the pin is lifted: the version of
            the configuration is served, else the highest.

        Returns
        -------
        int
            The version that is active now.

        Raises
        ------
        ModelNotFoundError
            When the repository has no such model or version.
        BundleError
            When it does not load; what was active stays so.
        ModelNotReadyError
            When the engine is closed.
        """
        return self._model(model).load(version)

    def unload(self, model: str) -> None:
        """Stop serving a model once its requests under way are answered; :meth:`load` serves it again.

        Raises
        ------
        ModelNotFoundError
        """
        with self._lock:
            known = self._models.get(model)
        if known is None:
            raise ModelNotFoundError(f'model "{model}" is not in the repository')
        known.unload()

    def refresh(self) -> None:
        """Look at the repository again: load versions that are new, forget models that are gone.

        Each model moves to the highest version that loads, or to the one that the configuration names.
        Models that were pinned or unloaded by a call stay as they are; failures are logged and shown by
        :meth:`models`, and tried again when the files of the version change.

        Raises
        ------
        ConfigError
            When the repository itself cannot be read; everything stays as it is.
        """
        self._repository.check()
        names = self._repository.models()
        for name in names:
            try:
                self._model(name).refresh()
            except PenstockError as error:  # gone meanwhile, or the engine is closed
                _log.debug("%s", error)
        with self._lock:
            gone = [self._models.pop(name) for name in list(self._models) if name not in names]
        for model in gone:
            model.close("not in the repository")

    def models(self) -> list[ModelStatus]:
        """Return the state of every version in the repository, by name and number."""
        with self._lock:
            models = sorted(self._models.items())
        return [status for _, model in models for status in model.statuses()]

    def ready(self) -> bool:
        """Tell whether every model that should be served is."""
        with self._lock:
            models = list(self._models.values())
        return not self._closed and all(model.ready for model in models)

    def statistics(self) -> list[PipelineStatistics]:
        """Return the counters of every loaded version."""
        found = []
        for route in list(self._table.values()):
            for loaded in route.versions.values():
                if not isinstance(loaded, str):
                    active = loaded is route.active
                    found.append(read_statistics(loaded.target, active, loaded.queue.waiting_rows))
        return found

    def load_counts(self) -> dict[str, LoadCounts]:
        """Return how often each model was loaded and how often that failed."""
        with self._lock:
            return {name: model.counts for name, model in self._models.items()}

    def subscribe(self, listener: Callable[[str], None]) -> Callable[[], None]:
        """Call `listener` with the name of a model after each change of its state, in any thread.

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

    def monitors(self) -> dict[str, Monitor]:
        """Return the monitor of every model that is monitored."""
        return self._monitoring.monitors()

    def monitor(self, model: str) -> Monitor:
        """Return what watches a model: windows, alerts, drift.

        Raises
        ------
        ModelNotFoundError
            When the model is not there, or is not monitored.
        """
        return self._monitoring.monitor(model)

    @property
    def monitoring(self) -> Monitoring:
        """All monitors, and where their alerts go."""
        return self._monitoring

    @property
    def routes(self) -> Routes:
        """The compiled routing table, for a native front."""
        return self._routes

    def close(self) -> None:
        """Answer what is queued, then free every model. May be called again.

        Waits for running and queued requests up to ``server.drain_timeout_s`` a model; what is left
        then is answered UNAVAILABLE.
        """
        with self._lock:
            self._closed = True
            models = list(self._models.values())
        self._monitoring.ending()
        for model in models:
            model.close("the engine is closed")
        self._monitoring.close()

    # -- internals -----------------------------------------------------------------------------

    def _model(self, name: str) -> Model:
        with self._lock:
            known = self._models.get(name)
        if known is not None:
            return known
        self._repository.versions(name)  # raises ModelNotFoundError
        with self._lock:
            if self._closed:
                raise ModelNotReadyError(f'model "{name}" is not ready: the engine is closed')
            fresh = Model(name, self._repository, self._config, self._publish, self._monitoring)
            return self._models.setdefault(name, fresh)

    def _is_current(self, loaded: LoadedVersion, model: str, version: int | None) -> bool:
        try:
            return self._table.resolve(model, version) is loaded
        except (ModelNotFoundError, ModelNotReadyError):
            return False

    def _publish(self, changed: str) -> None:
        """Rebuild the table from the models and put it in force; called by a model after each change."""
        with self._publish_lock:
            with self._lock:
                models = list(self._models.items())
            table = RoutingTable({name: model.route() for name, model in models})
            self._table = table
            self._routes.publish(_native(table))
        with self._lock:
            listeners = list(self._listeners)
        _notify(listeners, changed)


def _observed(observer: Observer, pipeline: Pipeline, columns: Any, ids: Sequence[str] | None) -> Arrays:
    """Score columns and let the observer see them, as arrays where there is no transform to read them."""
    arrow = imported("pyarrow")
    if arrow is not None and isinstance(columns, arrow.RecordBatchReader):
        columns = columns.read_all()  # it can be read once
    if pipeline.transform is None:
        columns, rows = pipeline.to_inputs(columns)
        if observer.checks:
            observer.check(columns, rows)
        answer = pipeline.run(columns)
    else:
        if observer.checks:
            observer.check(*pipeline.to_inputs(columns))
        answer = pipeline.score(columns)
        rows = len(next(iter(answer.values())))
    if ids is not None and len(ids) != rows:
        raise SignatureError(f"ids: expected {rows}, as there are rows, got {len(ids)}", reason="rows")
    observer.observe(columns, answer, rows, None if ids is None else (ids, [1] * rows))
    return answer


def _native(table: RoutingTable) -> dict[str, Any]:
    native = {}
    for name, route in table.items():
        versions = {
            number: (None, found) if isinstance(found, str) else (found.target, "")
            for number, found in route.versions.items()
        }
        native[name] = (route.active.target if route.active else None, route.reason, versions)
    return native


def _notify(listeners: Iterable[Callable[[str], None]], changed: str) -> None:
    for listener in listeners:
        try:
            listener(changed)
        except Exception:
            _log.exception("a listener failed on a change of %s", changed)
