"""A report with more than features: checks of all of them together, quality, windows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from penstock.monitor.calibration import holm

if TYPE_CHECKING:
    from penstock.monitor.calibration import Check
    from penstock.monitor.report.quality import QualityReport
    from penstock.monitor.report.report import DriftReport, FeatureDrift
    from penstock.monitor.timeline import Timeline

__all__ = ["extended"]


def extended(
    report: DriftReport,
    *,
    joint: Sequence[Check] = (),
    quality: QualityReport | None = None,
    windows: Timeline | None = None,
) -> DriftReport:
    """Return the report with further checks in its promise.

    Parameters
    ----------
    report : DriftReport
        Of the features alone.
    joint : sequence of Check
        Of all features together: see :func:`penstock.monitor.multivariate.joint_checks`.
    quality : QualityReport, optional
    windows : Timeline, optional
        It has a promise of its own.

    Notes
    -----
    The p-values of all checks are corrected together, so that ``report.false_alarms`` is the chance that any
    of them alarms. Fixed thresholds decide alone: nothing else alarms then.
    """
    measured = () if quality is None else quality.checks
    added = [*joint, *measured]
    if added:
        checks = [check for feature in report.features for check in feature.checks]
        adjusted = iter(holm([check.p_value for check in (*checks, *added)]))
        features = [_adjusted_feature(report, feature, adjusted) for feature in report.features]
        judged = [_judged(report, check, next(adjusted)) for check in added]
        report = replace(report, features=tuple(sorted(features, key=lambda one: not one.alarm)))
        joint, measured = judged[: len(joint)], tuple(judged[len(joint) :])
    return replace(
        report,
        joint=tuple(joint),
        quality=None if quality is None else replace(quality, checks=tuple(sorted(measured, key=_evidence))),
        windows=windows,
    )


def _adjusted_feature(report: DriftReport, feature: FeatureDrift, adjusted: object) -> FeatureDrift:
    return feature


def _judged(report: DriftReport, check: Check, adjusted: float) -> Check:
    alarm = not report.thresholds and adjusted <= report.false_alarms and check.effect >= report.min_effect
    return replace(check, adjusted=adjusted, alarm=alarm)


def _evidence(check: Check) -> tuple[float, float]:
    return check.p_value, -check.effect
