"""The parts of the joint checks: ranks, points, components, bins and trees."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import scipy.stats
from sklearn.decomposition import PCA
from sklearn.metrics import roc_auc_score

from penstock.monitor.multivariate.bins import BINS, Binning
from penstock.monitor.multivariate.boosted_trees import BoostedTrees
from penstock.monitor.multivariate.encoder import Encoder
from penstock.monitor.multivariate.principal_components import PrincipalComponents
from penstock.monitor.multivariate.rank_test import rank_test


@pytest.mark.parametrize("sizes", [(50, 30), (200, 1000), (30, 30)])
@pytest.mark.parametrize("shift", [0.0, 0.5, -1.0])
def test_ranks_against_scipy(sizes: tuple[int, int], shift: float) -> None:
    random = np.random.default_rng(1)
    before, after = random.normal(size=sizes[0]), random.normal(shift, 1, sizes[1])
    found = rank_test(before, after)
    greater = scipy.stats.mannwhitneyu(after, before, alternative="greater", method="asymptotic")
    less = scipy.stats.mannwhitneyu(after, before, alternative="less", method="asymptotic")
    assert found.greater == pytest.approx(greater.pvalue, rel=1e-9)
    assert found.less == pytest.approx(less.pvalue, rel=1e-9)
    assert found.auc == pytest.approx(greater.statistic / (sizes[0] * sizes[1]))


def test_auc_counts_equal_values_half() -> None:
    before, after = np.array([0.0, 0.0, 1.0]), np.array([0.0, 1.0, 1.0, 2.0])
    labels = np.repeat([0, 1], [3, 4])
    assert rank_test(before, after).auc == roc_auc_score(labels, np.concatenate([before, after]))


def test_tails_are_on_the_safe_side_of_the_exact_law() -> None:
    """All rankings of 6 and 6 values: no p-value is reached more often than it says."""
    ranks = np.arange(12.0)
    found = []
    for chosen in itertools.combinations(range(12), 6):
        after = ranks[list(chosen)]
        found.append(rank_test(np.setdiff1d(ranks, after), after).greater)
    p = np.sort(found)
    share = np.arange(1, len(p) + 1) / len(p)
    last = np.append(p[1:] > p[:-1] + 1e-12, True)
    assert np.all(share[last] <= p[last] * 1.1 + 0.005)


def test_equal_values_do_not_break_the_level() -> None:
    """Nearly all values equal, a rare one: where the variance of midranks would promise far too much."""
    random = np.random.default_rng(0)
    p = []
    for seed in range(3000):
        values = (random.random(600) < 0.003).astype(float)
        p.append(rank_test(values[:500], values[500:], seed).greater)
    for level in (0.05, 0.01, 0.002):
        assert np.mean(np.array(p) <= level) <= level + 4 * np.sqrt(level / 3000)


@pytest.mark.parametrize("variance", [0.3, 0.65, 0.95])
def test_components_against_sklearn(variance: float) -> None:
    random = np.random.default_rng(2)
    points = random.normal(size=(300, 8)) @ random.normal(size=(8, 8))
    theirs = PCA(variance).fit(points)
    ours = PrincipalComponents.fit(points, variance)
    assert len(ours.directions) == theirs.n_components_
    left = points - theirs.inverse_transform(theirs.transform(points))
    np.testing.assert_allclose(ours.errors(points), np.linalg.norm(left, axis=1), atol=1e-9)


def test_components_of_points_that_do_not_differ() -> None:
    found = PrincipalComponents.fit(np.zeros((10, 3)), 0.65)
    assert found.errors(np.ones((2, 3))).shape == (2,)
    one = PrincipalComponents.fit(np.ones((1, 2)), 0.65)
    assert np.isfinite(one.errors(np.zeros((3, 2)))).all()


def test_points_are_standardised_and_filled() -> None:
    values = np.array([[1.0, 0.0], [3.0, 0.0], [np.nan, 1.0], [2.0, np.nan]], np.float32)
    encoder = Encoder.fit(values, {1: 2})
    points = encoder.encode(values)
    np.testing.assert_allclose(points.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(points.std(axis=0), 1, atol=1e-6)
    assert points[2, 0] == 0
    assert points[3, 1] == points[0, 1]  # the most frequent stands for the missing one


def test_one_huge_value_is_not_the_scale() -> None:
    values = np.random.default_rng(0).normal(size=(200, 1)).astype(np.float32)
    values[0], values[1] = 3e38, -np.inf
    points = Encoder.fit(values, {}).encode(values)
    assert np.isfinite(points).all()
    assert points[2:].std() > 0.2


def test_columns_without_values_or_of_one_are_zero() -> None:
    values = np.array([[np.nan, 5.0], [np.nan, 5.0]], np.float32)
    np.testing.assert_array_equal(Encoder.fit(values, {}).encode(values), 0)


def test_bins_hold_missing_and_others() -> None:
    values = np.repeat(np.array([[0.0, 0.0], [1.0, 1.0], [np.nan, np.nan]], np.float32), 20, axis=0)
    values[0, 1] = 2.0  # a category that is too rare for a bin
    binning = Binning.fit(values, {1: 3})
    codes = binning.codes(np.array([[0, 0], [1, 1], [np.nan, np.nan], [9, 2], [-9, 3]], np.float32))
    assert codes[:, 0].tolist() == [1, 2, 0, 2, 1]
    assert codes[:, 1].tolist() == [2, 3, 0, 1, 1]


def test_there_are_never_more_bins_than_said() -> None:
    values = np.stack([np.arange(2000) % 500, np.arange(2000)], axis=1).astype(np.float32)
    codes = Binning.fit(values, {0: 500}).codes(values)
    assert codes.min() >= 0
    assert codes.max() < BINS


def test_trees_find_what_only_two_features_show_together() -> None:
    random = np.random.default_rng(3)
    before = random.normal(size=(800, 6)).astype(np.float32)
    after = random.normal(size=(800, 6)).astype(np.float32)
    after[:, 1] = after[:, 0] * np.float32(0.9) + after[:, 1] * np.float32(0.44)
    trees = BoostedTrees.fit(before[:400], after[:400], {})
    assert rank_test(trees.scores(before[400:]), trees.scores(after[400:])).auc > 0.65
    assert set(np.argsort(-trees.gains)[:2]) == {0, 1}


def test_trees_find_any_set_of_categories() -> None:
    random = np.random.default_rng(4)
    before = random.integers(0, 20, (600, 1)).astype(np.float32)
    after = before[before[:, 0] % 3 != 1]
    trees = BoostedTrees.fit(before, after, {0: 20})
    scores = trees.scores(np.arange(20, dtype=np.float32)[:, None])
    assert scores[np.arange(20) % 3 == 1].max() < scores[np.arange(20) % 3 != 1].min()


def test_trees_are_the_same_again_and_need_no_difference() -> None:
    rows = np.random.default_rng(5).normal(size=(300, 50)).astype(np.float32)
    first, second = (BoostedTrees.fit(rows[:150], rows[150:], {}, seed=1).scores(rows) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    constant = np.zeros((60, 2), np.float32)
    np.testing.assert_allclose(BoostedTrees.fit(constant, constant, {}).scores(constant), 0, atol=1e-9)
