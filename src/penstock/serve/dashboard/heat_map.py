"""Drift by feature and window, as columns of small numbers for the page."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from penstock.monitor.history.closed import ClosedWindow
    from penstock.monitor.report.report import DriftReport, FeatureDrift
    from penstock.monitor.window import Window

__all__ = ["Cell", "cells", "heat_map", "window_id"]

MOST_WINDOWS: Final = 200
MOST_CELLS: Final = 40_000
"""Of one answer; the features with least evidence are left out beyond it."""

OPEN: Final = "open"
_MOST_EVIDENCE: Final = 300.0
_WEIGHED_EVIDENCE: Final = 30.0
_SEVERITIES: Final = ("none", "low", "medium", "high")
_COMPARISONS: Final = ("baseline", "previous", "hour", "weekday")


@dataclass(frozen=True, slots=True)
class Cell:
    """One feature in one window.

    Attributes
    ----------
    rank : int
        0 without an alarm, then 1 low, 2 medium, 3 high.
    effect : float or None
        None where nothing was tested, as with few rows.
    evidence : float or None
        −log10 of the corrected p-value, at most 300.
    """

    rank: int
    effect: float | None
    evidence: float | None

    @property
    def untested(self) -> bool:
        """Nothing was asked of it."""
        return self.effect is None and not self.rank


_cells: WeakKeyDictionary[DriftReport, dict[str, Cell]] = WeakKeyDictionary()


def cells(report: DriftReport) -> dict[str, Cell]:
    """Return the cells of a report by feature; computed once for each report."""
    found = _cells.get(report)
    if found is None:
        found = {feature.name: _cell(feature) for feature in report}
        _cells[report] = found
    return found


def heat_map(
    closed: Sequence[ClosedWindow],
    opened: tuple[Window, DriftReport] | None = None,
    *,
    compare: str = "baseline",
    version: int | None = None,
    find: str = "",
    windows: int = 100,
) -> dict[str, Any]:
    """Return features × windows.

    Parameters
    ----------
    closed : sequence of ClosedWindow
        Oldest first.
    opened : (Window, DriftReport), optional
        The window that is open, and its comparison with the baseline.
    compare : str, default "baseline"
    version : int, optional
        Windows of this version only.
    find : str
        Features with this text in their name only, whatever the case.
    windows : int, default 100
        The newest so many.

    Returns
    -------
    dict
        ``features`` have ``alarm``, ``effect`` and ``evidence`` by window, None where nothing was compared:
        those that alarm in the newest closed window first, then those that did so most often, then by
        evidence.
    """
    kept = [one for one in closed if version is None or one.window.version == version]
    kept = kept[-max(1, min(windows, MOST_WINDOWS)) :]
    heads = [_head(window_id(one.window), one.window, one.reports.get(compare)) for one in kept]
    columns: list[Mapping[str, Cell]] = [
        cells(one.reports[compare]) if compare in one.reports else {} for one in kept
    ]
    reports = [one.reports[compare] for one in kept if compare in one.reports]
    judged = columns
    if opened is not None and compare == "baseline" and version in (None, opened[0].version):
        heads.append(_head(OPEN, *opened))
        columns = [*columns, cells(opened[1])]
        reports.insert(0, opened[1])
    named = {feature.name: feature for report in reports for feature in report}
    matching = [name for name in named if find.casefold() in name.casefold()]
    judged = judged or columns
    order = sorted(matching, key=lambda name: (_weight([column.get(name) for column in judged]), name))
    shown = order[: max(1, MOST_CELLS // max(1, len(heads)))]
    return {
        "compare": compare,
        "comparisons": _available(closed),
        "versions": sorted({one.window.version for one in closed}),
        "windows": heads,
        "features": [_row(named[name], [column.get(name) for column in columns]) for name in shown],
        "n_features": len(named),
        "n_matching": len(matching),
    }


def window_id(window: Window) -> str:
    """Return what a window is called in an address of the page."""
    return f"{window.version}-{round(window.begin_s * 1000)}-{round(window.end_s * 1000)}"


def _cell(feature: FeatureDrift) -> Cell:
    effect, p_value = feature.effect, feature.p_value
    return Cell(
        _SEVERITIES.index(feature.severity),
        round(effect, 4) if math.isfinite(effect) else None,
        round(min(-math.log10(max(p_value, 1e-300)), _MOST_EVIDENCE) + 0.0, 1) if p_value >= 0 else None,
    )


def _head(name: str, window: Window, report: DriftReport | None) -> dict[str, Any]:
    return {
        "id": name,
        "version": window.version,
        "begin_s": window.begin_s,
        "end_s": window.end_s,
        "rows": window.rows,
        "complete": window.complete,
        "alarms": None if report is None else sum(cell.rank > 0 for cell in cells(report).values()),
        "notes": [] if report is None else list(report.notes),
    }


def _row(feature: FeatureDrift, column: Sequence[Cell | None]) -> dict[str, Any]:
    return {
        "name": feature.name,
        "role": feature.role,
        "kind": feature.kind,
        "reason": feature.reason,
        "alarm": [None if cell is None or cell.untested else cell.rank for cell in column],
        "effect": [None if cell is None else cell.effect for cell in column],
        "evidence": [None if cell is None else cell.evidence for cell in column],
    }


def _weight(column: Sequence[Cell | None]) -> tuple[int, int, float]:
    """Return what features are sorted by, least first."""
    found = [cell for cell in column if cell is not None]
    newest = column[-1] if column else None
    return (
        -(newest.rank if newest is not None else 0),
        -sum(cell.rank > 0 for cell in found),
        -sum(min(cell.evidence or 0.0, _WEIGHED_EVIDENCE) for cell in found),
    )


def _available(closed: Sequence[ClosedWindow]) -> list[str]:
    found = {name for one in closed for name in one.reports}
    return [name for name in _COMPARISONS if name in found or name == "baseline"]
