"""The promise: when nothing moved, alarms come as seldom as was asked for. Simulated, seeded."""

from __future__ import annotations

import math
import os
from collections.abc import Callable

import numpy as np
import pytest
from drift_profiles import categories_of, current_of, profile_of, reference_of
from scipy import stats

from penstock.monitor.calibration import checks
from penstock.monitor.drift import drift
from penstock.monitor.profile import FeatureProfile

Pair = tuple[FeatureProfile, FeatureProfile]
Draw = Callable[[np.random.Generator, int], np.ndarray]

NAMES = np.array([f"c{index:03}" for index in range(500)])
RANKS = 1 / np.arange(1, 501)

LAWS: dict[str, Draw] = {
    "normal": lambda random, rows: random.normal(size=rows),
    "heavy_tailed": lambda random, rows: random.standard_cauchy(rows),
    "skewed": lambda random, rows: np.exp(3 * random.normal(size=rows)),
    "discrete": lambda random, rows: random.poisson(3, rows).astype(float),
    "many_zeros": lambda random, rows: np.where(random.random(rows) < 0.7, 0.0, random.normal(size=rows)),
    "missing": lambda random, rows: np.where(random.random(rows) < 0.1, math.nan, random.normal(size=rows)),
    "three_categories": lambda random, rows: random.choice(NAMES[:3], rows, p=[0.7, 0.25, 0.05]),
    "500_categories": lambda random, rows: NAMES[random.integers(0, 500, rows)],
    "500_of_zipf": lambda random, rows: random.choice(NAMES, rows, p=RANKS / RANKS.sum()),
}

SIZES = [(50, 50), (2000, 100), (100, 2000), (50, 5000), (5000, 5000)]
LARGE = [(50_000, 50_000), (50_000, 500), (500, 50_000)]

# PENSTOCK_THOROUGH=1: a quarter of an hour, which finds what is wrong far out in the tail.
THOROUGH = os.environ.get("PENSTOCK_THOROUGH") == "1"


def pair_of(draw: Draw, random: np.random.Generator, n: int, m: int) -> Pair:
    before, after = draw(random, n), draw(random, m)
    if before.dtype.kind == "f":
        reference = reference_of(before)
        return reference, current_of(after, reference)
    reference = categories_of(before.tolist())
    return reference, categories_of(after.tolist(), reference)


def assert_kept(alarms: int, repeats: int, level: float, what: object, slack: float = 1.0) -> None:
    """At most the promised rate, within the binomial interval of all such tests together."""
    assert alarms <= stats.binom.isf(1e-5, repeats, level * slack), (what, alarms, repeats, level)


def p_values(draw: Draw, n: int, m: int, repeats: int, seed: int) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    found: dict[str, list[float]] = {}
    for _ in range(repeats):
        for check in checks(*pair_of(draw, random, n, m)):
            found.setdefault(check.name, []).append(check.p_value)
    return {name: np.array(values) for name, values in found.items()}


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize(("n", "m"), SIZES)
def test_every_check_keeps_its_level(law: str, n: int, m: int) -> None:
    repeats = 120 if max(n, m) >= 5000 else 250
    for name, values in p_values(LAWS[law], n, m, repeats, seed=n + m).items():
        # Chi-square of few cells of ten expected rows is a tenth above its level near 0.1, not in the tail.
        for level in (0.1, 0.01):
            assert_kept(int((values <= level).sum()), repeats, level, (name, level), slack=1.15)


@pytest.mark.slow
@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize(("n", "m"), SIZES + LARGE if THOROUGH else LARGE)
def test_every_check_keeps_its_level_far_out(law: str, n: int, m: int) -> None:
    repeats = int(np.clip(8e6 / (n + m), 300, 4000)) if THOROUGH else 40
    for name, values in p_values(LAWS[law], n, m, repeats, seed=2 * (n + m)).items():
        for level in (0.1, 0.01, 0.001):
            assert_kept(int((values <= level).sum()), repeats, level, (name, level), slack=1.15)


def test_distribution_checks_are_not_timid() -> None:
    """Their p-values are not only safe: where they can, they reach their level."""
    for name, values in p_values(LAWS["normal"], 2000, 1000, 500, seed=5).items():
        if name != "out_of_range":
            assert (values <= 0.1).sum() >= stats.binom.ppf(1e-5, 500, 0.09), name


def correlated(random: np.random.Generator, rows: int) -> np.ndarray:
    """Ten columns with a correlation of 0.8, normal and not."""
    shared = random.normal(size=(rows, 1))
    columns = math.sqrt(0.8) * shared + math.sqrt(0.2) * random.normal(size=(rows, 10))
    columns[:, 5:8] = np.exp(columns[:, 5:8])
    columns[:, 8:] = np.round(columns[:, 8:])
    return np.asarray(columns)


@pytest.mark.parametrize(("n", "m"), [(2000, 200), (200, 1000)])
def test_the_whole_comparison_keeps_the_chance_of_a_false_alarm(n: int, m: int) -> None:
    random = np.random.default_rng(n)
    repeats, asked, alarms = 150, 0.1, 0
    for _ in range(repeats):
        before, after = correlated(random, n), correlated(random, m)
        reference = [reference_of(before[:, j], name=f"f{j}") for j in range(10)]
        current = [current_of(after[:, j], one) for j, one in enumerate(reference)]
        for law in ("500_categories", "three_categories", "missing"):
            pair = pair_of(LAWS[law], random, n, m)
            reference.append(named(pair[0], law))
            current.append(named(pair[1], law))
        report = drift(profile_of(*reference), profile_of(*current), false_alarms=asked)
        alarms += bool(report.alarms)
    assert_kept(alarms, repeats, asked, (n, m))


def named(profile: FeatureProfile, name: str) -> FeatureProfile:
    from dataclasses import replace

    return replace(profile, name=name)


def test_a_baseline_that_keeps_few_categories_does_not_alarm_for_it() -> None:
    """The most frequent of a sample were frequent in that sample: their share falls in the next one."""
    random = np.random.default_rng(8)
    alarms = 0
    for _ in range(100):
        reference = categories_of(NAMES[random.integers(0, 500, 4000)].tolist(), kept=100)
        current = categories_of(NAMES[random.integers(0, 500, 4000)].tolist(), reference)
        alarms += any(check.p_value <= 0.01 for check in checks(reference, current))
    assert_kept(alarms, 100, 0.01, "kept 100 of 500")
