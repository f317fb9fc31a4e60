"""Calibration and estimates without labels. NannyML's numbers are in tests/parity."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from quality_cases import BINARY, drawn
from sklearn.isotonic import IsotonicRegression

from penstock.errors import ConfigError
from penstock.monitor.edges import choose_edges
from penstock.monitor.profile import FeatureProfile
from penstock.monitor.quality import Calibration, QualityCounts, estimate_rows, metrics
from penstock.monitor.quality.isotonic import pool
from penstock.monitor.quality.score_bins import ScoreBins

THOROUGH = bool(os.environ.get("PENSTOCK_THOROUGH"))
Array = np.ndarray[Any, Any]


@given(
    pairs=st.lists(
        st.tuples(st.integers(0, 12).map(lambda k: k / 12) | st.floats(0, 1), st.booleans()),
        min_size=1,
        max_size=60,
    )
)
def test_the_curve_is_the_isotonic_one(pairs: list[tuple[float, bool]]) -> None:
    score, label = (np.array([pair[side] for pair in pairs], np.float64) for side in (0, 1))
    score = np.round(score, 9)
    grid = np.linspace(-0.2, 1.2, 57)
    wanted = IsotonicRegression(out_of_bounds="clip").fit(score, label)
    calibration = Calibration.fit(score, label)
    assert calibration.shares(grid) == pytest.approx(wanted.predict(grid), abs=1e-9)
    assert calibration.rows.sum() == len(pairs)
    assert (np.diff(calibration.positives / calibration.rows) > 0).all()


def test_long_falls_are_pooled() -> None:
    begins, positives, rows = pool(np.arange(1000.0, 0, -1), np.full(1000, 1000.0))
    assert (begins.tolist(), positives.tolist(), rows.tolist()) == ([0], [500500.0], [1e6])


@pytest.mark.parametrize(
    ("score", "label"),
    [([0.5], []), ([np.nan], [1]), ([0.5], [2]), ([[0.5]], [[1]]), ([], [])],
)
def test_what_cannot_be_learned_from(score: Any, label: Any) -> None:
    with pytest.raises(ConfigError, match="calibration: expected"):
        Calibration.fit(score, label)


def test_it_is_not_applied_where_it_cannot_help() -> None:
    random = np.random.default_rng(0)
    score = random.random(4000)
    assert not Calibration.fit(score, score > 0.5).applied  # separated
    assert not Calibration.fit(score, np.ones(4000)).applied  # one class
    assert not Calibration.fit(score[:10], random.random(10) < 0.5).applied  # few rows
    assert Calibration.fit(score, random.random(4000) < score**2).applied
    clipped = Calibration.fit(score, score > 0.5)(np.array([-1.0, 0.3, 2.0]))
    assert clipped.tolist() == [0.0, 0.3, 1.0]


def binned(scores: Array, edges: Array) -> FeatureProfile:
    histogram = np.bincount(np.searchsorted(edges, scores, side="right"), minlength=len(edges) + 1)
    return FeatureProfile(name="p", kind="numeric", edges=edges, histogram=histogram, rows=len(scores))


@pytest.mark.parametrize("case", ["even", "sharp", "overconfident", "rare"])
@pytest.mark.parametrize(("reference", "rows"), [(2000, 2000), (20_000, 300)])
def test_estimates_cover_what_labels_show(case: str, reference: int, rows: int) -> None:
    """Under covariate shift: rows with high scores come more often than in the reference."""
    times = 1000 if THOROUGH else 60
    random = np.random.default_rng(1)
    covered: dict[str, list[bool]] = {}
    for index in range(times):
        if index % 3 == 0:
            label, columns = drawn(case, reference, random)
            calibration = Calibration.fit(columns["p"], label)
            edges = np.union1d(choose_edges(columns["p"], 128), [0.5])
            bins = ScoreBins.fit(edges, columns["p"], calibration, 0.5)
        label, columns = drawn(case, 3 * rows, random)
        kept = np.flatnonzero(random.random(3 * rows) < 0.2 + 0.8 * columns["p"])[:rows]
        label, score = label[kept], columns["p"][kept]
        shown = metrics(QualityCounts.of(BINARY, label, {"p": score}))
        for how, found in (
            ("rows", estimate_rows(score, calibration)),
            ("bins", bins.estimate(binned(score, edges), calibration)),
        ):
            for name in ("accuracy", "precision", "recall", "f1", "auc"):
                if np.isfinite(shown[name].value) and np.isfinite(found[name].value):
                    hit = found[name].low <= shown[name].value <= found[name].high
                    covered.setdefault(f"{how} {name}", []).append(hit)
    for name, hits in covered.items():
        least = 0.93 - 4 * (0.05 * 0.95 / len(hits)) ** 0.5
        assert len(hits) < times / 2 or np.mean(hits) >= least, name


def test_bins_say_almost_what_rows_say() -> None:
    label, columns = drawn("overconfident", 20_000, np.random.default_rng(2))
    calibration = Calibration.fit(columns["p"], label)
    edges = np.union1d(choose_edges(columns["p"], 128), [0.5])
    bins = ScoreBins.fit(edges, columns["p"], calibration, 0.5)
    live = drawn("even", 5000, np.random.default_rng(3))[1]["p"]
    by_rows = estimate_rows(live, calibration)
    by_bins = bins.estimate(binned(live, edges), calibration)
    bound = bins.error_bound(binned(live, edges), calibration)
    assert abs(by_rows["accuracy"].value - by_bins["accuracy"].value) <= bound < 0.05
    for name in by_rows:
        assert by_bins[name].value == pytest.approx(by_rows[name].value, abs=0.02), name
    assert by_bins["selection_rate"] == by_rows["selection_rate"]
    same = bins.estimate(binned(columns["p"], edges), calibration)["accuracy"].value
    assert same == pytest.approx(estimate_rows(columns["p"], calibration)["accuracy"].value, abs=1e-9)


def test_nothing_is_estimated_of_no_rows() -> None:
    calibration = Calibration.fit([0.2, 0.8], [0, 1])
    for found in (estimate_rows([], calibration), estimate_rows([np.nan], calibration)):
        assert all(np.isnan(metric.value) and metric.rows == 0 for metric in found.values())


def test_bins_of_another_baseline_are_refused() -> None:
    calibration = Calibration.fit([0.2, 0.8], [0, 1])
    bins = ScoreBins.fit(np.array([0.5]), np.array([0.2, 0.8]), calibration, 0.5)
    with pytest.raises(ConfigError, match="expected counts on the bins of the baseline"):
        bins.estimate(binned(np.array([0.1]), np.array([0.4])), calibration)
