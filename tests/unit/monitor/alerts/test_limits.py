"""Limits on what a baseline was sampled from: against scipy, and their coverage."""

from __future__ import annotations

import os

import numpy as np
import pytest
from alarm_streams import LAWS, NAMES, Draw, current_profile, reference_profile
from drift_profiles import profile_of
from scipy import optimize, stats

from penstock.monitor.alerts.bounds import mean_limit, share_limits, unseen_limit
from penstock.monitor.alerts.sequential import Detectors
from penstock.monitor.alerts.streams import Streams

THOROUGH = os.environ.get("PENSTOCK_THOROUGH") == "1"
pytestmark = pytest.mark.timeout(1800 if THOROUGH else 120)


@pytest.mark.parametrize("rows", [20, 500, 100_000])
@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 1.0])
def test_share_limits_hold_more_than_clopper_and_pearson(rows: int, share: float) -> None:
    hits, error = round(share * rows), 1e-4
    (low,), (high,) = share_limits(np.array([float(hits)]), np.array([float(rows)]), np.array([error]))
    exact = stats.binomtest(hits, rows).proportion_ci(1 - 2 * error, "exact")
    assert low <= exact.low + 1e-12 <= exact.high <= high + 1e-12
    assert high - low <= 1.35 * (exact.high - exact.low)


def test_a_share_that_was_chosen_for_its_hits_is_held_to_wider_limits() -> None:
    hits, rows, error = np.array([10.0, 1.0]), np.array([1000.0, 1000.0]), np.array([0.01, 0.01])
    low, high = share_limits(hits, rows, error)
    wider_low, wider_high = share_limits(hits, rows, error, np.array([True, True]))
    assert (wider_low < low).all()
    assert (wider_high > high).all()
    assert wider_low[1] < 1e-12  # any of very many rare ones could have come once


def divergence_to(mean: float, shares: np.ndarray, scores: np.ndarray) -> float:
    """The least divergence from a sample to a distribution on [0, 1] with a mean: by its dual."""
    objective = lambda stake: -float((shares * np.log1p(-stake * (scores - mean))).sum())  # noqa: E731
    return -float(optimize.minimize_scalar(objective, bounds=(0, 1 / (1 - mean)), method="bounded").fun)


@pytest.mark.parametrize("rows", [30, 1000, 50_000])
@pytest.mark.parametrize("law", ["even", "skewed", "few"])
def test_the_mean_limit_is_where_the_divergence_is_spent(rows: int, law: str) -> None:
    scores = {"even": np.linspace(0.02, 0.98, 32), "skewed": np.linspace(0, 0.7, 32) ** 3}.get(law)
    scores = np.array([0.35, 0.85]) if scores is None else scores
    shares = np.full(len(scores), 1 / len(scores)) if law != "few" else np.array([0.7, 0.3])
    error = 1e-5
    (limit,) = mean_limit(shares[None], scores[None], np.array([float(rows)]), np.array([error]))
    assert divergence_to(limit, shares, scores) == pytest.approx(np.log(1 / error) / rows, rel=1e-3)


def test_unseen_limits_are_those_of_known_cases() -> None:
    estimate, limit = unseen_limit(np.array([500, 500]), 0, 0.01)
    assert estimate == 0
    # A category with a share of q is missed with the chance e^(-1000 q): at the limit that is 0.01 / 3.
    assert limit == pytest.approx(np.log(300) / 1000, rel=1e-6)
    estimate, limit = unseen_limit(np.array([50, 3, 4]), 40, 0.01)
    assert estimate == pytest.approx(47 / 97)
    assert limit > estimate
    assert unseen_limit(np.zeros(0, np.int64), 30, 0.01) == (1.0, 1.0)


def means_of(streams: Streams, draw: Draw, random: np.random.Generator, rows: int) -> np.ndarray:
    """The mean of each stream and of its opposite, as live data have it."""
    reference = streams.features[0]
    counts = streams.counts(profile_of(current_profile(draw(random, rows), reference)))
    hits, of = streams.hits(counts)
    cells = np.concatenate([streams.cells(counts)] * 2)
    ranks = (cells * streams.scores).sum(axis=1) / np.maximum(cells.sum(axis=1), 1)
    means = np.concatenate((hits / np.maximum(of, 1), ranks))
    return np.stack((means, 1 - means), axis=1)


OF_MANY: dict[str, Draw] = {
    "5000_categories": lambda random, rows: NAMES[random.integers(0, 5000, rows)],
    "zipf": LAWS["500_of_zipf"],
}


@pytest.mark.parametrize("rows", [50, 500, 5000])
@pytest.mark.parametrize("law", LAWS)
def test_limits_are_wrong_less_often_than_stated(law: str, rows: int) -> None:
    check_coverage(LAWS[law], rows, kept=1000, seed=rows)


@pytest.mark.parametrize("rows", [500, 5000])
@pytest.mark.parametrize("law", OF_MANY)
def test_limits_hold_where_the_baseline_kept_few_categories(law: str, rows: int) -> None:
    check_coverage(OF_MANY[law], rows, kept=80, seed=rows)


def check_coverage(draw: Draw, rows: int, kept: int, seed: int) -> None:
    """All limits of one baseline together are to be wrong with a chance of at most a tenth."""
    random = np.random.default_rng(seed)
    repeats, live, wrong = (300 if THOROUGH else 12), 30_000, 0
    for _ in range(repeats):
        streams = Streams(profile_of(reference_profile(draw(random, rows), kept=kept)))
        limits = Detectors(streams, error=0.1).limits
        means = means_of(streams, draw, random, live)
        noise = 4.5 * np.sqrt(limits * (1 - limits) / live)
        wrong += bool((means > limits + noise).any())
    assert wrong <= stats.binom.isf(1e-4, repeats, 0.1)
