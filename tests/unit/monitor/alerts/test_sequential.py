"""E-detectors: against a slow one that bets row by row, and what makes them valid."""

from __future__ import annotations

import math

import numpy as np
import pytest
from alarm_streams import LAWS, profiles
from drift_profiles import categories_of, profile_of, reference_of

from penstock.errors import ConfigError
from penstock.monitor.alerts.sequential import BETS, Detectors
from penstock.monitor.alerts.streams import CATEGORIES, GROUPS, Streams
from penstock.monitor.profile import Profile

COLUMNS = ("normal", "missing", "discrete", "three_categories", "500_categories")


def drawn(random: np.random.Generator, rows: int) -> dict[str, np.ndarray]:
    return {law: LAWS[law](random, rows) for law in COLUMNS}


@pytest.fixture(scope="module")
def baseline() -> Profile:
    return profiles(drawn(np.random.default_rng(1), 3000))


def test_hits_and_cells_are_those_of_the_rows(baseline: Profile) -> None:
    random = np.random.default_rng(2)
    columns = drawn(random, 400)
    streams = Streams(baseline)
    counts = streams.counts(profiles(columns, baseline))
    hits, rows = streams.hits(counts)
    found = {
        (streams.features[s.feature].name, s.check): (h, r)
        for s, h, r in zip(streams.shares, hits, rows, strict=True)
    }
    missing = int(np.isnan(columns["missing"]).sum())
    assert found["missing", "missing"] == (missing, 400)
    above = int((columns["normal"] > baseline["normal"].maximum).sum())
    assert found["normal", "out_of_range"] == (above, 400)
    assert found["missing", "infinite"] == (0, 400 - missing)
    unseen = ~np.isin(columns["500_categories"], baseline["500_categories"].categories)
    assert found["500_categories", "unseen"] == (int(unseen.sum()), 400)
    assert streams.cells(counts).sum(axis=1).tolist() == [400, 400 - missing, 400]
    for name in ("normal", "discrete", "missing"):  # intervals are a partition
        index = [f.name for f in streams.features].index(name)
        parts = [
            h
            for s, h in zip(streams.shares, hits, strict=True)
            if (s.feature, s.check) == (index, "interval")
        ]
        assert sum(parts) == 400 - (missing if name == "missing" else 0)


def test_many_categories_have_few_streams(baseline: Profile) -> None:
    streams = Streams(baseline)
    last = len(streams.features) - 1
    of_last = [s.check for s in streams.shares if s.feature == last]
    assert of_last.count("category") == CATEGORIES - GROUPS
    assert of_last.count("categories") == GROUPS


def test_ranks_are_those_of_the_baseline(baseline: Profile) -> None:
    streams = Streams(baseline)
    cells = np.concatenate([streams.cells(streams.reference)] * 2)
    means = (cells * streams.scores).sum(axis=1) / cells.sum(axis=1)
    half = len(means) // 2
    assert means[:half] == pytest.approx(np.full(half, 0.5))  # the middle rank, whatever the ties
    assert means[0 + half] == pytest.approx(0.5, abs=0.01)


def test_steps_multiply_as_rows_one_by_one_do(baseline: Profile) -> None:
    """The same bets, told row by row by their definition."""
    random = np.random.default_rng(3)
    columns = {"normal": random.normal(0.3, 1, 90)}
    feature = profile_of(baseline["normal"])
    streams = Streams(feature)
    fast = Detectors(streams, error=0.01)
    index = next(i for i, s in enumerate(fast.all) if s.check == "mean_rank")
    limits = fast.limits[index]
    stakes = np.expm1(fast._won_by_hit[index]) / (1 - limits[:, None])
    slow, began = np.zeros((2, BETS)), np.zeros((2, BETS))
    edges = np.asarray(baseline["normal"].edges)
    # Cells hold neighbouring bins: the score of a value is that of its cell.
    for step in range(3):
        values = columns["normal"][30 * step : 30 * (step + 1)]
        fast.update(streams.counts(profiles({"normal": values}, feature)), 0.5, float(step))
        began = (slow * began + 0.5 * step) / (slow + 0.5)
        slow = slow + 0.5
        for value in values:
            cell = (
                np.searchsorted(streams._cell_starts, np.searchsorted(edges, value, side="right"), "right")
                - 1
            )
            score = streams.scores[0, cell]
            for side, x in enumerate((score, 1 - score)):
                slow[side] *= 1 + stakes[side] * (x - limits[side])
    assert fast.won[index].reshape(2, BETS) == pytest.approx(slow)
    assert fast.began[index].reshape(2, BETS) == pytest.approx(began)


def test_no_bet_is_expected_to_gain_where_the_mean_is_at_its_limit(baseline: Profile) -> None:
    detectors = Detectors(Streams(baseline), error=0.01)
    limits = detectors.limits[..., None]
    gain = limits * np.exp(detectors._won_by_hit) + (1 - limits) * np.exp(detectors._lost)
    assert gain.max() <= 1 + 1e-9
    assert np.exp(detectors._lost).min() > 0
    half = len(detectors.streams.shares)
    factors = np.exp(detectors._of_cells).reshape(len(detectors.streams.ranks), -1, 2, BETS)
    scores = np.stack((detectors.streams.scores, 1 - detectors.streams.scores), axis=2)[..., None]
    stakes = np.expm1(detectors._won_by_hit[half:]) / np.maximum(1 - limits[half:], 1e-12)
    # Linear in the score, so that only the mean counts.
    assert factors == pytest.approx(1 + stakes[:, None] * (scores - limits[half:, None]))


def test_weights_are_shared_alike_among_features(baseline: Profile) -> None:
    detectors = Detectors(Streams(baseline), error=0.01)
    of_feature = np.bincount(detectors.of_feature, detectors.weights.sum(axis=1))
    assert of_feature == pytest.approx(np.full(len(baseline), 1 / len(baseline)))
    bets = np.expm1(detectors._won_by_hit).reshape(detectors.weights.shape)
    assert (detectors.weights[bets == 0] == 0).all()


def test_slack_moves_every_limit(baseline: Profile) -> None:
    plain, loose = (Detectors(Streams(baseline), error=0.01, slack=slack) for slack in (0.0, 0.05))
    moved = loose.limits - plain.limits
    spread = np.array([stream.check == "spread_rank" for stream in plain.all])
    open_ = loose.limits < 1
    assert moved[open_ & ~spread[:, None]] == pytest.approx(0.05)
    assert moved[open_ & spread[:, None]] == pytest.approx(0.1)


def test_no_count_overflows(baseline: Profile) -> None:
    detectors = Detectors(Streams(baseline), error=0.01)
    far = {
        name: np.full(50_000, 1e308) if x.dtype.kind == "f" else np.full(50_000, "new")
        for name, x in drawn(np.random.default_rng(4), 1).items()
    }
    counts = detectors.streams.counts(profiles(far, baseline))
    for step in range(5):
        detectors.update(counts, 1e-6, step * 1e-6)
    assert np.isfinite(detectors.won).all()
    assert np.isfinite(detectors.evidence()).all()
    assert math.isfinite(detectors.winner(0)[2])


def test_features_that_cannot_be_watched_are_left_out() -> None:
    few = reference_of([1.0, 2.0, 3.0] + [math.nan] * 50, name="few")
    label = reference_of(np.arange(53.0), name="label", role="label")
    constant = reference_of(np.ones(53), name="constant")
    ids = categories_of([f"id{index}" for index in range(53)], name="ids", kept=0)
    streams = Streams(profile_of(few, label, constant, categories_of(["a"] * 53), ids))
    assert [feature.name for feature in streams.features] == ["constant", "c", "ids"]
    detectors = Detectors(streams, error=0.01)
    assert np.isfinite(detectors.limits).all()
    assert detectors.weights.sum() == pytest.approx(1)
    assert not Streams(profile_of(few)).features


def test_profiles_on_other_bins_are_refused(baseline: Profile) -> None:
    streams = Streams(baseline)
    with pytest.raises(ConfigError, match='expected a profile with feature "normal"'):
        streams.counts(profile_of(baseline["missing"]))
    other = profiles(drawn(np.random.default_rng(9), 300))
    with pytest.raises(ConfigError, match=r"expected the \d+ bins or categories of the baseline, got"):
        streams.counts(other)
