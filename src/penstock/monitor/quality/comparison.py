"""Whether quality dropped between two sets of labelled rows, with p-values: alarms can keep a budget."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final

from penstock.errors import ConfigError
from penstock.monitor.calibration.check import Check
from penstock.monitor.calibration.checks import LEAST_ROWS
from penstock.monitor.calibration.hypergeometric import fisher_greater
from penstock.monitor.quality.counts import QualityCounts
from penstock.monitor.quality.moments import Moments
from penstock.monitor.quality.scores import Area, area
from penstock.monitor.quality.student import normal_tail, student_tail

__all__ = ["compare_quality"]

_LEAST_OF_CLASS: Final = 10
"""Rows of each class on each side below which areas are not compared."""


def compare_quality(before: QualityCounts, after: QualityCounts) -> list[Check]:
    """Test whether predictions are worse than before.

    Parameters
    ----------
    before, after : QualityCounts
        Of the same target: the baseline's or an earlier window's, and those to judge.

    Returns
    -------
    list of Check
        None with fewer than 20 rows on a side. ``value`` is the change, ``p_value`` the chance of one as bad
        or worse when nothing changed, ``effect`` the change in the share of rows (of a loss, of a
        regression's error: relative to before), from 0 to 1 and 0 where it is better. Correct them for
        their number.

    Raises
    ------
    ConfigError
        Where the counts are of different tasks, classes or thresholds.

    Notes
    -----
    One-sided, for the worse: ``accuracy``, and of a binary task ``precision`` and ``recall``, by Fisher's
    exact test; ``auc`` by DeLong's standard errors, ``log_loss``, ``brier``, ``mae`` and ``mse`` by Welch's.
    Two-sided: ``calibration``, the mean of label less probability, and ``bias``, that of a regression. The
    larger spread of the two sides is taken for both, since few rows may not show it: on the safe side.
    Rows are taken as independent.

    References
    ----------
    B. L. Welch, "The generalization of Student's problem when several different population variances are
    involved", Biometrika 34 (1947).
    """
    if not before.target.same_layout(after.target):
        raise ConfigError(
            f"expected counts of the same task, classes and threshold as {before.target}, "
            f"got those of {after.target}"
        )
    if min(before.rows, after.rows) < LEAST_ROWS:
        return []
    return [check for check in _checks(before, after) if not math.isnan(check.p_value)]


def _checks(before: QualityCounts, after: QualityCounts) -> Iterator[Check]:
    if before.target.task == "regression":
        yield _loss("mae", before.absolute_error, after.absolute_error)
        yield _loss("mse", before.squared_error, after.squared_error)
        yield _moved("bias", before.error, after.error, math.sqrt(before.error.variance))
        return
    yield from _share("accuracy", *(_wrong(counts) for counts in (before, after)))
    if before.target.task == "binary":
        yield from _share("precision", *(_wrongly_selected(counts) for counts in (before, after)))
        yield from _share("recall", *(_overlooked(counts) for counts in (before, after)))
    if before.target.form == "probability":
        yield from _areas(before, after)
        yield _loss("log_loss", before.log_loss, after.log_loss)
        yield _loss("brier", before.brier, after.brier)
    if before.target.task == "binary" and before.target.form == "probability":
        yield _moved("calibration", before.residual, after.residual, 1.0)


def _wrong(counts: QualityCounts) -> tuple[int, int]:
    return counts.rows - int(counts.confusion.trace()), counts.rows


def _wrongly_selected(counts: QualityCounts) -> tuple[int, int]:
    return int(counts.confusion[0, 1]), int(counts.confusion[:, 1].sum())


def _overlooked(counts: QualityCounts) -> tuple[int, int]:
    return int(counts.confusion[1, 0]), int(counts.confusion[1].sum())


def _share(name: str, before: tuple[int, int], after: tuple[int, int]) -> Iterator[Check]:
    """Test a share whose complement, the errors, is given as a count of rows."""
    if min(before[1], after[1]) < LEAST_ROWS or before[0] + after[0] == 0:
        return
    then, now = 1 - before[0] / before[1], 1 - after[0] / after[1]
    yield Check(
        name=name,
        value=now - then,
        p_value=fisher_greater(*before, *after),
        effect=max(0.0, then - now),
        reason=f"{name}: {100 * then:.1f} % → {100 * now:.1f} %",
    )


def _areas(before: QualityCounts, after: QualityCounts) -> Iterator[Check]:
    pairs = [(area(then), area(now)) for then, now in zip(before.scores, after.scores, strict=True)]
    pairs = [pair for pair in pairs if all(_is_testable(found) for found in pair)]
    if not pairs:
        return
    then = math.fsum(pair[0].value for pair in pairs) / len(pairs)
    now = math.fsum(pair[1].value for pair in pairs) / len(pairs)
    # Areas of classes depend on each other: their mean deviates at most as much as they do on average.
    error = math.fsum(_deviation(*pair) for pair in pairs) / len(pairs)
    yield Check(
        name="auc",
        value=now - then,
        p_value=normal_tail((then - now) / error) if error > 0 else math.nan,
        effect=max(0.0, then - now),
        reason=f"auc: {then:.3f} → {now:.3f}",
    )


def _is_testable(found: Area) -> bool:
    return min(found.positives, found.negatives) >= _LEAST_OF_CLASS


def _deviation(before: Area, after: Area) -> float:
    of_positives = max(before.of_positives, after.of_positives)
    of_negatives = max(before.of_negatives, after.of_negatives)
    return math.sqrt(
        of_positives * (1 / before.positives + 1 / after.positives)
        + of_negatives * (1 / before.negatives + 1 / after.negatives)
    )


def _loss(name: str, before: Moments, after: Moments) -> Check:
    """Test a mean that is better when small."""
    error, degrees = _welch(before, after)
    change = after.mean - before.mean
    relative = change / before.mean if before.mean > 0 else math.inf if change > 0 else 0.0
    return Check(
        name=name,
        value=change,
        p_value=student_tail(change / error, degrees) if error > 0 else math.nan,
        effect=min(1.0, max(0.0, relative)),
        reason=f"{name}: {before.mean:.4g} → {after.mean:.4g}",
    )


def _moved(name: str, before: Moments, after: Moments, unit: float) -> Check:
    """Test a mean that is bad on either side."""
    error, degrees = _welch(before, after)
    change = after.mean - before.mean
    return Check(
        name=name,
        value=change,
        p_value=min(1.0, 2 * student_tail(abs(change) / error, degrees)) if error > 0 else math.nan,
        effect=min(1.0, abs(change) / unit) if unit > 0 else 1.0,
        reason=f"{_WORDS[name]}: {before.mean:+.4g} → {after.mean:+.4g}",
    )


_WORDS: Final = {"calibration": "label less probability", "bias": "prediction less label"}


def _welch(before: Moments, after: Moments) -> tuple[float, float]:
    """Return the standard error of a difference of means, and its degrees of freedom."""
    variance = max(before.variance, after.variance)
    of_before, of_after = variance / before.rows, variance / after.rows
    both = of_before + of_after
    if both <= 0:
        return 0.0, math.nan
    degrees = both**2 / (of_before**2 / (before.rows - 1) + of_after**2 / (after.rows - 1))
    return math.sqrt(both), degrees
