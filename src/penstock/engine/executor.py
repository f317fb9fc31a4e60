"""Threads that take batches from a queue, run pipelines and answer the requests."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from penstock.batching import Batch, Queue
from penstock.engine.failures import INTERNAL, INVALID_ARGUMENT
from penstock.engine.version import LoadedVersion
from penstock.errors import SignatureError

__all__ = ["Executor"]

_log = logging.getLogger(__name__)


class Executor:
    """One thread of a deployment; ends when the queue is closed.

    Parameters
    ----------
    name : str
        Of the thread.
    queue : Queue
    version_of : callable
        The version behind :attr:`Batch.key`.
    """

    def __init__(self, name: str, queue: Queue, version_of: Callable[[int], LoadedVersion]) -> None:
        self._queue = queue
        self._version_of = version_of
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    def join(self) -> None:
        """Wait for the thread to end."""
        self._thread.join()

    def _work(self) -> None:
        while True:
            try:
                batch = self._queue.next()
            except MemoryError:
                _log.error("no memory to gather a batch; its requests were answered INTERNAL")
                continue
            if batch is None:
                return
            try:
                if batch.seen:
                    self._tell(batch)
                elif batch.answered:
                    self._observe(batch)
                else:
                    self._run(batch)
            except Exception:
                _log.exception("an executor could not answer a batch; its requests were answered INTERNAL")
            # The next wait may be long: keep no batch alive over it.
            del batch

    def _tell(self, batch: Batch) -> None:
        version = self._version_of(batch.key)
        if version.observer is not None:
            version.observer.tell()

    def _observe(self, batch: Batch) -> None:
        """Show a batch that was answered without Python."""
        version = self._version_of(batch.key)
        if version.observer is not None:
            columns, outputs = version.pipeline.inputs_of(batch), batch.outputs(version.signature)
            ids = batch.request_ids() if version.observer.wants_ids else None
            version.observer.observe(columns, outputs, batch.rows, ids)

    def _run(self, batch: Batch) -> None:
        observer = None
        try:
            version = self._version_of(batch.key)
            pipeline, observer = version.pipeline, version.observer
            if observer is not None:
                observer.enter()
            columns = pipeline.inputs_of(batch)
            if observer is not None and observer.checks:
                observer.check(columns, batch.rows)
            outputs = pipeline.run(columns)
            ids = batch.request_ids() if observer is not None and observer.wants_ids else None
            batch.complete(pipeline.signature, outputs)
        except Exception as error:
            if batch.requests > 1:
                # One bad request must not fail those that happened to share its batch: run it in halves.
                for part in batch.split():
                    self._run(part)
            elif isinstance(error, SignatureError):
                version.target.refuse(error.name, error.reason, answered=False)
                batch.fail(INVALID_ARGUMENT, str(error))
            else:
                batch.fail(INTERNAL, "inference failed", f"{type(error).__name__}: {error}")
        else:
            if observer is not None:
                observer.observe(columns, outputs, batch.rows, ids)
        finally:
            if observer is not None:
                observer.leave()
