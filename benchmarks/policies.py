"""Batch policies for the simulator: ours, as compiled into the server, and what other servers do."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from penstock.batching import CostModel, decide

__all__ = ["FixedWindow", "Policy", "Run", "SizeOnly", "View", "Wait", "WorkConserving"]


class View(NamedTuple):
    """What a policy sees of a queue that is not empty while an executor is idle."""

    now_s: float
    waiting_rows: int
    head_rows: int
    oldest_arrival_s: float
    executors: int


class Run(NamedTuple):
    """Start a batch of at most so many rows now."""

    max_rows: int


class Wait(NamedTuple):
    """Leave the executor idle until a request comes, or at the latest until then."""

    until_s: float | None


class Policy(Protocol):
    """Decides what an idle executor does, and learns from batches that ended; one object a simulation."""

    @property
    def name(self) -> str: ...

    def decide(self, view: View) -> Run | Wait: ...

    def observe(self, rows: int, seconds: float) -> None: ...


@dataclass(slots=True)
class WorkConserving:
    """Penstock's: an idle executor never waits; learned cost and objective say how much a batch may hold."""

    max_batch_rows: int
    latency_slo_s: float
    name: str = "penstock"
    _cost: CostModel = field(default_factory=CostModel)

    def decide(self, view: View) -> Run | Wait:
        decision = decide(
            self._cost,
            now_s=view.now_s,
            waiting_rows=view.waiting_rows,
            head_rows=view.head_rows,
            oldest_arrival_s=view.oldest_arrival_s,
            executors=view.executors,
            max_batch_rows=self.max_batch_rows,
            latency_slo_s=self.latency_slo_s,
        )
        return Run(decision.max_rows)

    def observe(self, rows: int, seconds: float) -> None:
        self._cost.observe(rows, seconds)


@dataclass(frozen=True, slots=True)
class FixedWindow:
    """Waits until the batch is full or its oldest request has waited the window."""

    max_batch_rows: int
    window_s: float

    @property
    def name(self) -> str:
        return f"fixed window {1e3 * self.window_s:g} ms"

    def decide(self, view: View) -> Run | Wait:
        due_s = view.oldest_arrival_s + self.window_s
        if view.waiting_rows >= self.max_batch_rows or view.now_s >= due_s:
            return Run(self.max_batch_rows)
        return Wait(due_s)

    def observe(self, rows: int, seconds: float) -> None:
        pass


@dataclass(frozen=True, slots=True)
class SizeOnly:
    """Waits for a full batch, however long that takes."""

    batch_rows: int

    @property
    def name(self) -> str:
        return f"size only, {self.batch_rows} rows"

    def decide(self, view: View) -> Run | Wait:
        return Run(self.batch_rows) if view.waiting_rows >= self.batch_rows else Wait(None)

    def observe(self, rows: int, seconds: float) -> None:
        pass
