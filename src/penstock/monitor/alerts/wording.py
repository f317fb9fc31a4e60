"""What an alert says: findings, title and next steps, in plain words."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from penstock.monitor.alerts.alert import Finding, Kind
from penstock.monitor.alerts.group import rank
from penstock.monitor.calibration import checks, words
from penstock.monitor.report.report import HIGH, MEDIUM

if TYPE_CHECKING:
    from penstock.monitor.alerts.alert import Severity
    from penstock.monitor.alerts.watch import Crossing
    from penstock.monitor.profile import FeatureProfile
    from penstock.monitor.report.report import FeatureDrift

__all__ = [
    "check_of",
    "general_steps",
    "of_crossing",
    "of_feature",
    "severity_of",
    "steps_for",
    "title",
    "worst_first",
]

_NAMED: Final = 3
_LONGEST: Final = 70
_STOPPED: Final = 0.01
"""Share of a category from which on it is worth a word that it came, or that nine tenths of it stopped."""

_EXPECTED: Final = 10
_MANY: Final = 4
_UNITS: Final = (10.0, 100.0, 1000.0, 1e6)

_CHECK_OF: Final = {
    "mean_rank": "cramer_von_mises",
    "spread_rank": "cramer_von_mises",
    "interval": "chi2",
    "category": "chi2",
    "categories": "chi2",
}


def severity_of(effect: float) -> Severity:
    """Return the severity of a change in the share of rows: below 0.05 low, below 0.2 medium, then high."""
    return "high" if effect >= HIGH else "medium" if effect >= MEDIUM else "low"


def of_feature(
    feature: FeatureDrift, compared_with: str, since_s: float, thresholds: Mapping[str, float]
) -> Finding:
    """Say what a window found of a feature that alarms."""
    alarming = [check for check in feature.checks if check.alarm]
    if alarming:
        check, evidence = alarming[0].name, feature.p_value
    else:
        reached = [n for n, x in thresholds.items() if abs(feature.statistics.get(n, math.nan)) >= x]
        check, evidence = reached[0] if reached else "threshold", math.nan
        compared_with = "threshold" if compared_with == "baseline" else compared_with
    return Finding(
        subject=feature.name,
        check=check,
        compared_with=compared_with,
        reason=feature.reason,
        effect=feature.effect,
        evidence=evidence,
        since_s=since_s,
        severity=severity_of(feature.effect),
    )


def check_of(stream: str) -> str:
    """Return the name of the check that asks of a window what a stream is watched for."""
    return _CHECK_OF.get(stream, stream)


def of_crossing(crossing: Crossing) -> Finding:
    """Say what the watch found, by what came since about when it began."""
    before, after = crossing.reference, crossing.current
    wanted = check_of(crossing.check)
    found = next((check for check in checks(before, after) if check.name == wanted), None)
    effect = found.effect if found is not None else math.nan
    reason = found.reason if found is not None else _of_few(crossing)
    return Finding(
        subject=crossing.feature,
        check=crossing.check,
        compared_with="baseline",
        reason=reason,
        effect=effect,
        evidence=crossing.evidence,
        since_s=crossing.since_s,
        severity=severity_of(effect),
    )


def _of_few(crossing: Crossing) -> str:
    """Say what moved where too few rows have come since for numbers."""
    if crossing.check == "missing":
        return words.share("missing", crossing.reference.missing_share, crossing.current.missing_share)
    if crossing.check == "unseen":
        return words.unseen(crossing.reference, crossing.current)
    if crossing.check == "out_of_range":
        return words.out_of_range(crossing.reference, crossing.current)
    return f"{crossing.check.replace('_', ' ')} {'rose' if crossing.rose else 'fell'}"


def worst_first(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Order findings: by severity, then by effect, then by evidence."""

    def key(finding: Finding) -> tuple[float, float, float, str]:
        effect = finding.effect if math.isfinite(finding.effect) else 0.0
        evidence = finding.evidence if math.isfinite(finding.evidence) else 0.0
        return -rank(finding.severity), -effect, evidence, finding.subject

    return tuple(sorted(findings, key=key))


def title(kind: Kind, findings: Sequence[Finding], totals: Mapping[str, tuple[str, int]]) -> str:
    """Return one line: how many moved, and the worst.

    Parameters
    ----------
    kind : {"drift", "performance", "data", "operation"}
    findings : sequence of Finding
        Worst first.
    totals : mapping of str to (str, int)
        Of each column its role, and how many have that role.
    """
    subjects = list(dict.fromkeys(finding.subject for finding in findings))
    worst = findings[0]
    named = f"{words.printable(worst.subject, _LONGEST)} ({_short(worst.reason)})"
    rest = [words.printable(subject, _LONGEST) for subject in subjects[1:_NAMED]]
    if len(subjects) > _NAMED:
        rest.append(f"{len(subjects) - _NAMED} more")
    names = ", ".join([named, *rest[:-1]]) + (f" and {rest[-1]}" if rest else "")
    if kind == "drift":
        return f"{_counted(subjects, totals)} moved: {names}"
    heads = {"performance": "quality fell", "data": "data quality", "operation": "monitoring"}
    return f"{heads[kind]}: {names}"


def _counted(subjects: Sequence[str], totals: Mapping[str, tuple[str, int]]) -> str:
    roles: dict[str, int] = {}
    for subject in subjects:
        role = totals[subject][0] if subject in totals else "other"
        roles[role] = roles.get(role, 0) + 1
    of_role = dict(totals.values())
    parts = [
        f"{count} of {of_role[role]} {role}{'s' if of_role[role] > 1 else ''}"
        for role, count in sorted(roles.items())
        if role != "other"
    ]
    return " and ".join(parts) or "the rows as a whole"


def _short(reason: str) -> str:
    return words.printable(reason.split("; ")[0], _LONGEST)


def steps_for(check: str, reason: str, before: FeatureProfile, after: FeatureProfile) -> tuple[str, ...]:
    """Return what to look at, for one column that moved."""
    name = f'"{words.printable(before.name, _LONGEST)}"'
    if before.role == "output":
        return (f"the answers {name} moved: compare them with labels, or with those of the version before",)
    if check == "missing":
        if after.missing_share > before.missing_share:
            return (f"look at what fills {name}: {reason}",)
        return (f"look at whether a default now takes the place of missing values of {name}",)
    if check == "infinite":
        return (f"look for a division by zero or a logarithm of zero where {name} is made",)
    if check == "out_of_range":
        return (f"look at the values of {name} that the model has never seen: {reason}",)
    if before.kind == "categorical":
        return (_of_categories(name, before, after),)
    return (_of_numbers(name, reason, before, after),)


def _of_categories(name: str, before: FeatureProfile, after: FeatureProfile) -> str:
    least = max(_STOPPED, _EXPECTED / max(after.present, 1))
    pairs = zip(before.categories, before.counts.tolist(), after.counts.tolist(), strict=True)
    rows = max(before.present, 1), max(after.present, 1)
    stopped = [c for c, was, now in pairs if least <= was / rows[0] and now / rows[1] <= was / rows[0] / 10]
    new = [c for c, count in after.unseen_top if count >= _STOPPED * rows[1]]
    gone = ", ".join(map(words.quoted, stopped[:_NAMED]))
    came = ", ".join(map(words.quoted, new[:_NAMED]))
    if gone and came:
        return f"look at the upstream recoding of {name}: {gone} stopped, {came} is new"
    if gone:
        return f"look at what makes {name}: {gone} stopped"
    if came:
        return f"look at what makes {name}: {came} is new, and the model knows nothing of it"
    return f"look at whom the requests are about: the categories of {name} have other shares"


def _of_numbers(name: str, reason: str, before: FeatureProfile, after: FeatureProfile) -> str:
    if before.mean and math.isfinite(before.mean) and math.isfinite(after.mean):
        ratio = after.mean / before.mean
        for unit in _UNITS:
            for factor, text in ((unit, f"{unit:g} times"), (1 / unit, f"1/{unit:g} of")):
                if abs(ratio / factor - 1) < 0.1:
                    return f"look for a change of unit in {name}: its mean is {text} what it was"
    return f"look at where {name} comes from: {reason}"


def general_steps(
    kind: Kind, moved: int, features: int, since_s: float, version: int, swapped: bool
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return what to do whatever moved: before the steps for each subject, and after them.

    Parameters
    ----------
    kind : {"drift", "performance", "data", "operation"}
    moved, features : int
        How many features moved, of how many.
    since_s : float
    version : int
    swapped : bool
        Whether it began with the version.
    """
    if kind not in ("drift", "performance"):
        return (), ()
    first, last = [], []
    if kind == "drift" and moved >= _MANY and 2 * moved >= features:
        first.append("half of all features moved: look at who sends the requests before each feature")
    if swapped:
        last.append(f"it began with version {version}: compare it with the version before, on labels")
    when = f"{datetime.fromtimestamp(since_s, UTC):%Y-%m-%d %H:%M} UTC" if abs(since_s) < 1e11 else "then"
    last.append(f"if it is here to stay, retrain with data since {when}")
    return tuple(first), tuple(last)
