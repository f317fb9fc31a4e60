"""Tests and distances on raw values, against scipy."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.spatial.distance
import scipy.stats

from penstock.monitor.parity import distances, kolmogorov_smirnov
from penstock.monitor.parity.chunks import bounds_of, thresholds


@pytest.mark.parametrize("sizes", [(5, 7), (20, 20), (100, 250), (1000, 1000), (1000, 337), (500, 9999)])
@pytest.mark.parametrize("shift", [0.0, 0.1, 0.3])
@pytest.mark.parametrize("ties", [False, True])
def test_kolmogorov_smirnov_by_paths(sizes: tuple[int, int], shift: float, ties: bool) -> None:
    random = np.random.default_rng(sizes[0])
    first, second = random.normal(size=sizes[0]), random.normal(shift, 1, sizes[1])
    if ties:
        first, second = first.round(1), second.round(1)
    theirs = scipy.stats.ks_2samp(first, second)
    gap = kolmogorov_smirnov.distance(first, second)
    assert gap == pytest.approx(theirs.statistic, abs=1e-12)
    assert kolmogorov_smirnov.p_value(gap, *sizes) == pytest.approx(theirs.pvalue, rel=1e-6, abs=1e-10)


@pytest.mark.parametrize("sizes", [(1000, 20_000), (300, 50_000), (50, 10_001), (3, 20_000)])
@pytest.mark.parametrize("shift", [0.0, 0.05, 0.1, 0.3, 1.0])
def test_kolmogorov_smirnov_beyond_the_paths(sizes: tuple[int, int], shift: float) -> None:
    random = np.random.default_rng(sizes[0])
    first, second = random.normal(size=sizes[0]), random.normal(shift, 1, sizes[1])
    theirs = scipy.stats.ks_2samp(first, second)
    gap = kolmogorov_smirnov.distance(first, second)
    assert kolmogorov_smirnov.p_value(gap, *sizes) == pytest.approx(theirs.pvalue, rel=2e-6)


def test_kolmogorov_smirnov_at_its_ends() -> None:
    assert kolmogorov_smirnov.p_value(0.0, 5, 9) == 1
    assert kolmogorov_smirnov.p_value(1.0, 5, 5) == pytest.approx(2 / 252)
    assert kolmogorov_smirnov.p_value(1.0, 20_000, 30_000) == 0
    assert kolmogorov_smirnov.p_value(1e-9, 20_000, 30_000) == 1


def test_distances_against_scipy() -> None:
    random = np.random.default_rng(0)
    first, second = random.normal(size=300), random.normal(0.3, 2, 500).round(1)
    theirs = scipy.stats.wasserstein_distance(first, second)
    assert distances.wasserstein(first, second) == pytest.approx(theirs, rel=1e-12)
    p, q = random.integers(0, 9, (2, 12)).astype(float)
    for base in (None, 2):
        expected = scipy.spatial.distance.jensenshannon(p, q, base)
        assert distances.jensen_shannon(p, q, base) == pytest.approx(expected, rel=1e-12)
    assert distances.jensen_shannon(p, p) == 0


def test_chunks_and_thresholds() -> None:
    assert bounds_of(20, 10)[-1] == (18, 20)
    assert len(bounds_of(29, 10)) == 15
    assert thresholds([1.0, 1.0, np.nan], low=True) == (1.0, 1.0)
    assert thresholds([0.0, 10.0], low=True, most=12.0) == (0.0, 12.0)
    assert np.isnan(thresholds([np.nan], low=False)).all()
