"""Everything about one feature in one window, and how it got there."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from penstock.serve.dashboard.heat_map import MOST_WINDOWS, OPEN, cells, window_id

if TYPE_CHECKING:
    from penstock.monitor.history.closed import ClosedWindow
    from penstock.monitor.report.report import DriftReport, FeatureDrift
    from penstock.monitor.window import Window

__all__ = ["one_feature"]


def one_feature(
    closed: Sequence[ClosedWindow],
    opened: tuple[Window, DriftReport] | None,
    name: str,
    *,
    window: str = "",
    compare: str = "baseline",
) -> dict[str, Any] | None:
    """Return the histograms, statistics and checks of a feature in a window.

    Parameters
    ----------
    closed : sequence of ClosedWindow
        Oldest first.
    opened : (Window, DriftReport), optional
    name : str
    window : str
        As :func:`~penstock.serve.dashboard.heat_map.window_id` names it, or ``open``; the newest closed one
        with this feature where left out, the open one where there is none.
    compare : str, default "baseline"

    Returns
    -------
    dict or None
        None where no such window was compared, or it has no such feature.
    """
    from penstock.monitor.report.detail import detail

    compared = [
        (window_id(one.window), one.window, one.reports[compare])
        for one in closed[-MOST_WINDOWS:]
        if compare in one.reports and name in cells(one.reports[compare])
    ]
    if opened is not None and compare == "baseline" and name in cells(opened[1]):
        compared.append((OPEN, *opened))
    wanted = window or next((found for found, _, _ in reversed(compared) if found != OPEN), OPEN)
    place = next((place for place, (found, _, _) in enumerate(compared) if found == wanted), None)
    if place is None:
        return None
    identity, where, report = compared[place]
    feature = report[name]
    return {
        "name": name,
        "role": feature.role,
        "kind": feature.kind,
        "type": feature.reference.type,
        "compare": compare,
        "window": {
            "id": identity,
            "version": where.version,
            "begin_s": where.begin_s,
            "end_s": where.end_s,
            "rows": where.rows,
            "complete": where.complete,
        },
        "n_reference": report.n_reference,
        "n_current": report.n_current,
        "notes": list(report.notes),
        "alarm": feature.alarm,
        "severity": feature.severity,
        "reason": feature.reason,
        "effect": _plain(feature.effect),
        "p_value": _plain(feature.p_value),
        "detail": detail(feature),
        "windows": [found for found, _, _ in compared],
        "history": _history([(found[1], found[2]) for found in compared], name),
    }


def _history(compared: Sequence[tuple[Window, DriftReport]], name: str) -> dict[str, list[Any]]:
    """Return how the feature went, window by window."""
    history: dict[str, list[Any]] = {"end_s": [], "effect": [], "alarm": []}
    for window, report in compared:
        cell = cells(report)[name]
        history["end_s"].append(window.end_s)
        history["effect"].append(cell.effect)
        history["alarm"].append(cell.rank)
        for what, value in _shares(report[name]).items():
            history.setdefault(what, []).append(value)
    return history


def _shares(feature: FeatureDrift) -> dict[str, float | None]:
    current = feature.current
    found: dict[str, float] = {"missing": current.missing_share}
    if feature.kind == "categorical":
        found["unseen"] = current.unseen_share
    else:
        found["mean"] = current.mean
        found["out_of_range"] = current.out_of_range_share
    return {name: _plain(value) for name, value in found.items()}


def _plain(value: float) -> float | None:
    return float(f"{value:.5g}") if math.isfinite(value) else None
