"""Alarms about quality: as often false as stated, and true when quality drops."""

from __future__ import annotations

import os
from dataclasses import replace

import numpy as np
import pytest
from quality_cases import BINARY, CASES, counted, drawn
from scipy import stats

from penstock.errors import ConfigError
from penstock.monitor.quality import QualityCounts, compare_quality, metrics

THOROUGH = bool(os.environ.get("PENSTOCK_THOROUGH"))


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(("before", "after"), [(20_000, 60), (30, 2000), (300, 300)])
def test_nothing_alarms_more_often_than_stated(case: str, before: int, after: int) -> None:
    times = 5000 if THOROUGH else 250
    random = np.random.default_rng(3)
    reference = counted(case, before, random)
    p_values: dict[str, list[float]] = {}
    for index in range(times):
        if before <= 300 or index % 50 == 0:
            reference = counted(case, before, random)
        for check in compare_quality(reference, counted(case, after, random)):
            p_values.setdefault(check.name, []).append(check.p_value)
    assert p_values
    for name, found in p_values.items():
        for level in (0.05, 0.01, 0.001):
            false = sum(p_value <= level for p_value in found)
            # Of 24 cases and up to seven checks; a right rate is refused once in a million.
            assert stats.binom.sf(false - 1, times, level) > 1e-6, (name, level)


@pytest.mark.parametrize(
    ("worse", "expected"),
    [
        (lambda label, score, random: (random.permutation(label), score), {"accuracy", "auc", "brier"}),
        (lambda label, score, random: (label, score * 0.5), {"calibration", "recall"}),
        (lambda label, score, random: (label, score**0.3), {"calibration", "precision"}),
        (lambda label, score, random: (label ^ (random.random(3000) < 0.1), score), {"accuracy", "brier"}),
    ],
)  # fmt: skip
def test_a_drop_is_seen(worse: object, expected: set[str]) -> None:
    assert callable(worse)
    random = np.random.default_rng(4)
    label, columns = drawn("even", 3000, random)
    label, score = worse(label, columns["p"], random)
    found = compare_quality(counted("even", 20_000), QualityCounts.of(BINARY, label, {"p": score}))
    assert expected <= {check.name for check in found if check.p_value < 1e-4 and check.effect > 0}


def test_an_improvement_is_no_drop() -> None:
    label, columns = drawn("even", 3000, np.random.default_rng(5))
    sure = QualityCounts.of(BINARY, label, {"p": np.where(label, 0.9, 0.1)})
    found = {check.name: check for check in compare_quality(counted("even", 20_000), sure)}
    for name in ("accuracy", "auc", "log_loss", "brier", "recall", "precision"):
        assert found[name].p_value > 0.99, name
        assert found[name].effect == 0, name
    assert columns


def test_shares_are_tested_by_fisher() -> None:
    before, after = counted("even", 400, 1), counted("overconfident", 300, 2)
    (check,) = [check for check in compare_quality(before, after) if check.name == "accuracy"]
    table = [[counts.confusion.trace(), counts.rows - counts.confusion.trace()] for counts in (before, after)]
    assert check.p_value == pytest.approx(stats.fisher_exact(table, alternative="greater").pvalue)
    assert check.value == metrics(after)["accuracy"].value - metrics(before)["accuracy"].value


def test_reasons_say_what_moved() -> None:
    found = {c.name: c.reason for c in compare_quality(counted("even", 4000), counted("overconfident", 4000))}
    assert set(found) == {"accuracy", "precision", "recall", "auc", "log_loss", "brier", "calibration"}
    assert found["accuracy"] == "accuracy: 68.7 % → 83.5 %"
    assert found["calibration"].startswith("label less probability: ")


def test_effects_are_shares_of_the_earlier_spread_or_loss() -> None:
    label, columns = drawn("normal", 2000, np.random.default_rng(6))
    later = QualityCounts.of(CASES["normal"], label, {"p": columns["p"] + 3})
    found = {check.name: check for check in compare_quality(counted("normal", 2000), later)}
    assert set(found) == {"mae", "mse", "bias"}
    assert all(check.effect == 1.0 and check.p_value < 1e-100 for check in found.values())
    same = {c.name: c for c in compare_quality(counted("normal", 2000), counted("normal", 2000))}
    assert all(check.effect == 0 for check in same.values())


def test_few_rows_are_not_tested() -> None:
    assert compare_quality(counted("even", 19), counted("even", 1000)) == []
    assert compare_quality(counted("even", 1000), counted("even", 19)) == []


def test_constant_errors_are_not_tested() -> None:
    same = QualityCounts.of(CASES["normal"], np.zeros(50), {"p": np.zeros(50)})
    assert compare_quality(same, same) == []


def test_other_targets_are_refused() -> None:
    other = counted("even", 100).with_threshold(0.25)
    with pytest.raises(ConfigError, match="expected counts of the same task, classes and threshold"):
        compare_quality(counted("even", 100), other)
    renamed = replace(counted("even", 100), target=replace(BINARY, prediction=("score",)))
    assert compare_quality(counted("even", 100), renamed)
