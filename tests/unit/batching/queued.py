"""A queue with one version of a model behind it, driven by hand: what is submitted waits until `next`."""

from __future__ import annotations

from typing import Any

import numpy as np

from penstock.batching import Batch, Queue, Target
from penstock.bundle.signature import Signature, TensorSpec
from penstock.engine.failures import error_of
from penstock.engine.future import InferenceFuture
from penstock.engine.statistics import PipelineStatistics, read_statistics

WIDE = Signature((TensorSpec("x", "INT64", (-1, -1)),), (TensorSpec("y", "INT64", (-1, -1)),), batched=True)
"""One input of any width; :func:`echo` answers with what came."""


def identity_of(datatype: str, shape: tuple[int, ...], batched: bool = True) -> Signature:
    """Return the signature of a model that answers `y` = `x`."""
    return Signature((TensorSpec("x", datatype, shape),), (TensorSpec("y", datatype, shape),), batched)


class Line:
    """A queue and one target on it."""

    def __init__(self, signature: Signature = WIDE, **settings: Any) -> None:
        self.queue = Queue(**settings)
        self.signature = signature
        self.target = Target("m", 1, signature, self.queue)

    def submit(self, x: Any, *, target: Target | None = None, **options: Any) -> InferenceFuture:
        """Queue a request; a number stands for one row of one column."""
        array = np.full((1, 1), x) if isinstance(x, int) else x
        rows = len(array) if self.signature.batched else 1
        target = target or self.target
        future = InferenceFuture(target.version)
        ticket = self.queue.submit(target, future, {"x": array}, rows, error_of=error_of, **options)
        assert ticket is not None
        future.follow(ticket)
        return future

    def next(self) -> Batch:
        batch = self.queue.next()
        assert batch is not None
        return batch

    def numbers(self) -> list[int]:
        """Run a batch; return the first column of its rows."""
        batch = self.next()
        column = batch.inputs(self.signature)["x"][:, 0].tolist()
        echo(batch, self.signature)
        return list(column)

    def statistics(self) -> PipelineStatistics:
        return read_statistics(self.target, True, self.queue.waiting_rows)


def echo(batch: Batch, signature: Signature) -> None:
    """Answer a batch with its inputs."""
    batch.complete(signature, {"y": batch.inputs(signature)["x"]})
