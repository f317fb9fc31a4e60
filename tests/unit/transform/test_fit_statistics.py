"""The statistics alone, against NumPy and SciPy."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from penstock.transform import Feature, Impute, Quantile, Winsorize
from penstock.transform.fit import fit_with_report, ranks
from penstock.transform.fit.categories import Categories
from penstock.transform.fit.clusters import centres
from penstock.transform.fit.covariance import Covariance
from penstock.transform.fit.extremes import Extremes
from penstock.transform.fit.moments import Moments
from penstock.transform.fit.power import box_cox_lambda, yeo_johnson_lambda
from penstock.transform.fit.quantiles import Quantiles
from penstock.transform.fit.targets import NumberTargets

VALUES = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=60).map(np.array)
POINTS = st.lists(st.tuples(st.floats(-1e6, 1e6), st.integers(0, 5)), max_size=3)
SHARES = np.linspace(0, 1, 21)


def joined(values: np.ndarray, points: list[tuple[float, int]]) -> np.ndarray:
    return np.concatenate([values, *(np.full(count, value) for value, count in points)])


@given(VALUES, POINTS, st.integers(1, 60))
def test_moments(values: np.ndarray, points: list[tuple[float, int]], cut: int) -> None:
    moments = Moments()
    moments.update(values[:cut])
    moments.update(values[cut:])
    for value, count in points:
        moments.add(value, count)
    whole = joined(values, points)
    assert moments.count == len(whole)
    assert moments.mean == pytest.approx(whole.mean(), rel=1e-12, abs=1e-9)
    assert moments.variance == pytest.approx(whole.var(), rel=1e-9, abs=1e-6)


def test_moments_of_a_small_spread_far_away() -> None:
    values = 1e9 + np.random.default_rng(0).normal(size=10_000)
    moments = Moments()
    for block in np.array_split(values, 100):
        moments.update(block)
    assert moments.variance == pytest.approx(values.var(), rel=1e-8)


@given(VALUES, POINTS)
def test_extremes(values: np.ndarray, points: list[tuple[float, int]]) -> None:
    extremes = Extremes()
    extremes.update(values)
    for value, count in points:
        extremes.add(value, count)
    whole = joined(values, points)
    assert (extremes.low, extremes.high, extremes.count) == (whole.min(), whole.max(), len(whole))


@pytest.mark.parametrize("method", ["linear", "averaged_inverted_cdf"])
@given(values=VALUES, points=POINTS)
def test_quantiles_are_those_of_numpy(
    method: str, values: np.ndarray, points: list[tuple[float, int]]
) -> None:
    quantiles = Quantiles()
    quantiles.update(values)
    for value, count in points:
        quantiles.add(value, count)
    whole = joined(values, points)
    np.testing.assert_array_equal(quantiles.at(SHARES, method), np.quantile(whole, SHARES, method=method))
    assert quantiles.is_exact
    assert quantiles.rank_error == 0


def test_quantiles_of_infinities() -> None:
    quantiles = Quantiles()
    quantiles.update(np.array([-np.inf, -np.inf, 1.0, np.inf, np.inf]))
    np.testing.assert_array_equal(quantiles.at(np.array([0, 0.25, 0.5, 1])), [-np.inf, -np.inf, 1, np.inf])


@pytest.mark.parametrize("order", ["random", "ascending", "descending", "saw"])
def test_a_summary_keeps_its_word(order: str) -> None:
    values = np.random.default_rng(0).normal(size=300_000)
    if order != "random":
        values.sort()
    if order == "descending":
        values = values[::-1].copy()
    if order == "saw":
        values = values.reshape(1000, 300).T.ravel()
    quantiles = Quantiles(exact=1000, buffer=512)
    for block in np.array_split(values, 77):
        quantiles.update(block)
    quantiles.add(0.0, 1000)
    assert not quantiles.is_exact
    assert quantiles.rank_error <= (np.log2(len(values) / 512) + 6) / (4 * 512)
    assert sum(len(buffer) for buffer in quantiles._levels if buffer is not None) <= 512 * 12
    assert quantiles.points()[1].sum() == quantiles.count == 301_000
    whole = np.sort(np.append(values, np.zeros(1000)))
    shares = np.linspace(0, 1, 999)
    found = quantiles.at(shares)
    low = np.searchsorted(whole, found, side="left") / len(whole)
    high = np.searchsorted(whole, found, side="right") / len(whole)
    off = np.maximum(np.maximum(low - shares, shares - high), 0)
    assert off.max() <= quantiles.rank_error + 1 / len(whole)


def test_a_summary_is_the_same_each_time() -> None:
    values = np.random.default_rng(0).normal(size=50_000)
    made = []
    for blocks in (1, 9):
        quantiles = Quantiles(exact=1000, buffer=128)
        for block in np.array_split(values, blocks):
            quantiles.update(block)
        made.append(quantiles.at(SHARES).tolist())
    one, other = made
    assert one == pytest.approx(other, abs=0.05)


def test_the_error_of_a_summary_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranks.Quantiles.__init__, "__defaults__", (1000, 256))
    values = np.random.default_rng(0).normal(size=20_000)
    features = [
        Feature(columns=("a",), steps=(Winsorize(),), name="w"),
        Feature(columns=("a",), steps=(Impute(strategy="median"),), name="i"),
        Feature(columns=("a",), steps=(Quantile(),), name="q"),
    ]
    notes = fit_with_report(features, {"a": values}).notes
    assert len(notes) == 3
    assert all("from a summary of 20000 values" in note and "off by at most 0." in note for note in notes)


@given(st.lists(st.sampled_from(["a", "b", "ä", "", None]) | st.none(), min_size=1))
def test_categories_of_texts(values: list[str | None]) -> None:
    categories = Categories("a", 10)
    for start in range(0, len(values), 3):
        categories.update(pa.array(values[start : start + 3], pa.large_string()))
    there = [value for value in values if value is not None]
    found = sorted(set(there))
    assert categories.ordered() == (found, [there.count(one) for one in found])
    assert categories.missing == len(values) - len(there)
    top = max(map(there.count, there), default=0)
    assert categories.most_frequent == min((one for one in there if there.count(one) == top), default=None)
    categories.fill("b")
    assert categories.missing == 0
    assert sum(categories.ordered()[1]) == len(values)


def test_zeros_of_either_sign_are_one_category() -> None:
    categories = Categories("a", 10)
    categories.update(np.array([-0.0, 0.0, np.nan]))
    assert categories.ordered() == ([0.0], [2])
    assert str(categories.ordered()[0]) == "[0.0]"


@pytest.mark.parametrize("seed", range(6))
def test_exponents_are_those_of_scipy(seed: int) -> None:
    rng = np.random.default_rng(seed)
    positive = [rng.lognormal(0, 1, 500), rng.gamma(2, 3, 500), rng.uniform(1, 2, 500)][seed % 3]
    ones = np.ones(500)
    assert box_cox_lambda(positive, ones) == pytest.approx(
        stats.boxcox_normmax(positive, method="mle"), abs=1e-6
    )
    for values in (positive, -positive, positive - positive.mean(), positive * 1e-3):
        expected = stats.yeojohnson_normmax(values)
        assert yeo_johnson_lambda(values, ones) == pytest.approx(expected, rel=1e-6, abs=1e-6)


def test_exponents_take_weights() -> None:
    values = np.random.default_rng(0).lognormal(size=50)
    weights = np.arange(50) % 4 + 1
    repeated = np.repeat(values, weights)
    ones = np.ones(len(repeated))
    assert box_cox_lambda(values, weights) == pytest.approx(box_cox_lambda(repeated, ones), abs=1e-7)
    assert yeo_johnson_lambda(values, weights) == pytest.approx(yeo_johnson_lambda(repeated, ones), abs=1e-7)


def test_centres_take_weights() -> None:
    values = np.sort(np.random.default_rng(0).normal(size=80))
    weights = np.arange(80) % 3 + 1
    repeated = np.repeat(values, weights)
    np.testing.assert_allclose(
        centres(values, weights, 4), centres(repeated, np.ones(len(repeated)), 4), rtol=1e-9
    )


def test_an_interval_without_values_keeps_its_centre() -> None:
    found = centres(np.array([0.0, 0.1, 10.0]), np.ones(3), 5)
    assert len(found) == 5
    assert (np.diff(found) >= 0).all()


@given(st.integers(1, 50), st.integers(1, 5))
def test_covariances(cut: int, width: int) -> None:
    rows = np.random.default_rng(cut).normal(1e3, 1, (60, width))
    covariance = Covariance(width)
    covariance.update(rows[:cut])
    covariance.update(rows[cut:])
    components, variances = covariance.components()
    restored = components.T @ np.diag(variances) @ components
    np.testing.assert_allclose(restored, np.cov(rows.T).reshape(width, width), atol=1e-9)


def test_targets_in_pieces() -> None:
    rng = np.random.default_rng(0)
    values, target = rng.integers(0, 5, 200).astype(float), rng.normal(1e6, 1, 200)
    whole, pieces = NumberTargets("a", 10), NumberTargets("a", 10)
    whole.update(values, target)
    for start in range(0, 200, 7):
        pieces.update(values[start : start + 7], target[start : start + 7])
    for one, other in zip(whole.encodings("auto")[1:], pieces.encodings("auto")[1:], strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12)
