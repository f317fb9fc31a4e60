"""The report as a table for a terminal."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from rich.table import Table
from rich.text import Text

from penstock.monitor.calibration.words import printable

if TYPE_CHECKING:
    from penstock.monitor.report.report import DriftReport, FeatureDrift

__all__ = ["table"]

_LONGEST: Final = 80
_STYLES: Final = {"high": "bold red", "medium": "yellow", "low": "cyan", "none": "dim"}


def table(report: DriftReport) -> Table:
    """Return a line a feature, most evidence first."""
    found = Table(box=None, header_style="bold", pad_edge=False)
    found.add_column("feature", overflow="fold", min_width=8)
    found.add_column("alarm", no_wrap=True)
    for name in ("effect", "p", "PSI"):
        found.add_column(name, justify="right", no_wrap=True)
    found.add_column("what moved", overflow="fold", ratio=1)
    for feature in report.features:
        found.add_row(*_line(feature))
    return found


def _line(feature: FeatureDrift) -> list[Text]:
    style = _STYLES[feature.severity]
    role = "" if feature.role == "feature" else f" ({feature.role})"
    return [
        Text(printable(feature.name, _LONGEST) + role),
        Text(feature.severity if feature.alarm else "–", style=style),
        Text(_share(feature.effect)),
        Text(probability(feature.p_value)),
        Text(_number(feature.statistics.get("psi", math.nan))),
        Text(feature.reason, style="" if feature.alarm else "dim"),
    ]


def probability(value: float) -> str:
    """Write a p-value in few places.

    >>> probability(0.031), probability(3.2e-12), probability(0.0)
    ('0.031', '3e-12', '<1e-300')
    """
    if math.isnan(value):
        return "–"
    if value < 1e-300:
        return "<1e-300"
    return f"{value:.2g}" if value >= 1e-3 else f"{value:.0e}"


def _share(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.1%}".replace("%", " %")


def _number(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.3f}"
