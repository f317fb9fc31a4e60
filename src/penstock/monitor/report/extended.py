"""A report with more than features: checks of all of them together, quality, windows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from penstock.monitor.calibration import holm

if TYPE_CHECKING:
    from penstock.monitor.calibration import Check
    from penstock.monitor.report.quality import QualityReport
    from penstock.monitor.report.report import DriftReport
    from penstock.monitor.timeline import Timeline

__all__ = ["extended"]


def extended(
    report: DriftReport,
    *,
    false_alarms: float,
    joint: Sequence[Check] = (),
    quality: QualityReport | None = None,
    windows: Timeline | None = None,
) -> DriftReport:
    """Return the report of some features with further parts.

    Parameters
    ----------
    report : DriftReport
        Of the features, at the share of the promise that each part has: ``report.false_alarms``.
    false_alarms : float
        The promise: the chance that anything alarms in any part when nothing moved.
    joint : sequence of Check
        Of all features together: see :func:`penstock.monitor.multivariate.joint_checks`.
    quality : QualityReport, optional
    windows : Timeline, optional
        Compared at the same share.

    Notes
    -----
    Within each part checks are corrected by Holm's method. Fixed thresholds decide alone: nothing else
    alarms then.
    """
    if quality is not None:
        quality = replace(quality, checks=_judged(report, quality.checks))
    return replace(
        report, false_alarms=false_alarms, joint=_judged(report, joint), quality=quality, windows=windows
    )


def _judged(report: DriftReport, checks: Sequence[Check]) -> tuple[Check, ...]:
    """Correct the checks of one part, and sort them by evidence."""
    adjusted = holm([check.p_value for check in checks])
    judged = [
        replace(
            check,
            adjusted=p,
            alarm=not report.thresholds and p <= report.false_alarms and check.effect >= report.min_effect,
        )
        for check, p in zip(checks, adjusted, strict=True)
    ]
    return tuple(sorted(judged, key=lambda check: (check.p_value, -check.effect)))
