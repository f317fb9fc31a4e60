"""The methods of ``penstock.v1.Monitoring``, over the monitors of an Engine.

Each takes a parsed message and a :class:`~penstock.serve.call.Call`, and raises what
``penstock.serve.status`` maps. Read next: control.py, which registers them.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final, TypeVar

from penstock.errors import SignatureError
from penstock.protos import message_class
from penstock.serve.call import Call, ShutdownError

if TYPE_CHECKING:
    from penstock.engine.engine import Engine
    from penstock.engine.monitoring import Event
    from penstock.monitor.alerts import Alert
    from penstock.monitor.history import ClosedWindow
    from penstock.monitor.live_quality import QualityReport
    from penstock.monitor.report.report import FeatureDrift

__all__ = ["MonitoringService"]

T = TypeVar("T")

_EVENTS: Final = 1024
"""Events that wait for a client that reads slowly; beyond them the oldest go."""

_message = functools.partial(message_class, package="penstock.v1")


class MonitoringService:
    """Drift, alerts and labels. Runs on the event loop; what computes goes to a thread.

    Parameters
    ----------
    engine : Engine
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="penstock-reports")
        self._draining = asyncio.Event()

    def drain(self) -> None:
        """End the streams."""
        self._draining.set()

    def close(self) -> None:
        """Refuse further work; what runs is not waited for."""
        self._executor.shutdown(wait=False, cancel_futures=True)

    async def _blocking(self, function: Callable[..., T], *arguments: Any) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, function, *arguments)

    async def report(self, request: Any, call: Call) -> Any:
        """Answer how the latest rows compare with the baseline."""
        monitor = self._engine.monitor(request.model)
        if request.false_alarms and not 0 < request.false_alarms < 1:
            raise SignatureError(f"false_alarms: expected above 0 to below 1, got {request.false_alarms}")
        found = await self._blocking(
            functools.partial(
                monitor.report, windows=request.windows or None, false_alarms=request.false_alarms or 0.01
            )
        )
        status = await self._blocking(monitor.status)
        return _message("ReportResponse")(
            model=request.model,
            version=status.version or 0,
            reference_rows=found.n_reference,
            current_rows=found.n_current,
            false_alarms=found.false_alarms,
            features=[_feature(feature) for feature in found.features],
            metrics=_metrics(await self._blocking(monitor.quality)),
            firing=[_alert(alert) for alert in await self._blocking(monitor.firing)],
            notes=found.notes,
        )

    async def watch(self, request: Any, call: Call) -> None:
        """Send events until the client leaves or the server drains."""
        if request.model:
            self._engine.monitor(request.model)
        loop = asyncio.get_running_loop()
        events: asyncio.Queue[Any] = asyncio.Queue(_EVENTS)

        def arrive(event: Event) -> None:
            model, what = event
            if request.model in ("", model):
                message = _event(what, request.windows)
                if message is not None and not loop.is_closed():
                    loop.call_soon_threadsafe(_put, events, message)

        unsubscribe = self._engine.monitoring.subscribe(arrive)
        drained = asyncio.ensure_future(self._draining.wait())
        try:
            while True:
                waiting = asyncio.ensure_future(events.get())
                await asyncio.wait((waiting, drained), return_when=asyncio.FIRST_COMPLETED)
                if not waiting.done():
                    waiting.cancel()
                    raise ShutdownError
                await call.write(waiting.result())
        finally:
            drained.cancel()
            unsubscribe()

    async def feedback(self, request: Any, call: Call) -> Any:
        """Join labels with rows that were answered."""
        monitor = self._engine.monitor(request.model)
        labels: list[Any] = list(request.labels) or list(request.text_labels)
        if request.labels and request.text_labels:
            raise SignatureError("expected labels or text_labels, got both")
        for name, values in (("labels", labels), ("times_s", request.times_s)):
            count = len(request.ids)
            if len(values) != count and (name == "labels" or values):
                raise SignatureError(f"{name}: expected {count}, as there are ids, got {len(values)}")
        times_s = list(request.times_s) or None
        result = await self._blocking(monitor.feedback, list(request.ids), labels, times_s)
        return _message("FeedbackResponse")(
            joined=result.rows,
            unknown=result.unknown,
            duplicate=result.duplicate,
            contradictory=result.contradictory,
            waiting=result.waiting,
            invalid=result.invalid,
            late=result.late,
        )

    async def snapshot(self, request: Any, call: Call) -> Any:
        """Answer what was counted since the snapshot before."""
        monitor = self._engine.monitor(request.model)
        found = await self._blocking(monitor.snapshot, request.version or None)
        if found is None:
            return _message("SnapshotResponse")()
        return _message("SnapshotResponse")(state=found.to_bytes(), rows=found.window.rows)

    async def merge(self, request: Any, call: Call) -> Any:
        """Count what another process counted."""
        from penstock.monitor.snapshot import Snapshot

        snapshot = Snapshot.from_bytes(request.state)
        monitor = self._engine.monitor(snapshot.window.model)
        return _message("MergeResponse")(merged=await self._blocking(monitor.merge, snapshot))


def _put(events: asyncio.Queue[Any], message: Any) -> None:
    if events.full():
        events.get_nowait()
    events.put_nowait(message)


def _event(what: Alert | ClosedWindow, windows: bool) -> Any:
    from penstock.monitor.alerts import Alert

    if isinstance(what, Alert):
        return _message("WatchEvent")(alert=_alert(what))
    return _message("WatchEvent")(window=_window(what)) if windows else None


def _window(closed: ClosedWindow) -> Any:
    window, report = closed.window, closed.reports.get("baseline")
    return _message("Window")(
        model=window.model,
        version=window.version,
        begin_s=window.begin_s,
        end_s=window.end_s,
        rows=window.rows,
        complete=window.complete,
        alarms=[] if report is None else [feature.name for feature in report.alarms],
    )


def _alert(alert: Alert) -> Any:
    fields = alert.to_dict()
    del fields["subjects"]
    fields["share"] = alert.share
    for name in ("findings", "consequences"):
        fields[name] = [
            finding.to_dict() | {"effect": finding.effect, "evidence": finding.evidence}
            for finding in getattr(alert, name)
        ]
    return _message("Alert")(**fields)


def _metrics(quality: QualityReport | None) -> list[Any]:
    """Return every metric of a report, with its kind and slice."""
    if quality is None:
        return []
    parts = [("baseline", "", quality.baseline), ("estimated", "", quality.estimated)]
    parts += [("realised", "", quality.realised)]
    parts += [
        ("realised", f"{column}={value}", found)
        for column, values in quality.slices.items()
        for value, found in values.items()
    ]
    return [
        _message("Metric")(
            name=name,
            value=metric.value,
            low=metric.low,
            high=metric.high,
            rows=metric.rows,
            kind=kind,
            slice=part,
            version=quality.version,
        )
        for kind, part, found in parts
        for name, metric in found.items()
    ]


def _feature(feature: FeatureDrift) -> Any:
    return _message("FeatureDrift")(
        name=feature.name,
        kind=feature.kind,
        role=feature.role,
        alarm=feature.alarm,
        severity=feature.severity,
        reason=feature.reason,
        effect=feature.effect,
        p_value=feature.p_value,
        statistics={name: float(value) for name, value in feature.statistics.items()},
        checks=[
            _message("Check")(
                name=check.name,
                value=check.value,
                p_value=check.p_value,
                adjusted=check.adjusted,
                effect=check.effect,
                reason=check.reason,
                alarm=check.alarm,
            )
            for check in feature.checks
        ],
    )
