"""Checks of all features together: what they find, and how rarely they are wrong."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import scipy.stats

from penstock.errors import BundleError, ConfigError
from penstock.monitor import Baseline
from penstock.monitor.multivariate import (
    MultivariateBaseline,
    Reservoir,
    RowSample,
    domain_check,
    joint_checks,
    pca_check,
    reference_rows,
)

THOROUGH = bool(os.environ.get("PENSTOCK_THOROUGH"))


def people(rows: int, seed: int, **moved: Any) -> dict[str, Any]:
    """Return features of which two numbers, and a number and a category, hang together."""
    random = np.random.default_rng(seed)
    together = moved.get("together", 0.9)
    x = random.normal(size=rows)
    y = together * x + np.sqrt(1 - together**2) * random.normal(size=rows)
    z = random.normal(moved.get("shift", 0.0), 1, rows)
    texts = np.array(["low", "middle", "high"])[(z > -0.5).astype(int) + (z > 0.5)]
    if moved.get("shuffled"):
        texts = random.permutation(texts)
    return {"x": x, "y": y, "z": z, "c": texts.tolist(), "w": random.exponential(size=rows)}


def sample_of(layout: Any, data: dict[str, Any], rows: int = 2000) -> RowSample:
    reservoir = Reservoir(layout, rows, 1)
    reservoir.update(data)
    return reservoir.sample()


@pytest.fixture(scope="module")
def baseline() -> Baseline:
    return Baseline.fit(people(20_000, 0), multivariate=True)


@pytest.fixture(scope="module")
def reference(baseline: Baseline) -> MultivariateBaseline:
    assert baseline.multivariate is not None
    return baseline.multivariate


@pytest.mark.parametrize("rows", [300, 3000])
@pytest.mark.parametrize(
    ("moved", "names"),
    [({"together": 0.0}, {"x", "y"}), ({"shuffled": True}, {"z", "c"})],
    ids=["two numbers no longer together", "a category no longer of its number"],
)
def test_what_no_feature_shows_by_itself_is_found(
    baseline: Baseline, reference: MultivariateBaseline, rows: int, moved: dict[str, Any], names: set[str]
) -> None:
    current = people(rows, 1, **moved)
    # Each feature by itself has the same law as before.
    assert scipy.stats.ks_2samp(current["y"], people(rows, 2)["y"]).pvalue > 1e-3
    pca, domain = joint_checks(reference, sample_of(baseline.profile, current))
    assert domain.p_value < 1e-4
    assert domain.value > 0.6
    assert 0 < domain.effect < 1
    assert any(name in domain.reason.split("most by ")[1] for name in names)
    if "c" not in names:  # principal components see what is linear
        assert pca.p_value < 1e-4
        assert any(name in pca.reason.split("most in ")[1] for name in names)


def test_nothing_is_found_where_nothing_moved(baseline: Baseline, reference: MultivariateBaseline) -> None:
    for seed in range(5):
        checks = joint_checks(reference, sample_of(baseline.profile, people(500, 100 + seed)))
        assert all(check.p_value > 1e-3 for check in checks)


def test_few_rows_far_off_are_found(baseline: Baseline, reference: MultivariateBaseline) -> None:
    current = people(1000, 7)
    current["y"][:40] = 6.0
    check = pca_check(reference, sample_of(baseline.profile, current))
    assert check is not None
    assert check.p_value < 1e-4


def test_too_few_rows_are_not_tested(baseline: Baseline, reference: MultivariateBaseline) -> None:
    assert joint_checks(reference, sample_of(baseline.profile, people(99, 1))) == []
    assert len(joint_checks(reference, sample_of(baseline.profile, people(100, 1)))) == 2
    little = Baseline.fit(people(60, 0), multivariate=True).multivariate
    assert little is not None
    assert joint_checks(little, sample_of(baseline.profile, people(500, 1))) == []


def test_other_features_are_refused(reference: MultivariateBaseline) -> None:
    other = Baseline.fit({"q": np.arange(200.0)})
    with pytest.raises(ConfigError, match="expected rows of the 5 features"):
        domain_check(reference, sample_of(other.profile, {"q": np.arange(200.0)}))


def test_values_outside_every_expectation(reference: MultivariateBaseline, baseline: Baseline) -> None:
    current = people(400, 1)
    current["x"][:] = np.nan
    current["y"][::2] = np.inf
    current["y"][1::2] = 1e308
    current["c"] = ["new " + "x" * 100_000] * 400
    pca, domain = joint_checks(reference, sample_of(baseline.profile, current))
    assert domain.value > 0.99
    assert np.isfinite(pca.value)


def test_the_same_rows_give_the_same_numbers(reference: MultivariateBaseline, baseline: Baseline) -> None:
    current = sample_of(baseline.profile, people(400, 1, shift=0.2))
    assert joint_checks(reference, current) == joint_checks(reference, current)
    again = MultivariateBaseline.from_bytes(reference.to_bytes())
    assert joint_checks(again, current) == joint_checks(reference, current)


def test_some_features_can_be_taken(reference: MultivariateBaseline, baseline: Baseline) -> None:
    some = reference.restricted(["c", "x"])
    assert some.names == ("x", "c")
    assert dict(some.categories) == {1: 3}
    reservoir = Reservoir(baseline.profile, 2000, names=some.names)
    reservoir.update(people(500, 1))
    assert len(joint_checks(some, reservoir.sample())) == 2
    with pytest.raises(ConfigError, match="got none of them"):
        reference.restricted(["nothing"])


def test_a_sample_is_a_reference_too(baseline: Baseline) -> None:
    sample = sample_of(baseline.profile, people(700, 3))
    found = MultivariateBaseline.fit(sample, baseline.profile)
    assert sorted(found.sample.values[:, 0]) == sorted(sample.values[:, 0])


@pytest.mark.parametrize("cut", [0, 3, 100, -1])
def test_damaged_bytes_are_refused(reference: MultivariateBaseline, cut: int) -> None:
    with pytest.raises(BundleError, match="there: "):
        MultivariateBaseline.from_bytes(reference.to_bytes()[:cut], "there")


def test_a_layout_of_outputs_alone_is_refused() -> None:
    layout = Baseline.fit({"p": [0.5, 0.1]}, prediction="p").profile
    with pytest.raises(ConfigError, match="a layout with features"):
        MultivariateBaseline.fit(pa.table({"p": [0.5]}), layout)


def test_wide_references_keep_fewer_rows() -> None:
    assert [reference_rows(count) for count in (1, 104, 200, 10_000)] == [5000, 5000, 2621, 1000]


def _null(kind: str, random: np.random.Generator, rows: int) -> dict[str, Any]:
    if kind == "normal":
        x = random.normal(size=(rows, 3))
        return {"a": x[:, 0], "b": x[:, 0] * 0.9 + 0.4 * x[:, 1], "c": x[:, 2]}
    if kind == "heavy":
        return {name: random.standard_cauchy(rows) for name in "abc"}
    if kind == "discrete":
        return {name: random.poisson(mean, rows).astype(float) for mean, name in enumerate("abc", 1)}
    if kind == "rare":  # a long tail of categories: many of the current ones are unknown to the reference
        return {name: [f"k{one}" for one in random.zipf(1.4, rows)] for name in "ab"}
    return {name: [f"k{one}" for one in random.integers(0, 500, rows)] for name in "ab"}


@pytest.mark.timeout(1800 if THOROUGH else 120)
@pytest.mark.parametrize("kind", ["normal", "heavy", "discrete", "rare", "500 levels"])
def test_the_level_is_kept_when_nothing_moved(kind: str) -> None:
    """References and windows drawn anew each time; few and small ones unless asked for more."""
    times = 1000 if THOROUGH else 25
    p = []
    for seed in range(times):
        random = np.random.default_rng((seed, 11))
        before = _null(kind, random, 600)
        layout = Baseline.fit(before).profile
        reference = MultivariateBaseline.fit(before, layout, seed)
        reservoir = Reservoir(layout, 1000, seed)
        reservoir.update(_null(kind, random, 200))
        p.append([check.p_value for check in joint_checks(reference, reservoir.sample(), seed)])
    for check in np.array(p).T:
        for level in (0.05, 0.2):
            alarms = int(np.count_nonzero(check <= level))
            assert scipy.stats.binomtest(alarms, times, level, "greater").pvalue > 1e-3, (kind, level, alarms)
