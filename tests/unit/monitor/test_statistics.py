"""Statistics against scipy: exact on the bins, within the stated bound on the raw values."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from drift_profiles import categories_of, current_of, reference_of
from hypothesis import given
from hypothesis import strategies as st
from scipy import special, stats
from scipy.spatial import distance

from penstock.errors import ConfigError
from penstock.monitor.profile import FeatureProfile
from penstock.monitor.statistics import (
    STATISTICS,
    chi_square,
    cramer_von_mises,
    g,
    hellinger,
    jensen_shannon_distance,
    jensen_shannon_divergence,
    kolmogorov_smirnov,
    kolmogorov_smirnov_bound,
    l_infinity,
    mean_shift,
    missing,
    out_of_range,
    psi,
    statistics_of,
    statistics_of_each,
    unseen,
    wasserstein,
)

counts = st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 2000)), min_size=2, max_size=40).filter(
    lambda pairs: sum(a for a, _ in pairs) > 0 and sum(b for _, b in pairs) > 0
)


def on_bins(pairs: list[tuple[int, int]]) -> tuple[FeatureProfile, FeatureProfile]:
    """Make two categorical profiles with these counts."""
    names = tuple(f"c{index}" for index in range(len(pairs)))
    before, after = np.array(pairs).T
    return tuple(
        FeatureProfile(name="c", kind="categorical", rows=int(side.sum()), categories=names, counts=side)
        for side in (before, after)
    )  # type: ignore[return-value]


@given(counts)
def test_statistics_on_bins_are_those_of_scipy(pairs: list[tuple[int, int]]) -> None:
    reference, current = on_bins(pairs)
    before, after = np.array(pairs).T
    p, q = before / before.sum(), after / after.sum()
    used = before + after > 0
    js = distance.jensenshannon(p, q, base=2)
    assert jensen_shannon_distance(reference, current) == pytest.approx(js, abs=1e-7)
    assert jensen_shannon_divergence(reference, current) == pytest.approx(js**2, abs=1e-12)
    assert l_infinity(reference, current) == pytest.approx(distance.chebyshev(p, q), abs=1e-12)
    expected = distance.euclidean(np.sqrt(p), np.sqrt(q)) / math.sqrt(2)
    assert hellinger(reference, current) == pytest.approx(expected, abs=1e-9)
    if used.sum() > 1:
        table = np.array(pairs)[used].T
        for ours, name in ((chi_square, "pearson"), (g, "log-likelihood")):
            theirs = stats.chi2_contingency(table, correction=False, lambda_=name).statistic
            assert ours(reference, current) == pytest.approx(theirs, rel=1e-9, abs=1e-8)
    if np.all(before[used] > 0) and np.all(after[used] > 0):
        both = special.rel_entr(p, q).sum() + special.rel_entr(q, p).sum()
        assert psi(reference, current) == pytest.approx(both, abs=1e-10)


def test_psi_of_an_empty_bin_is_that_of_half_a_row() -> None:
    reference, current = on_bins([(100, 50), (0, 50)])
    expected = (0.5 - 1) * math.log(0.5) + (0.5 - 0.005) * math.log(0.5 / 0.005)
    assert psi(reference, current) == pytest.approx(expected)


@pytest.mark.parametrize("bins", [8, 64, 256])
def test_kolmogorov_smirnov_is_within_its_bound_of_the_raw_distance(bins: int) -> None:
    random = np.random.default_rng(bins)
    for shift in (0.0, 0.1, 2.0):
        before, after = random.standard_t(2, 3000), random.standard_t(2, 700) + shift
        reference = reference_of(before, bins)
        current = current_of(after, reference)
        raw = stats.ks_2samp(before, after).statistic
        ours = kolmogorov_smirnov(reference, current)
        assert ours <= raw + 1e-12
        assert raw <= ours + kolmogorov_smirnov_bound(reference, current)


def test_a_bin_for_each_value_gives_the_raw_statistics() -> None:
    random = np.random.default_rng(3)
    before, after = random.normal(size=60), random.normal(0.5, 1, size=45)
    values = np.sort(np.concatenate((before, after)))
    layout = FeatureProfile(
        name="x", kind="numeric", edges=(values[:-1] + values[1:]) / 2, minimum=values[0], maximum=values[-1]
    )
    reference, current = current_of(before, layout), current_of(after, layout)
    assert kolmogorov_smirnov(reference, current) == pytest.approx(stats.ks_2samp(before, after).statistic)
    expected = stats.cramervonmises_2samp(before, after).statistic
    assert cramer_von_mises(reference, current) == pytest.approx(expected)


def test_wasserstein_is_that_of_values_spread_evenly_in_their_bins() -> None:
    random = np.random.default_rng(4)
    before, after = random.normal(size=400), random.normal(0.3, 1.4, size=300)
    reference = reference_of(before, 12)
    current = current_of(after, reference)
    low, high = min(before.min(), after.min()), max(before.max(), after.max())
    points = np.concatenate(([low], reference.edges, [high]))
    fine = np.concatenate([np.linspace(a, b, 4001)[:-1] for a, b in itertools.pairwise(points)])
    middles = fine + np.repeat(np.diff(points) / 8000, 4000)
    expected = stats.wasserstein_distance(
        middles,
        middles,
        np.repeat(reference.histogram / 4000, 4000),
        np.repeat(current.histogram / 4000, 4000),
    )
    assert wasserstein(reference, current) * before.std(ddof=1) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("shift", [0.0, 0.1, 1.0])
def test_wasserstein_is_within_its_bound_of_the_raw_distance(shift: float) -> None:
    random = np.random.default_rng(5)
    before, after = random.gamma(2, size=5000), random.gamma(2, size=2000) + shift
    reference = reference_of(before)
    current = current_of(after, reference)
    widths = np.diff(
        np.concatenate(([min(before.min(), after.min())], reference.edges, [max(before.max(), after.max())]))
    )
    shares = np.maximum(reference.histogram / 5000, current.histogram / 2000)
    expected = stats.wasserstein_distance(before, after)
    ours = wasserstein(reference, current) * reference.standard_deviation
    assert abs(ours - expected) <= float(widths @ shares)
    assert ours == pytest.approx(expected, rel=0.05, abs=0.01)


def test_wasserstein_of_a_reference_that_does_not_vary_has_the_scale_of_both() -> None:
    reference = reference_of(np.full(50, 3.0))
    current = current_of(np.full(50, 4.0), reference)
    assert wasserstein(reference, reference) == 0.0
    assert math.isfinite(wasserstein(reference, current))


def test_mean_shift_is_the_t_of_welch() -> None:
    random = np.random.default_rng(6)
    before, after = random.normal(size=300), random.normal(0.2, 2, size=100)
    reference = reference_of(before)
    expected = stats.ttest_ind(after, before, equal_var=False).statistic
    assert mean_shift(reference, current_of(after, reference)) == pytest.approx(expected)


def test_shares_are_differences_current_less_reference() -> None:
    reference = reference_of([1.0, 2.0, 3.0, math.nan])
    current = current_of([0.0, math.nan, math.nan, math.inf], reference)
    assert missing(reference, current) == pytest.approx(0.25)
    assert out_of_range(reference, current) == 1.0
    first = categories_of(["a", "b", None, "a"])
    second = categories_of(["a", "z", "y"], first)
    assert unseen(first, second) == pytest.approx(2 / 3)
    assert missing(first, second) == pytest.approx(-0.25)


@pytest.mark.parametrize(
    "values",
    [[], [math.nan], [1.0], [math.inf, -math.inf], [1e308, -1e308, 0.0], [5e-324, 0.0], [1.0] * 30],
    ids=str,
)
def test_no_values_are_an_error(values: list[float]) -> None:
    reference = reference_of([*values, 0.0, 1.0, 2.0])
    for pair in ((reference, current_of(values, reference)), (current_of(values, reference), reference)):
        found = statistics_of(*pair)
        assert set(found) == set(STATISTICS["numeric"])
        assert all(not math.isinf(value) for value in found.values())


def test_no_values_give_nan() -> None:
    reference = reference_of([1.0, 2.0, 3.0])
    found = statistics_of(reference, current_of([], reference))
    assert all(math.isnan(value) for value in found.values())
    empty = categories_of([], categories_of(["a"]))
    assert math.isnan(psi(categories_of(["a"]), empty))


def test_the_same_profile_has_not_moved() -> None:
    reference = reference_of(np.random.default_rng(0).normal(size=1000))
    found = statistics_of(reference, reference)
    assert all(value == pytest.approx(0, abs=1e-9) for value in found.values()), found


def test_profiles_on_other_bins_are_refused() -> None:
    reference = reference_of([1.0, 2.0, 3.0])
    with pytest.raises(ConfigError, match="different bin edges"):
        psi(reference, reference_of([1.0, 2.0, 4.0]))
    with pytest.raises(ConfigError, match="different categories"):
        psi(categories_of(["a"]), categories_of(["b"]))
    with pytest.raises(ConfigError, match="categorical"):
        psi(reference, categories_of(["a"]))


def test_many_features_at_once_give_what_each_gives_alone() -> None:
    """Of any numbers of bins, mixed, more than are put together, some without values."""
    random = np.random.default_rng(8)
    pairs = []
    for index in range(150):
        if index % 3 == 2:
            names = [f"c{one}" for one in range(2 + index % 5)]
            reference = categories_of(random.choice(names, 300).tolist())
            pairs.append((reference, categories_of(random.choice(names, 90).tolist(), reference)))
        else:
            reference = reference_of(random.normal(size=400), 128 if index % 2 else 5 + index % 7)
            values = random.normal(size=0 if index % 10 == 0 else 100)
            pairs.append((reference, current_of(values, reference)))
    found = statistics_of_each(pairs)
    assert [list(one) for one in found] == [list(STATISTICS[reference.kind]) for reference, _ in pairs]
    for pair, one in zip(pairs, found, strict=True):
        alone = {name: statistic(*pair) for name, statistic in STATISTICS[pair[0].kind].items()}
        assert one == pytest.approx(alone, rel=1e-12, abs=1e-15, nan_ok=True)
    assert statistics_of_each([]) == []
