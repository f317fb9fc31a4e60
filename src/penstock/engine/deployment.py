"""The live state of one model: its queue, its executors and the versions that are loaded."""

from __future__ import annotations

import logging
from collections.abc import Callable

from penstock.batching import Queue, Target
from penstock.config import ModelConfig
from penstock.engine.executor import Executor
from penstock.engine.observer import Observer
from penstock.engine.pipeline import Pipeline
from penstock.engine.version import LoadedVersion

__all__ = ["Deployment"]

_log = logging.getLogger(__name__)


class Deployment:
    """Queue and executors of one model name.

    Parameters
    ----------
    name : str
    config : ModelConfig

    Notes
    -----
    The owner serialises :meth:`add` and :meth:`drain`; everything else is thread-safe.
    """

    def __init__(self, name: str, config: ModelConfig) -> None:
        self.name = name
        self.queue = Queue(
            max_batch_rows=config.max_batch_rows,
            max_queue_rows=config.max_queue_rows,
            latency_slo_s=config.latency_slo_ms / 1e3,
            promote_after_s=config.promote_after_ms / 1e3,
            executors=config.instances,
        )
        self._versions: dict[int, LoadedVersion] = {}
        self._executors = [
            Executor(f"penstock-{name}-{i}", self.queue, self._versions.__getitem__)
            for i in range(config.instances)
        ]

    def add(self, pipeline: Pipeline, observer: Observer | None = None) -> LoadedVersion:
        """Make a pipeline runnable; requests reach it once its target is published."""
        # A rule that may refuse rows is asked before they are scored.
        needs_python = observer is not None and (observer.checks or observer.batches is None)
        target = Target(
            self.name,
            pipeline.version,
            pipeline.signature,
            self.queue,
            runner=None if needs_python else pipeline.runner,
            observer=None if observer is None else observer.batches,
            wants_ids=observer is not None and observer.wants_ids,
        )
        for rows, seconds in pipeline.warm_costs:
            target.learn(rows, seconds)
        loaded = LoadedVersion(pipeline, target, self.queue, observer)
        self._versions[target.key] = loaded
        return loaded

    def drain(self, loaded: LoadedVersion, patience: Callable[[], bool]) -> None:
        """Close a version when its last request is answered.

        Parameters
        ----------
        loaded : LoadedVersion
            No longer published.
        patience : callable
            Asked every second; false gives up waiting and closes all the same.
        """
        loaded.target.retire()
        while not loaded.target.wait_drained(1.0):
            if not patience():
                _log.warning(
                    "%s version %d closes with %d requests unanswered",
                    self.name,
                    loaded.version,
                    loaded.target.holds,
                )
                break
        del self._versions[loaded.target.key]
        loaded.pipeline.close()

    def close(self) -> None:
        """Stop the executors; what waits is answered UNAVAILABLE."""
        self.queue.close()
        for executor in self._executors:
            executor.join()
