"""What is shown of one feature when it is opened: in the report, and in the dashboard."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from penstock.monitor.calibration.words import number
from penstock.monitor.report.picture import Picture, picture
from penstock.monitor.report.table import probability

if TYPE_CHECKING:
    from penstock.monitor.report.report import FeatureDrift

__all__ = ["detail", "share"]


def detail(feature: FeatureDrift, drawn: Picture | None = None) -> dict[str, Any]:
    """Return what ``drawing.js`` takes: short keys and texts, for it goes into every report.

    Parameters
    ----------
    feature : FeatureDrift
    drawn : Picture, optional
        Made here where left out.

    Returns
    -------
    dict
        ``n`` name, ``p`` picture, ``c`` checks, ``s`` statistics beside their noise levels, ``t`` before and
        after.
    """
    drawn = drawn or picture(feature.reference, feature.current)
    return {
        "n": feature.name,
        "p": None
        if drawn is None
        else {"s": drawn.shape, "o": drawn.others, "l": drawn.labels, "b": drawn.before, "a": drawn.after},
        "c": [
            [
                check.name,
                check.reason,
                share(check.effect),
                probability(check.p_value),
                probability(check.adjusted),
                check.alarm,
            ]
            for check in feature.checks
        ],
        "s": [
            [name, _short(value), _short(feature.noise.get(name, math.nan)), _above(feature, name)]
            for name, value in feature.statistics.items()
        ],
        "t": _summary(feature),
    }


def share(value: float) -> str:
    """Write a share of rows.

    >>> share(0.0312)
    '3.1 %'
    """
    return "–" if math.isnan(value) else f"{value:.1%}".replace("%", " %")


def _above(feature: FeatureDrift, name: str) -> bool:
    return bool(feature.statistics[name] > feature.noise.get(name, math.inf))


def _summary(feature: FeatureDrift) -> list[list[str]]:
    sides = (feature.reference, feature.current)
    rows = [
        ["rows", *(f"{side.rows:,}" for side in sides)],
        ["missing", *(share(side.missing_share) for side in sides)],
        ["distinct, about", *(f"{side.distinct:,.0f}" for side in sides)],
    ]
    if feature.kind == "categorical":
        return [*rows, ["unseen", *(share(side.unseen_share) for side in sides)]]
    for name, what in (
        ("mean", "mean"),
        ("standard_deviation", "σ"),
        ("minimum", "smallest"),
        ("maximum", "largest"),
    ):
        rows.append([what, *(_short(getattr(side, name)) for side in sides)])
    rows.append(["out of range", *(share(side.out_of_range_share) for side in sides)])
    if any(side.infinite for side in sides):
        rows.append(["infinite", *(f"{side.infinite:,}" for side in sides)])
    return rows


def _short(value: float) -> str:
    return "–" if math.isnan(value) else number(value)
