"""What an engine says of itself: plain, frozen values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from penstock.batching import Target
from penstock.engine.failures import CODE_NAMES

__all__ = ["Histogram", "LoadCounts", "ModelState", "ModelStatus", "PipelineStatistics", "read_statistics"]

ModelState = Literal["READY", "LOADING", "UNLOADING", "UNAVAILABLE"]


@dataclass(frozen=True, slots=True)
class ModelStatus:
    """State of one version of a model; ``reason`` says why it is not ready."""

    name: str
    version: int
    state: ModelState
    reason: str = ""
    active: bool = False


@dataclass(frozen=True, slots=True)
class LoadCounts:
    """How often a model was loaded, and how often that failed."""

    loads: int = 0
    failures: int = 0


@dataclass(frozen=True, slots=True)
class Histogram:
    """Counts by upper bound, the last beyond all bounds; not cumulative."""

    bounds: tuple[float, ...]
    counts: tuple[int, ...]
    sum: float


@dataclass(frozen=True, slots=True)
class PipelineStatistics:
    """What one loaded version did since it was loaded."""

    model: str
    version: int
    active: bool
    requests: dict[str, int]
    """Answers by gRPC status name."""
    rows: int
    """Rows answered OK."""
    batches: int
    batch_reasons: dict[str, int]
    """Batches by what limited their size."""
    queue_rows: int
    """Rows that wait now, of all versions of the model."""
    last_inference_ms: int
    """Time of the last answer, milliseconds since the epoch; 0 before the first."""
    queue_s: Histogram
    execution_s: Histogram
    batch_rows: Histogram
    request_s: Histogram
    base_cost_s: float
    """Learned cost of a batch, whatever its size."""
    row_cost_s: float
    """Learned cost of one more row."""
    refusals: dict[tuple[str, str], int]
    """Requests that did not fit, by input and reason; see :data:`penstock.batching.REFUSAL_REASONS`. An input
    that the model does not have is `other`; what is wrong with the request itself has no name. Those that
    :meth:`Engine.predict` refused are here and not among the requests."""


def _histogram(parts: Any) -> Histogram:
    bounds, counts, total = parts
    return Histogram(tuple(bounds), tuple(counts), total)


def read_statistics(target: Target, active: bool, queue_rows: int) -> PipelineStatistics:
    """Read the counters of a target."""
    raw = target.statistics()
    requests = {name: n for name, n in zip(CODE_NAMES, raw["requests"], strict=True) if n}
    return PipelineStatistics(
        model=target.model,
        version=target.version,
        active=active,
        requests=requests,
        rows=raw["rows"],
        batches=raw["batches"],
        batch_reasons=raw["decisions"],
        queue_rows=queue_rows,
        last_inference_ms=raw["last_inference_ms"],
        queue_s=_histogram(raw["queue_s"]),
        execution_s=_histogram(raw["execution_s"]),
        batch_rows=_histogram(raw["batch_rows"]),
        request_s=_histogram(raw["request_s"]),
        base_cost_s=raw["cost"][0],
        row_cost_s=raw["cost"][1],
        refusals=raw["refusals"],
    )
