"""Edges: chosen without sorting, and the same as with it; what is counted beside them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from penstock.errors import UnsupportedError
from penstock.monitor.baseline import Baseline
from penstock.monitor.edges import choose_edges
from penstock.monitor.profile import FeatureProfile, Profile
from penstock.monitor.profiler import Profiler

Numbers = np.ndarray[Any, np.dtype[np.float64]]


def sorted_edges(values: Numbers, bins: int) -> Numbers:
    """Choose edges by sorting all values: the rule, and the oracle of what does not sort."""
    values = np.sort(values[np.isfinite(values)])
    new = values[1:] != values[:-1]
    if np.count_nonzero(new) < bins:
        return between(values[:-1][new], values[1:][new])
    ranks = -(-np.arange(1, bins) * len(values) // bins) - 1
    chosen, repeats = np.unique(values[ranks], return_counts=True)
    heavy = chosen[(repeats > 1) & (chosen < values[-1])]
    after = between(heavy, values[np.searchsorted(values, heavy, side="right")])
    return np.unique(np.concatenate([chosen[chosen > values[0]], after]))


def between(low: Numbers, high: Numbers) -> Numbers:
    middle = low / 2 + high / 2
    return np.where((middle > low) & (middle <= high), middle, high)


def expect_rule(values: Numbers, bins: int) -> None:
    edges = choose_edges(values, bins)
    np.testing.assert_array_equal(edges, sorted_edges(values, bins))
    assert not np.signbit(edges[edges == 0]).any()
    profile = Baseline.fit({"x": values}, bins=bins, threads=1).profile["x"]
    np.testing.assert_array_equal(profile.edges, edges)
    there = values[~np.isnan(values)]
    counts = np.bincount(np.searchsorted(edges, there, side="right"), minlength=len(edges) + 1)
    np.testing.assert_array_equal(profile.histogram, counts)
    # The rest is what counting on the edges that were found gives.
    layout = FeatureProfile(name="x", kind="numeric", type="float64", edges=edges)
    profiler = Profiler(Profile((layout,), 0))
    profiler.update({"x": values})
    assert profiler.profile()["x"] == profile


@given(
    values=hnp.arrays(np.float64, st.integers(1, 300), elements=st.floats() | st.integers(-9, 9).map(float)),
    bins=st.integers(1, 64),
)
def test_few_values(values: Numbers, bins: int) -> None:
    expect_rule(values, bins)
    edges = choose_edges(values, bins)
    assert (np.diff(edges) > 0).all()
    assert np.isfinite(edges).all()
    assert len(edges) < max(bins, 1) + max(bins, 1) // 2 + 1
    finite = np.unique(values[np.isfinite(values)])
    if len(finite) <= bins:
        assert np.searchsorted(edges, finite, side="right").tolist() == list(range(len(finite)))


SHAPES = {
    "normal": lambda r, n: r.normal(size=n),
    "ordered": lambda r, n: np.sort(r.normal(size=n)),
    "lognormal": lambda r, n: r.lognormal(0, 3, n),
    "hundreds of magnitudes": lambda r, n: np.exp(90 * r.normal(size=n)),
    "Cauchy": lambda r, n: r.standard_cauchy(n),
    "few beyond all others": lambda r, n: np.where(r.random(n) < 0.001, 1e300, r.normal(size=n)),
    "overflowing range": lambda r, n: r.uniform(-1.7, 1.7, n) * 1e308,
    "denormal": lambda r, n: r.normal(size=n) * 1e-320,
    "rounded": lambda r, n: r.normal(size=n).round(2),
    "mostly zero": lambda r, n: np.where(r.random(n) < 0.7, 0.0, r.normal(size=n)),
    "two heavy values": lambda r, n: r.choice([-1.5, 0.25], n) + np.where(r.random(n) < 0.9, 0, r.random(n)),
    "whole": lambda r, n: r.integers(0, 3000, n).astype(float),
    "one": lambda r, n: np.full(n, 3.25),
    "not finite": lambda r, n: np.where(r.random(n) < 0.2, r.choice([np.nan, np.inf, -np.inf], n), 1.0),
    "partly finite": lambda r, n: np.where(r.random(n) < 0.2, r.choice([np.nan, np.inf], n), r.random(n)),
    "both zeros": lambda r, n: r.choice([-0.0, 0.0, 1.0], n) * r.integers(0, 200, n),
    "as many as bins": lambda r, n: r.choice(np.arange(128) / 7, n),
    "one more than bins": lambda r, n: r.choice(np.arange(129) / 7, n),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("rows", [600, 5000, 60_000])
def test_many_values(shape: str, rows: int) -> None:
    values = SHAPES[shape](np.random.default_rng(rows), rows)
    for bins in (2, 50, 128, 700):
        expect_rule(values, bins)


@settings(max_examples=50)
@given(st.data())
def test_mixtures(data: st.DataObject) -> None:
    random = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    names = data.draw(st.lists(st.sampled_from(sorted(SHAPES)), min_size=1, max_size=3))
    values = np.concatenate([SHAPES[name](random, 2000) for name in names])
    expect_rule(random.permutation(values), data.draw(st.integers(1, 200)))


@pytest.mark.parametrize("dtype", ["float32", "float16", "int64", "uint8", "bool"])
def test_types(dtype: str) -> None:
    values = (np.random.default_rng(2).normal(size=6000) * 40).astype(dtype)
    found = Baseline.fit({"x": values}).profile["x"]
    np.testing.assert_array_equal(found.edges, sorted_edges(values.astype(np.float64), 128))


@pytest.mark.parametrize("vectors", ["none", "avx2", "avx512"])
@pytest.mark.parametrize("shape", SHAPES)
def test_many_rows_at_once_are_counted_as_few_are(shape: str, vectors: str) -> None:
    random = np.random.default_rng(4)
    values = SHAPES[shape](random, 30_000)
    edges = choose_edges(SHAPES[shape](random, 5000), 128)
    layout = Profile((FeatureProfile(name="x", kind="numeric", edges=edges),), 0)
    try:
        profiler = Profiler(layout, vectors=vectors)
    except UnsupportedError as error:
        pytest.skip(str(error))
    profiler.update({"x": values})
    profiler.update({"x": np.append(edges, values[:5000])})
    found = profiler.profile()["x"]
    everything = np.concatenate([values, edges, values[:5000]])
    there = everything[~np.isnan(everything)]
    counts = np.bincount(np.searchsorted(edges, there, side="right"), minlength=len(edges) + 1)
    assert found.histogram.tolist() == counts.tolist()
    pieces = Profiler(layout, vectors=vectors)
    for first in range(0, len(everything), 512):
        pieces.update({"x": everything[first : first + 512]})
    assert pieces.profile()["x"].histogram.tolist() == counts.tolist()
    assert pieces.profile()["x"].registers == found.registers


def test_bins_hold_about_as_many() -> None:
    values = np.random.default_rng(0).lognormal(0, 3, 128_000)
    counts = np.bincount(np.searchsorted(choose_edges(values, 128), values, side="right"))
    assert len(counts) == 128
    assert counts.min() >= 999
    assert counts.max() <= 1001


def test_a_heavy_value_has_a_bin_of_its_own() -> None:
    values = np.concatenate([np.zeros(5000), np.random.default_rng(0).normal(size=5000)])
    edges = choose_edges(values, 64)
    counts = np.bincount(np.searchsorted(edges, values, side="right"))
    assert counts[np.searchsorted(edges, 0.0, side="right")] == 5000
