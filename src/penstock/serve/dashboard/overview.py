"""What the page shows first: every deployment at a glance."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from penstock import __version__
from penstock.serve.dashboard.alerts import alert_list
from penstock.serve.dashboard.heat_map import cells
from penstock.serve.dashboard.traffic import now

if TYPE_CHECKING:
    from penstock.engine.engine import Engine
    from penstock.engine.statistics import ModelStatus, PipelineStatistics
    from penstock.monitor.monitor import Monitor
    from penstock.serve.dashboard.samples import Samples

__all__ = ["overview"]

MOST_MODELS: Final = 200
MOST_VERSIONS: Final = 30
_LONGEST: Final = 600


def overview(
    engine: Engine, samples: Samples, unready: list[dict[str, Any]], *, now_s: float, started_s: float
) -> dict[str, Any]:
    """Return the state of every deployment, its rates, its drift and what fires.

    Parameters
    ----------
    engine : Engine
    samples : Samples
    unready : list of dict
        Why the server is not ready; empty when it is.
    now_s, started_s : float
        Seconds since the epoch.
    """
    monitors, loads = engine.monitors(), engine.load_counts()
    counters = {(one.model, one.version): one for one in engine.statistics()}
    by_model: dict[str, list[ModelStatus]] = {}
    for status in engine.models():
        by_model.setdefault(status.name, []).append(status)
    models = [
        {
            "name": name,
            **_versions(statuses, counters),
            "loads": loads[name].loads if name in loads else 0,
            "load_failures": loads[name].failures if name in loads else 0,
            "now": now(samples, name),
            "drift": _drift(monitors[name]) if name in monitors else None,
        }
        for name, statuses in list(by_model.items())[:MOST_MODELS]
    ]
    firing = [alert for monitor in monitors.values() for alert in monitor.firing()]
    return {
        "now_s": now_s,
        "started_s": started_s,
        "server": __version__,
        "ready": not unready,
        "reasons": unready[:MOST_MODELS],
        "models": models,
        "n_models": len(by_model),
        "alerts": alert_list(firing, ()),
        "n_firing": len(firing),
    }


def _versions(
    statuses: Iterable[ModelStatus], counters: dict[tuple[str, int], PipelineStatistics]
) -> dict[str, Any]:
    """Return the versions of a model: those that are loaded first, then from the newest."""
    order = sorted(statuses, key=lambda one: (not one.active, one.state == "UNAVAILABLE", -one.version))
    versions = [
        {
            "version": one.version,
            "state": one.state,
            "reason": one.reason[:_LONGEST],
            "active": one.active,
            **_counted(counters.get((one.name, one.version))),
        }
        for one in order[:MOST_VERSIONS]
    ]
    active = next((one.version for one in order if one.active), None)
    return {"active": active, "versions": versions, "n_versions": len(order)}


def _counted(counters: PipelineStatistics | None) -> dict[str, Any]:
    if counters is None:
        return {}
    return {
        "requests": sum(counters.requests.values()),
        "failures": sum(counters.requests.values()) - counters.requests.get("OK", 0),
        "codes": counters.requests,
        "rows": counters.rows,
        "batches": counters.batches,
        "last_inference_s": counters.last_inference_ms / 1000 or None,
        "base_cost_s": counters.base_cost_s,
        "row_cost_s": counters.row_cost_s,
    }


def _drift(monitor: Monitor) -> dict[str, Any]:
    """Return how a model is watched, and what its last closed window found."""
    status, closed, opened = monitor.status(), monitor.windows(1), monitor.current()
    last = closed[-1] if closed else None
    report = None if last is None else last.reports.get("baseline")
    moved = [] if report is None else [feature.name for feature in report.alarms]
    ranks = [0] if report is None else [cell.rank for cell in cells(report).values()]
    open_rows = 0 if opened is None else opened.rows
    return {
        **dataclasses.asdict(status),
        "rows": {str(version): rows for version, rows in status.rows.items()},
        "open": None if opened is None else {"begin_s": opened.begin_s, "rows": open_rows},
        "window_s": monitor.settings.window_s,
        "window_rows": monitor.settings.window_rows,
        "false_alarms_per_week": monitor.settings.false_alarms_per_week,
        "last_end_s": None if last is None else last.window.end_s,
        "features": None if report is None else len(report),
        "moved": moved[:MOST_VERSIONS],
        "n_moved": len(moved),
        "worst": max(ranks, default=0),
    }
