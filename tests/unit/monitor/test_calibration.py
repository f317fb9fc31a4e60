"""Laws against scipy; checks that answer what they should."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from drift_profiles import categories_of, current_of, reference_of
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from penstock.monitor.calibration import Check, checks, checks_of_each, holm, noise
from penstock.monitor.calibration.beta import incomplete_beta, negative_binomial_tail
from penstock.monitor.calibration.bridge import area_moments, square_weights
from penstock.monitor.calibration.cells import EXPECTED, cells
from penstock.monitor.calibration.gamma import chi_square_quantile, chi_square_tail, gamma_tail
from penstock.monitor.calibration.hypergeometric import fisher, fisher_greater
from penstock.monitor.calibration.kolmogorov import kolmogorov_tail
from penstock.monitor.calibration.quadratic_form import quadratic_form_tail
from penstock.monitor.calibration.simulation import simulated_pairs
from penstock.monitor.profile import FeatureProfile
from penstock.monitor.statistics import STATISTICS, statistics_of

Pair = tuple[FeatureProfile, FeatureProfile]


def by_name(pair: Pair) -> dict[str, Check]:
    return {check.name: check for check in checks(*pair)}


@given(st.floats(0.01, 5000), st.floats(0, 20000))
def test_gamma_tail_is_that_of_scipy(shape: float, x: float) -> None:
    assert gamma_tail(shape, x) == pytest.approx(stats.gamma.sf(x, shape), rel=1e-8, abs=1e-290)


@given(st.floats(1e-12, 0.999), st.integers(1, 2000))
def test_chi_square_quantile_is_that_of_scipy(level: float, degrees: int) -> None:
    found = chi_square_quantile(level, degrees)
    assert found == pytest.approx(stats.chi2.isf(level, degrees), rel=1e-7)
    assert chi_square_tail(found, degrees) == pytest.approx(level, rel=1e-6)


@given(st.floats(0.05, 500), st.floats(0.05, 500), st.floats(0, 1))
def test_incomplete_beta_is_that_of_scipy(a: float, b: float, x: float) -> None:
    assert incomplete_beta(a, b, x) == pytest.approx(stats.beta.cdf(x, a, b), rel=1e-8, abs=1e-12)


@given(st.integers(0, 300), st.floats(0.3, 50), st.floats(0.01, 0.99))
def test_negative_binomial_tail_is_that_of_scipy(k: int, shape: float, chance: float) -> None:
    expected = stats.nbinom.sf(k - 1, shape, 1 - chance)
    assert negative_binomial_tail(k, shape, chance) == pytest.approx(expected, rel=1e-7, abs=1e-12)


@given(st.integers(1, 400), st.integers(1, 400), st.data())
def test_fisher_is_that_of_scipy(n: int, m: int, data: st.DataObject) -> None:
    before, after = data.draw(st.integers(0, n)), data.draw(st.integers(0, m))
    table = [[after, m - after], [before, n - before]]
    more = stats.fisher_exact(table, alternative="greater").pvalue
    fewer = stats.fisher_exact(table, alternative="less").pvalue
    assert fisher_greater(before, n, after, m) == pytest.approx(more, rel=1e-8, abs=1e-13)
    assert fisher(before, n, after, m) == pytest.approx(min(1, 2 * min(more, fewer)), rel=1e-8, abs=1e-13)


def test_fisher_of_many_rows_is_quick_and_right() -> None:
    found = fisher(5_000_000, 100_000_000, 5_005_000, 100_000_000)
    z = 5_000 / math.sqrt(2 * 100_000_000 * 0.05 * 0.95)
    assert found == pytest.approx(2 * stats.norm.sf(z), rel=0.01)


def test_quadratic_form_tail_is_chi_square_when_weights_are_one() -> None:
    for degrees in (1, 3, 20):
        for level in (0.7, 0.1, 1e-3, 1e-8):
            x = stats.chi2.isf(level, degrees)
            # One degree is the worst case of the approximation, and no case in practice.
            tolerance = 0.12 if degrees == 1 else 0.03
            assert quadratic_form_tail(np.ones(degrees), x) == pytest.approx(level, rel=tolerance)
            assert quadratic_form_tail(np.full(degrees, 7.0), 7 * x) == pytest.approx(level, rel=tolerance)


def test_quadratic_form_tail_falls_through_the_mean() -> None:
    weights = 1 / np.arange(1, 20) ** 2
    tails = [quadratic_form_tail(weights, x) for x in np.linspace(0.2, 4, 500)]
    assert np.all(np.diff(tails) < 0)


@pytest.mark.parametrize(("x", "level"), [(0.46136, 0.05), (0.74346, 0.01), (1.16786, 0.001)])
def test_fine_bins_have_the_cramer_von_mises_law(x: float, level: float) -> None:
    weights = square_weights(np.full(128, 1000))
    assert quadratic_form_tail(weights, x) == pytest.approx(level, rel=0.08)


def test_kolmogorov_tail_is_that_of_scipy() -> None:
    for z in (0.3, 0.8, 1.36, 2.5, 5.0):
        found = kolmogorov_tail(z / math.sqrt(50), 100, 100)
        assert found == pytest.approx(stats.kstwobign.sf(z), rel=1e-9)


def test_area_moments_are_those_of_drawn_samples() -> None:
    pooled = np.array([500, 1500, 4000, 3000, 1000])
    width = np.array([4.0, 1.0, 0.5, 1.0, 8.0])
    mean, variance = area_moments(pooled, width)
    first, second = simulated_pairs(pooled // 2, pooled - pooled // 2, draws=20_000)
    gap = np.cumsum(first / 5000 - second / 5000, axis=-1)[:, :-1] / math.sqrt(1 / 5000 + 1 / 5000)
    drawn = np.abs(gap) @ ((width[:-1] + width[1:]) / 2)
    assert mean == pytest.approx(drawn.mean(), rel=0.02)
    assert variance == pytest.approx(drawn.var(), rel=0.06)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_holm_is_its_definition(p_values: list[float]) -> None:
    adjusted = holm(p_values)
    for level in (0.01, 0.05, 0.2):
        rejected = set()
        for rank, index in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
            if p_values[index] * (len(p_values) - rank) > level:
                break
            rejected.add(index)
        assert {index for index, value in enumerate(adjusted) if value <= level} == rejected


def test_cells_have_enough_rows_in_both_samples() -> None:
    random = np.random.default_rng(1)
    for n, m in ((50, 50), (50, 5000), (5000, 50), (20_000, 3000)):
        for make in (random.normal, lambda size: random.poisson(2, size).astype(float)):
            reference = reference_of(make(size=n))
            found = cells(reference, current_of(make(size=m), reference))
            pooled = found.before + found.after
            assert len(found) <= 21
            assert pooled.min() * min(n, m) / (n + m) >= EXPECTED
            assert found.before.sum() == n
            assert found.after.sum() == m


def test_rare_categories_are_put_together_whatever_the_reference_has_of_them() -> None:
    random = np.random.default_rng(2)
    names = [f"c{index}" for index in range(500)]
    reference = categories_of(random.choice(names, 20_000).tolist())
    current = categories_of(random.choice(names, 2000).tolist(), reference)
    found = cells(reference, current)
    assert 100 < len(found) < 200
    assert sum(map(len, found.bins)) > 490


def test_few_rows_are_not_tested() -> None:
    reference = reference_of(np.arange(1000.0))
    assert checks(reference, current_of(np.full(19, 1e6), reference)) == []
    assert checks(reference, current_of(np.full(20, 1e6), reference)) != []
    few_values = current_of([*[math.nan] * 500, *[1e6] * 19], reference)
    assert set(by_name((reference, few_values))) == {"missing"}


def test_many_features_at_once_give_what_each_gives_alone() -> None:
    random = np.random.default_rng(9)
    flat, reference = reference_of(np.ones(100)), reference_of(random.normal(size=1000))
    pairs = [make(random) for _, make, _, _ in MOVES for _ in range(12)]
    pairs += [(flat, flat), (reference, current_of(np.zeros(19), reference))]
    pairs += [(reference, current_of([*[math.nan] * 50, 1.0], reference))]
    found = checks_of_each(pairs)
    assert len({len(one) for one in found}) > 2
    for pair, together in zip(pairs, found, strict=True):
        alone = checks(*pair)
        assert [check.name for check in together] == [check.name for check in alone]
        for first, second in zip(together, alone, strict=True):
            assert (first.reason, first.effect) == (second.reason, second.effect)
            assert first.p_value == pytest.approx(second.p_value, rel=1e-9)
    assert checks_of_each([]) == []


def test_weights_of_many_features_are_those_of_each() -> None:
    pooled = np.random.default_rng(10).integers(0, 900, (7, 128))
    for found, counts in zip(square_weights(pooled), pooled, strict=True):
        assert found == pytest.approx(square_weights(counts), rel=1e-12)


def test_what_cannot_fail_is_not_checked() -> None:
    flat = reference_of(np.ones(100))
    assert set(by_name((flat, flat))) == {"out_of_range"}
    one = categories_of(["a"] * 100)
    assert set(by_name((one, one))) == {"unseen"}


MOVES: list[tuple[str, Callable[[np.random.Generator], Pair], str, str]] = []


def moves(name: str, check: str, words: str) -> Callable[[Callable[[np.random.Generator], Pair]], None]:
    def keep(make: Callable[[np.random.Generator], Pair]) -> None:
        MOVES.append((name, make, check, words))

    return keep


def numbers(before: np.ndarray, after: np.ndarray) -> Pair:
    reference = reference_of(before)
    return reference, current_of(after, reference)


@moves("shift", "cramer_von_mises", "mean")
def _shift(random: np.random.Generator) -> Pair:
    return numbers(random.normal(size=5000), random.normal(0.25, 1, size=1000))


@moves("spread", "chi2", "%")
def _spread(random: np.random.Generator) -> Pair:
    return numbers(random.normal(size=5000), random.normal(0, 1.3, size=2000))


@moves("missing", "missing", "missing 5")
def _missing(random: np.random.Generator) -> Pair:
    before, after = random.normal(size=5000), random.normal(size=1000)
    before[::20] = math.nan
    after[::8] = math.nan
    return numbers(before, after)


@moves("outliers", "out_of_range", "2 % above")
def _outliers(random: np.random.Generator) -> Pair:
    after = random.normal(size=1000)
    after[::50] = 99.0
    return numbers(random.normal(size=5000), after)


@moves("infinite", "infinite", "infinite 0 % → 2 %")
def _infinite(random: np.random.Generator) -> Pair:
    after = random.normal(size=1000)
    after[::50] = math.inf
    return numbers(random.normal(size=5000), after)


@moves("category", "chi2", 'category "x"')
def _category(random: np.random.Generator) -> Pair:
    reference = categories_of(random.choice(["x", "y", "z"], 5000, p=[0.03, 0.5, 0.47]).tolist())
    return reference, categories_of(
        random.choice(["x", "y", "z"], 1000, p=[0.18, 0.42, 0.4]).tolist(), reference
    )


@moves("recoded", "unseen", '"X" ')
def _recoded(random: np.random.Generator) -> Pair:
    reference = categories_of(random.choice(["x", "y"], 5000, p=[0.05, 0.95]).tolist())
    return reference, categories_of(random.choice(["X", "y"], 500, p=[0.05, 0.95]).tolist(), reference)


@pytest.mark.parametrize(("make", "check", "words"), [move[1:] for move in MOVES], ids=[m[0] for m in MOVES])
def test_what_moved_is_found_and_said(
    make: Callable[[np.random.Generator], Pair], check: str, words: str
) -> None:
    found = by_name(make(np.random.default_rng(11)))
    assert found[check].p_value < 1e-4
    assert words in found[check].reason
    assert 0 < found[check].effect <= 1


@pytest.mark.parametrize(("n", "m"), [(20_000, 5000), (1000, 1000), (300, 100)])
def test_noise_levels_are_exceeded_as_often_as_they_say(n: int, m: int) -> None:
    """One sample in ten exceeds the level for 0.1, more or less; Kolmogorov-Smirnov's is on the safe side."""
    random = np.random.default_rng(12)
    above: dict[str, int] = {}
    repeats = 150
    for _ in range(repeats):
        pair = numbers(random.normal(size=n), random.normal(size=m))
        measured = statistics_of(*pair)
        for name, level in noise(*pair, 0.1).items():
            above[name] = above.get(name, 0) + (measured[name] > level)
    assert set(above) == set(STATISTICS["numeric"]) - {"missing", "mean_shift", "out_of_range"}
    for name, times in above.items():
        assert times <= stats.binom.isf(1e-4, repeats, 0.14), (name, times)
        if name != "ks":
            assert times >= stats.binom.ppf(1e-4, repeats, 0.06), (name, times)


def test_noise_levels_come_out_the_same_each_time() -> None:
    pair = numbers(np.random.default_rng(1).normal(size=200), np.random.default_rng(2).normal(size=100))
    assert noise(*pair, 0.01) == noise(*pair, 0.01)
