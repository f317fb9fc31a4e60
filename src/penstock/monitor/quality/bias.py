"""Quality and selection compared between groups of rows."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from penstock.errors import ConfigError
from penstock.monitor.calibration.check import Check
from penstock.monitor.calibration.checks import LEAST_ROWS
from penstock.monitor.calibration.gamma import chi_square_tail
from penstock.monitor.calibration.hypergeometric import fisher
from penstock.monitor.calibration.words import percent
from penstock.monitor.quality.counts import QualityCounts
from penstock.monitor.quality.intervals import wilson
from penstock.monitor.quality.metric import Metric
from penstock.monitor.quality.metrics import metrics
from penstock.monitor.quality.student import normal_quantile, student_quantile

__all__ = ["Gap", "GroupComparison", "compare_groups"]

_LEAST_EXPECTED: Final = 5.0
"""Rows in each cell from which on a chi-square test is taken."""


@dataclass(frozen=True, kw_only=True)
class Gap:
    """How far one group is from the group of comparison in one metric.

    Attributes
    ----------
    metric : str
    group : str
    difference : Metric
        Group less group of comparison.
    ratio : Metric
        Group over group of comparison; undefined where that is 0, and for a mean.
    """

    metric: str
    group: str
    difference: Metric
    ratio: Metric

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, for JSON."""
        return {
            "metric": self.metric,
            "group": self.group,
            "difference": self.difference.to_dict(),
            "ratio": self.ratio.to_dict(),
        }


@dataclass(frozen=True, kw_only=True)
class GroupComparison:
    """Groups of one column side by side.

    Attributes
    ----------
    column : str
    compared_with : str
        The group that others are compared with: the largest, unless one was named.
    groups : dict of str to dict of str to Metric
        Metrics by group; ``selection_rate`` and ``false_positive_rate`` are among those of a binary task.
    gaps : tuple of Gap
    checks : tuple of Check
        A metric each: whether it is the same in all groups.
    disparate_impact : float
        The lowest selection rate over the highest; NaN where nobody is selected, or the task is not binary.
        Below 0.8 is what the four-fifths rule of the US Equal Employment Opportunity Commission calls
        evidence of adverse impact.
    """

    column: str
    compared_with: str
    groups: dict[str, dict[str, Metric]]
    gaps: tuple[Gap, ...]
    checks: tuple[Check, ...]
    disparate_impact: float

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, for JSON."""
        impact = self.disparate_impact
        return {
            "column": self.column,
            "compared_with": self.compared_with,
            "groups": {
                group: {name: metric.to_dict() for name, metric in found.items()}
                for group, found in self.groups.items()
            },
            "gaps": [gap.to_dict() for gap in self.gaps],
            "checks": [{"name": c.name, "p_value": c.p_value, "reason": c.reason} for c in self.checks],
            "disparate_impact": impact if math.isfinite(impact) else None,
        }


def compare_groups(
    column: str,
    counts: Mapping[str, QualityCounts],
    *,
    compared_with: str | None = None,
    level: float = 0.95,
) -> GroupComparison:
    """Compare quality and selection between groups.

    Parameters
    ----------
    column : str
        What the groups are values of.
    counts : mapping of str to QualityCounts
        By group, as :func:`penstock.monitor.quality.slices.count_slices` gives them.
    compared_with : str, optional
        Group that the others are compared with; by default the largest.
    level : float, default 0.95
        Of each interval.

    Returns
    -------
    GroupComparison

    Raises
    ------
    ConfigError
        Where there is no group, or not the one to compare with.

    Notes
    -----
    Differences of shares have Newcombe's limits from Wilson's, ratios Katz's on the logarithm with half a
    row added; differences of means Welch's. Equality is tested by chi-square; with fewer than five expected
    rows in a cell by Fisher's exact test of each group against all others, times the number of groups. Groups
    of fewer than 20 rows are shown and not tested. ``effect`` is the largest difference between two groups.

    References
    ----------
    R. G. Newcombe, "Interval estimation for the difference between independent proportions: comparison of
    eleven methods", Statistics in Medicine 17 (1998). D. Katz, J. Baptista, S. P. Azen, M. C. Pike,
    "Obtaining confidence intervals for the risk ratio in cohort studies", Biometrics 34 (1978).
    """
    if not counts or (compared_with is not None and compared_with not in counts):
        raise ConfigError(
            f'groups of "{column}": expected to compare with one of them, '
            f"got {compared_with or 'none'} of {', '.join(counts) or 'none'}"
        )
    base = compared_with or max(counts, key=lambda group: (counts[group].rows, group))
    others = [group for group in counts if group != base]
    rates = _rates(counts[base])
    gaps = [
        Gap(
            metric=name,
            group=group,
            difference=_difference(rate(counts[group]), rate(counts[base]), level),
            ratio=_ratio(rate(counts[group]), rate(counts[base]), level),
        )
        for name, rate in rates.items()
        for group in others
    ]
    gaps += [gap for group in others for gap in _mean_gaps(group, counts[group], counts[base], level)]
    checks = [_equal(name, {g: rate(found) for g, found in counts.items()}) for name, rate in rates.items()]
    found = {group: _all_metrics(part, level) for group, part in counts.items()}
    return GroupComparison(
        column=column,
        compared_with=base,
        groups=found,
        gaps=tuple(gaps),
        checks=tuple(check for check in checks if check is not None),
        disparate_impact=_impact([part["selection_rate"].value for part in found.values()])
        if "selection_rate" in rates
        else math.nan,
    )


_Rate = tuple[int, int]
"""Rows that count, of rows."""


def _rates(counts: QualityCounts) -> dict[str, Callable[[QualityCounts], _Rate]]:
    """Return the shares that groups are compared in."""
    if counts.target.task == "regression":
        return {}
    found: dict[str, Callable[[QualityCounts], _Rate]] = {
        "accuracy": lambda c: (int(c.confusion.trace()), c.rows)
    }
    if counts.target.task == "binary":
        found["selection_rate"] = lambda c: (int(c.confusion[:, 1].sum()), c.rows)
        found["recall"] = lambda c: (int(c.confusion[1, 1]), int(c.confusion[1].sum()))
        found["false_positive_rate"] = lambda c: (int(c.confusion[0, 1]), int(c.confusion[0].sum()))
        found["precision"] = lambda c: (int(c.confusion[1, 1]), int(c.confusion[:, 1].sum()))
    return found


def _all_metrics(counts: QualityCounts, level: float) -> dict[str, Metric]:
    found = metrics(counts, level)
    if counts.target.task == "binary":
        wrong, rows = int(counts.confusion[0, 1]), int(counts.confusion[0].sum())
        limits = wilson(wrong, rows, level) if rows else (math.nan, math.nan)
        found["false_positive_rate"] = Metric(wrong / rows if rows else math.nan, *limits, rows)
    return found


def _difference(group: _Rate, base: _Rate, level: float) -> Metric:
    if not (group[1] and base[1]):
        return Metric.undefined()
    first, second = group[0] / group[1], base[0] / base[1]
    (low1, high1), (low2, high2) = wilson(*group, level), wilson(*base, level)
    value = first - second
    below = math.hypot(first - low1, high2 - second)
    above = math.hypot(high1 - first, second - low2)
    return Metric(value, value - below, value + above, group[1])


def _ratio(group: _Rate, base: _Rate, level: float) -> Metric:
    if not (group[1] and base[0]):
        return Metric.undefined()
    value = (group[0] / group[1]) / (base[0] / base[1])
    first, second = (group[0] + 0.5) / (group[1] + 0.5), (base[0] + 0.5) / (base[1] + 0.5)
    spread = 1 / (group[0] + 0.5) - 1 / (group[1] + 0.5) + 1 / (base[0] + 0.5) - 1 / (base[1] + 0.5)
    reach = normal_quantile(level) * math.sqrt(max(spread, 0.0))
    middle = math.log(first / second)
    low = 0.0 if group[0] == 0 else math.exp(middle - reach)
    return Metric(value, min(low, value), max(math.exp(middle + reach), value), group[1])


def _mean_gaps(group: str, part: QualityCounts, base: QualityCounts, level: float) -> list[Gap]:
    if part.target.task != "regression":
        return []
    pairs = {"mae": (part.absolute_error, base.absolute_error), "bias": (part.error, base.error)}
    gaps = []
    for name, (first, second) in pairs.items():
        difference = Metric.undefined(first.rows)
        if min(first.rows, second.rows) > 1:
            error = math.hypot(first.standard_error, second.standard_error)
            degrees = min(first.rows, second.rows) - 1
            reach, value = student_quantile(level, degrees) * error, first.mean - second.mean
            difference = Metric(value, value - reach, value + reach, first.rows)
        gaps.append(Gap(metric=name, group=group, difference=difference, ratio=Metric.undefined()))
    return gaps


def _equal(name: str, rates: Mapping[str, _Rate]) -> Check | None:
    """Test whether a share is the same in all groups."""
    tested = {group: rate for group, rate in rates.items() if rate[1] >= LEAST_ROWS}
    if len(tested) < 2:
        return None
    hits, rows = (np.array([rate[part] for rate in tested.values()], np.float64) for part in (0, 1))
    pooled = hits.sum() / rows.sum()
    if pooled in (0.0, 1.0):
        return None
    share = hits / rows
    value = float((rows * (share - pooled) ** 2).sum() / (pooled * (1 - pooled)))
    if rows.min() * min(pooled, 1 - pooled) >= _LEAST_EXPECTED:
        p_value = chi_square_tail(value, len(tested) - 1)
    else:
        p_value = _exact(hits.astype(np.int64), rows.astype(np.int64))
    groups = list(tested)
    low, high = int(share.argmin()), int(share.argmax())
    return Check(
        name=name,
        value=value,
        p_value=p_value,
        effect=float(share[high] - share[low]),
        reason=f"{name}: {groups[low]} {percent(float(share[low]))}, "
        f"{groups[high]} {percent(float(share[high]))}",
    )


def _exact(hits: np.ndarray[Any, Any], rows: np.ndarray[Any, Any]) -> float:
    tests = len(hits) if len(hits) > 2 else 1
    total, of_total = int(hits.sum()), int(rows.sum())
    found = [
        fisher(int(h), int(n), total - int(h), of_total - int(n)) for h, n in zip(hits, rows, strict=True)
    ]
    return min(1.0, tests * min(found))


def _impact(rates: list[float]) -> float:
    known = [rate for rate in rates if not math.isnan(rate)]
    return min(known) / max(known) if known and max(known) > 0 else math.nan
