"""Intervals: against scipy, and covering what they promise."""

from __future__ import annotations

import os

import numpy as np
import pytest
from quality_cases import CASES, counted
from scipy import stats

from penstock.errors import ConfigError
from penstock.monitor.quality import metrics
from penstock.monitor.quality.intervals import area_limits, logit_limits, mean, wilson
from penstock.monitor.quality.moments import Moments
from penstock.monitor.quality.scores import area
from penstock.monitor.quality.student import normal_quantile, student_quantile, student_tail

THOROUGH = bool(os.environ.get("PENSTOCK_THOROUGH"))


@pytest.mark.parametrize(("count", "rows"), [(0, 20), (3, 20), (20, 20), (990, 1000), (1, 1)])
@pytest.mark.parametrize("level", [0.8, 0.95, 0.999])
def test_shares_are_wilsons(count: int, rows: int, level: float) -> None:
    wanted = stats.binomtest(count, rows).proportion_ci(level, method="wilson")
    assert wilson(count, rows, level) == pytest.approx((wanted.low, wanted.high), abs=1e-12)


@pytest.mark.parametrize("degrees", [1, 2.5, 30, 5000, 1e6])
def test_student(degrees: float) -> None:
    for t in (-3.0, 0.0, 0.5, 4.0, 8.0):
        assert student_tail(t, degrees) == pytest.approx(stats.t.sf(t, degrees), rel=1e-4)
    for level in (0.5, 0.95, 0.9999):
        assert student_quantile(level, degrees) == pytest.approx(
            stats.t.ppf((1 + level) / 2, degrees), rel=1e-4
        )
        assert normal_quantile(level) == pytest.approx(stats.norm.ppf((1 + level) / 2))


def test_means_have_students_limits() -> None:
    values = np.random.default_rng(0).exponential(size=40)
    found = mean(Moments.of(values), 0.9)
    wanted = stats.ttest_1samp(values, 0).confidence_interval(0.9)
    assert (found.low, found.high) == pytest.approx((wanted.low, wanted.high))
    assert mean(Moments.of(values[:1]), 0.9, 0.0).low == 0.0


def test_the_variance_of_an_area_is_delongs() -> None:
    random = np.random.default_rng(1)
    positive, negative = random.normal(1, 1, 40), random.normal(0, 1, 70)
    beaten = (positive[:, None] > negative).mean(axis=1)
    beating = (positive[:, None] > negative).mean(axis=0)
    wanted = beaten.var(ddof=1) / 40 + beating.var(ddof=1) / 70
    values = np.sort(np.concatenate([positive, negative]))
    counts = np.stack([np.isin(values, negative), np.isin(values, positive)]).astype(np.int64)
    found = area(counts)
    assert found.value == pytest.approx(beaten.mean())
    assert found.variance == pytest.approx(wanted)


def test_limits_of_an_area_exist_at_its_ends() -> None:
    low, high = area_limits(1.0, 5, 8, 0.95)
    assert 0.5 < low < 1.0 == high
    assert area_limits(0.0, 5, 8, 0.95) == pytest.approx((0.0, 1 - low))
    assert 0 < logit_limits(0.9, 0.2, 0.95)[0] < 0.9 < logit_limits(0.9, 0.2, 0.95)[1] < 1


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("rows", [60, 500])
def test_intervals_cover_what_more_rows_show(case: str, rows: int) -> None:
    """At 95 %; means of few skewed losses cover less, as the docs say."""
    times = 2000 if THOROUGH else 150
    truth = metrics(counted(case, 200_000, 99))
    random = np.random.default_rng(0)
    covered: dict[str, list[bool]] = {}
    for _ in range(times):
        for name, metric in metrics(counted(case, rows, random)).items():
            if np.isfinite(metric.value):
                covered.setdefault(name, []).append(metric.low <= truth[name].value <= metric.high)
    slack = 4 * (0.05 * 0.95 / times) ** 0.5
    skewed = {"log_loss", "brier", "mae", "rmse", "bias"} | ({"auc"} if case == "rare" else set())
    for name, hits in covered.items():
        if len(hits) < times / 2:
            continue
        least = 0.84 if name in skewed else 0.94
        if case in ("skewed", "heavy"):  # the squared error has no variance, or hardly shows it
            least = 0.4 if name == "rmse" else 0.8
        assert np.mean(hits) >= least - slack, name


def test_a_level_is_checked() -> None:
    with pytest.raises(ConfigError, match="level: expected a number above 0 and below 1, got 1"):
        metrics(counted("even", 10), 1.0)
