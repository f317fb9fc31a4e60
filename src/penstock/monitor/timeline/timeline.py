"""What windows looked like beside a baseline: values, window by window in order."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from penstock.monitor.quality import Metric
    from penstock.monitor.report.report import FeatureDrift, Severity

__all__ = ["Point", "Span", "Timeline"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One feature in one window.

    Attributes
    ----------
    alarm : bool
    severity : {"none", "low", "medium", "high"}
    effect, p_value : float
        As in :class:`~penstock.monitor.report.FeatureDrift`.
    psi : float
    missing, outside : float
        Shares of rows: without a value; out of range or, of a category, unseen.
    mean : float
        Of a number, NaN of a category.
    reason : str
        What moved, where it alarms.
    """

    alarm: bool
    severity: Severity
    effect: float
    p_value: float
    psi: float
    missing: float
    outside: float
    mean: float
    reason: str

    @classmethod
    def of(cls, feature: FeatureDrift) -> Point:
        """Keep of a comparison what a line over time shows."""
        current = feature.current
        numeric = feature.kind == "numeric"
        return cls(
            alarm=feature.alarm,
            severity=feature.severity,
            effect=feature.effect,
            p_value=feature.p_value,
            psi=feature.statistics.get("psi", math.nan),
            missing=current.missing_share,
            outside=current.out_of_range_share if numeric else current.unseen_share,
            mean=current.mean,
            reason=feature.reason if feature.alarm else "",
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, for JSON; None where a number is not defined."""
        return {name: _plain(getattr(self, name)) for name in Point.__dataclass_fields__}


@dataclass(frozen=True, kw_only=True)
class Span:
    """One window.

    Attributes
    ----------
    label : str
        Where it begins, in words.
    begin, end : float
        Seconds since the epoch, the number that was cut by, or rows; the end is not in it.
    rows : int
    points : mapping of str to Point
        By feature.
    realised, estimated : mapping of str to Metric
        Quality by labels, and by calibrated scores; empty where unknown.
    """

    label: str
    begin: float
    end: float
    rows: int
    points: Mapping[str, Point]
    realised: Mapping[str, Metric] = field(default_factory=dict)
    estimated: Mapping[str, Metric] = field(default_factory=dict)

    @property
    def alarms(self) -> tuple[str, ...]:
        """Features that alarm."""
        return tuple(name for name, point in self.points.items() if point.alarm)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, for JSON."""
        found: dict[str, Any] = {
            "label": self.label,
            "begin": self.begin,
            "end": self.end,
            "rows": self.rows,
            "alarms": list(self.alarms),
            "features": {name: point.to_dict() for name, point in self.points.items()},
        }
        for name in ("realised", "estimated"):
            metrics: Mapping[str, Metric] = getattr(self, name)
            if metrics:
                found[name] = {key: metric.to_dict() for key, metric in metrics.items()}
        return found


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """Windows in order; those without a row are left out.

    Attributes
    ----------
    spans : tuple of Span
    by : str
        The column that was cut by; empty where rows were counted.
    width : float
        Of a window, in the unit of ``begin``.
    false_alarms : float
        The chance that any window alarms when nothing moved.
    unplaced : int
        Rows without a time, which are in no window.
    """

    spans: tuple[Span, ...]
    by: str
    width: float
    false_alarms: float
    unplaced: int = 0

    def __len__(self) -> int:
        return len(self.spans)

    @property
    def alarms(self) -> tuple[str, ...]:
        """Features that alarm in any window."""
        return tuple(dict.fromkeys(name for span in self.spans for name in span.alarms))

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, for JSON."""
        return {
            "by": self.by or None,
            "width": self.width,
            "false_alarms": self.false_alarms,
            "unplaced": self.unplaced,
            "alarms": list(self.alarms),
            "windows": [span.to_dict() for span in self.spans],
        }


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
