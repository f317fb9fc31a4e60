"""What a comparison found: values, feature by feature, the one with most evidence first."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from penstock.monitor.calibration.check import Check
from penstock.monitor.calibration.noise import noise
from penstock.monitor.report.plain import check_to_dict
from penstock.monitor.report.plain import plain as _plain

if TYPE_CHECKING:
    import os

    from rich.table import Table

    from penstock.monitor.profile import FeatureProfile
    from penstock.monitor.report.quality import QualityReport
    from penstock.monitor.timeline import Timeline

__all__ = ["DriftReport", "FeatureDrift", "Severity"]

Severity = Literal["none", "low", "medium", "high"]

MEDIUM: Final = 0.05
"""Effect from which on an alarm is of medium severity."""

HIGH: Final = 0.2
"""Effect from which on it is of high severity."""


@dataclass(frozen=True, kw_only=True, eq=False)
class FeatureDrift:
    """How one feature or output moved.

    Attributes
    ----------
    name, kind, role : str
        As in its :class:`~penstock.monitor.profile.FeatureProfile`.
    reference, current : FeatureProfile
    statistics : dict of str to float
        By the names in :data:`penstock.monitor.statistics.STATISTICS`; NaN where not defined.
    checks : tuple of Check
        Most evidence first.
    alarm : bool
    reason : str
        What moved, in words; what moved most where nothing alarms.
    level : float
        Chance at which the noise levels are taken.
    """

    name: str
    kind: str
    role: str
    reference: FeatureProfile
    current: FeatureProfile
    statistics: dict[str, float]
    checks: tuple[Check, ...]
    alarm: bool
    reason: str
    level: float

    @property
    def p_value(self) -> float:
        """The smallest p-value of its checks, corrected for all checks of the model; NaN without checks."""
        return min((check.adjusted for check in self.checks), default=math.nan)

    @property
    def effect(self) -> float:
        """The largest change in the share of rows: of the checks that alarm, of all when none does."""
        alarming = [check.effect for check in self.checks if check.alarm]
        return max(alarming or [check.effect for check in self.checks], default=math.nan)

    @property
    def severity(self) -> Severity:
        """Of an alarm, by its effect: below 0.05 low, below 0.2 medium, then high."""
        if not self.alarm:
            return "none"
        return "high" if self.effect >= HIGH else "medium" if self.effect >= MEDIUM else "low"

    @cached_property
    def noise(self) -> dict[str, float]:
        """What statistics on bins reach by noise alone; see :mod:`penstock.monitor.calibration.noise`.

        Computed when first asked for: where bins are sparse it takes some milliseconds.
        """
        return noise(self.reference, self.current, self.level) if self.checks else {}

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, for JSON; None where a number is not defined."""
        return {
            "name": self.name,
            "kind": self.kind,
            "role": self.role,
            "alarm": self.alarm,
            "severity": self.severity,
            "reason": self.reason,
            "p_value": _plain(self.p_value),
            "effect": _plain(self.effect),
            "statistics": {name: _plain(value) for name, value in self.statistics.items()},
            "noise": {name: _plain(value) for name, value in self.noise.items()},
            "checks": [check_to_dict(check) for check in self.checks],
            "reference": _summary(self.reference),
            "current": _summary(self.current),
        }


@dataclass(frozen=True, kw_only=True, eq=False)
class DriftReport:
    """What :func:`penstock.drift` found.

    Attributes
    ----------
    n_reference, n_current : int
        Rows.
    features : tuple of FeatureDrift
        Most evidence first.
    false_alarms : float
        The chance of any alarm when nothing moved, as asked for.
    min_effect : float
    thresholds : mapping of str to float
        Fixed ones, where they were asked for; they then decide alone.
    notes : tuple of str
        What a reader should know before the numbers.
    joint : tuple of Check
        Of all features together, where that was asked for; most evidence first.
    quality : QualityReport, optional
        Realised and estimated, where labels and predictions are known.
    windows : Timeline, optional
        Window by window.
    """

    n_reference: int
    n_current: int
    features: tuple[FeatureDrift, ...]
    false_alarms: float
    min_effect: float = 0.0
    thresholds: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    joint: tuple[Check, ...] = ()
    quality: QualityReport | None = None
    windows: Timeline | None = None

    @property
    def alarms(self) -> tuple[FeatureDrift, ...]:
        """The features that alarm."""
        return tuple(feature for feature in self.features if feature.alarm)

    @property
    def alarming(self) -> bool:
        """Whether anything alarms: a feature, all of them together, quality, or a window."""
        return bool(
            self.alarms
            or any(check.alarm for check in self.joint)
            or (self.quality is not None and self.quality.alarms)
            or (self.windows is not None and self.windows.alarms)
        )

    def __getitem__(self, name: str) -> FeatureDrift:
        for feature in self.features:
            if feature.name == name:
                return feature
        raise KeyError(name)

    def __iter__(self) -> Iterator[FeatureDrift]:
        return iter(self.features)

    def __len__(self) -> int:
        return len(self.features)

    def __repr__(self) -> str:
        return (
            f"DriftReport({len(self.alarms)} of {len(self)} features alarm; "
            f"{self.n_reference:,} reference rows, {self.n_current:,} current)"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, for JSON."""
        parts: dict[str, Any] = {}
        if self.joint:
            parts["joint"] = [check_to_dict(check) for check in self.joint]
        if self.quality is not None:
            parts["quality"] = self.quality.to_dict()
        if self.windows is not None:
            parts["windows"] = self.windows.to_dict()
        return {
            "n_reference": self.n_reference,
            "n_current": self.n_current,
            "false_alarms": self.false_alarms,
            "min_effect": self.min_effect,
            "thresholds": dict(self.thresholds) or None,
            "alarms": [feature.name for feature in self.alarms],
            "notes": list(self.notes),
            "features": [feature.to_dict() for feature in self.features],
            **parts,
        }

    def to_html(self, path: str | os.PathLike[str]) -> None:
        """Write one HTML file that needs nothing beside it, and no network.

        Raises
        ------
        OutputError
            When it cannot be written.
        """
        from penstock.errors import OutputError
        from penstock.monitor.report.page import page

        text = page(self)
        try:
            Path(path).write_text(text, encoding="utf-8")
        except OSError as error:
            raise OutputError(f"{path}: cannot be written: {error.strerror or error}") from None

    def to_table(self) -> Table:
        """Return a table for the terminal (rich)."""
        from penstock.monitor.report.table import table

        return table(self)


def _summary(profile: FeatureProfile) -> dict[str, Any]:
    shared = {"rows": profile.rows, "missing": profile.missing, "distinct": _plain(profile.distinct)}
    if profile.kind == "categorical":
        return {**shared, "unseen": profile.unseen}
    moments = ("mean", "standard_deviation", "minimum", "maximum")
    return {
        **shared,
        "infinite": profile.infinite,
        **{name: _plain(getattr(profile, name)) for name in moments},
        "below": profile.below,
        "above": profile.above,
    }
