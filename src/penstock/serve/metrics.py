"""Prometheus metrics of a running server, read from the engine when they are scraped.

Nothing is counted here: the engine, the front and the control plane keep their own
counters. Labels are bounded: model, version, method, code, input, reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from penstock import __version__
from penstock.serve.monitor_metrics import monitor_metrics

if TYPE_CHECKING:
    from penstock.engine.engine import Engine
    from penstock.engine.statistics import Histogram

__all__ = ["EngineCollector", "make_registry"]

_VERSION_LABELS = ("model", "version")


class EngineCollector(Collector):
    """Metrics of an engine and of what serves it.

    Parameters
    ----------
    engine : callable returning Engine or None
        None before the engine is there; then only the server's own metrics are given.
    calls : callable returning dict
        Ended calls of the control plane by (method, code).
    front : callable returning dict
        What the native front counts, empty without one; see :class:`penstock.serve.front.Front`.
    """

    def __init__(
        self,
        engine: Callable[[], Engine | None],
        calls: Callable[[], Mapping[tuple[str, str], int]] | None = None,
        front: Callable[[], Mapping[str, Any]] | None = None,
    ) -> None:
        self._engine = engine
        self._calls = calls
        self._front = front

    def collect(self) -> Iterator[Metric]:
        """Yield every family."""
        yield InfoMetricFamily("penstock_build", "The server.", {"version": __version__})
        engine = self._engine()
        if engine is not None:
            yield from _pipelines(engine)
            yield from _loads(engine)
            yield _ready(engine)
            yield from monitor_metrics(engine)
        if self._calls is not None:
            yield _control(self._calls())
        front = self._front() if self._front is not None else {}
        if front:
            yield from _front(front)


def make_registry(collector: EngineCollector) -> CollectorRegistry:
    """Return a registry of its own for a collector and the process."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(collector)
    ProcessCollector(namespace="penstock", registry=registry)
    return registry


def _pipelines(engine: Engine) -> Iterator[Metric]:
    requests = CounterMetricFamily(
        "penstock_requests", "Requests that ended, by gRPC status code.", labels=(*_VERSION_LABELS, "code")
    )
    rows = CounterMetricFamily("penstock_rows", "Rows answered.", labels=_VERSION_LABELS)
    batches = CounterMetricFamily("penstock_batches", "Batches run.", labels=_VERSION_LABELS)
    limits = CounterMetricFamily(
        "penstock_batch_limits",
        "Batches run, by what limited their rows.",
        labels=(*_VERSION_LABELS, "reason"),
    )
    refused = CounterMetricFamily(
        "penstock_refused_inputs",
        "Requests that did not fit the model, by input and reason.",
        labels=(*_VERSION_LABELS, "input", "reason"),
    )
    queue_rows = GaugeMetricFamily("penstock_queue_rows", "Rows in the queue.", labels=("model",))
    base_s = _gauge("penstock_batch_base_cost_seconds", "Learned cost of a batch of any size.")
    row_s = _gauge("penstock_batch_row_cost_seconds", "Learned cost of one more row in a batch.")
    waiting: dict[str, int] = {}
    queue_s = _histogram("penstock_queue_seconds", "Time of requests in the queue.")
    execution_s = _histogram("penstock_execution_seconds", "Time of batches in the model.")
    batch_rows = _histogram("penstock_batch_rows", "Rows of batches.")
    request_s = _histogram("penstock_request_seconds", "Time of requests from arrival to answer.")
    for pipeline in engine.statistics():
        labels = (pipeline.model, str(pipeline.version))
        for code, count in sorted(pipeline.requests.items()):
            requests.add_metric((*labels, code), count)
        rows.add_metric(labels, pipeline.rows)
        batches.add_metric(labels, pipeline.batches)
        for reason, count in sorted(pipeline.batch_reasons.items()):
            limits.add_metric((*labels, reason), count)
        for cell, count in sorted(pipeline.refusals.items()):
            refused.add_metric((*labels, *cell), count)
        base_s.add_metric(labels, pipeline.base_cost_s)
        row_s.add_metric(labels, pipeline.row_cost_s)
        waiting[pipeline.model] = pipeline.queue_rows
        for family, histogram in (
            (queue_s, pipeline.queue_s),
            (execution_s, pipeline.execution_s),
            (batch_rows, pipeline.batch_rows),
            (request_s, pipeline.request_s),
        ):
            family.add_metric(labels, buckets=_buckets(histogram), sum_value=histogram.sum)
    for model, count in waiting.items():
        queue_rows.add_metric((model,), count)
    yield from (requests, rows, batches, limits, refused, queue_rows, base_s, row_s)
    yield from (queue_s, execution_s, batch_rows, request_s)


def _gauge(name: str, documentation: str) -> Any:
    return GaugeMetricFamily(name, documentation, labels=_VERSION_LABELS)


def _histogram(name: str, documentation: str) -> Any:
    return HistogramMetricFamily(name, documentation, labels=_VERSION_LABELS)


def _buckets(histogram: Histogram) -> list[tuple[str, float]]:
    buckets: list[tuple[str, float]] = []
    total = 0
    for bound, count in zip((*histogram.bounds, float("inf")), histogram.counts, strict=True):
        total += count
        buckets.append(("+Inf" if bound == float("inf") else repr(float(bound)), total))
    return buckets


def _loads(engine: Engine) -> Iterator[Metric]:
    loads = CounterMetricFamily("penstock_model_loads", "Versions loaded and swapped in.", labels=("model",))
    failures = CounterMetricFamily(
        "penstock_model_load_failures", "Versions that failed to load.", labels=("model",)
    )
    for model, counts in sorted(engine.load_counts().items()):
        loads.add_metric((model,), counts.loads)
        failures.add_metric((model,), counts.failures)
    yield from (loads, failures)


def _ready(engine: Engine) -> Metric:
    ready = GaugeMetricFamily(
        "penstock_model_ready", "1 for a version that can answer.", labels=_VERSION_LABELS
    )
    for status in engine.models():
        ready.add_metric((status.name, str(status.version)), status.state == "READY")
    return ready


def _control(calls: Mapping[tuple[str, str], int]) -> Metric:
    family = CounterMetricFamily(
        "penstock_control_calls", "Calls that the control plane answered.", labels=("method", "code")
    )
    for labels, count in sorted(calls.items()):
        family.add_metric(labels, count)
    return family


_FRONT_GAUGES = {
    "connections": ("open_connections", "Connections that are open."),
    "streams": ("open_streams", "Streams that are open."),
    "incoming_bytes": ("incoming_bytes", "Bytes of messages that are not complete yet."),
}
_FRONT_COUNTERS = {
    "connections_total": "Connections that were accepted.",
    "connections_refused": "Connections over the limit.",
    "connections_cut": "Connections closed for breaking a limit or the protocol.",
    "infer_calls": "ModelInfer calls answered by the native front.",
    "forwarded_calls": "Calls forwarded to the control plane.",
}


def _front(statistics: Mapping[str, Any]) -> Iterator[Metric]:
    for name, (family, documentation) in _FRONT_GAUGES.items():
        yield GaugeMetricFamily(f"penstock_front_{family}", documentation, statistics[name])
    for name, documentation in _FRONT_COUNTERS.items():
        family = f"penstock_front_{name.removesuffix('_total')}"
        yield CounterMetricFamily(family, documentation, statistics[name])
    refused = CounterMetricFamily(
        "penstock_front_refused", "ModelInfer calls that reached no model, by status code.", labels=("code",)
    )
    for code, count in sorted(statistics["refused"].items()):
        refused.add_metric((code,), count)
    yield refused
