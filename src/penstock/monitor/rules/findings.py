"""From the checks of a window to what an alert says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from penstock.monitor.alerts.alert import Finding, Severity
from penstock.monitor.calibration import holm
from penstock.monitor.report.report import HIGH, MEDIUM
from penstock.monitor.rules.checks import DataCheck, data_checks
from penstock.monitor.rules.counts import DoorCounts, RuleCounts

__all__ = ["data_findings"]


def data_findings(
    before: Sequence[DoorCounts],
    after: DoorCounts,
    *,
    level: float,
    min_effect: float = 0.0,
    expected: RuleCounts | None = None,
) -> list[Finding]:
    """Return what went wrong with what came in one window, worst first.

    Parameters
    ----------
    before, after, expected
        As for :func:`~penstock.monitor.rules.checks.data_checks`.
    level : float
        The chance of any false finding in this window, over all its checks.
    min_effect : float
        The smallest rise of a share that is found.
    """
    found = data_checks(before, after, expected=expected)
    adjusted = holm([check.p_value for check in found])
    judged = [replace(check, adjusted=p) for check, p in zip(found, adjusted, strict=True)]
    alarming = [check for check in judged if check.adjusted <= level and check.effect >= min_effect]
    alarming.sort(key=lambda check: (-check.effect, check.adjusted))
    return [_finding(check, after, expected) for check in alarming]


def _finding(check: DataCheck, after: DoorCounts, expected: RuleCounts | None) -> Finding:
    of_baseline = expected is not None and (check.subject, check.name) in expected.broken
    return Finding(
        subject=check.subject,
        check=check.name,
        compared_with="baseline" if of_baseline else "previous",
        reason=check.reason,
        effect=check.effect,
        evidence=check.adjusted,
        since_s=after.begin_s,
        severity=_severity(check.effect),
    )


def _severity(effect: float) -> Severity:
    return "high" if effect >= HIGH else "medium" if effect >= MEDIUM else "low"
