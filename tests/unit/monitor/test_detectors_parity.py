"""Detectors beside river 0.26: drift and warnings at the same values of the same streams."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from penstock.monitor.detectors import (
    ADWIN,
    DDM,
    EDDM,
    HDDM_A,
    HDDM_W,
    KSWIN,
    Detector,
    PageHinkley,
    WarningDetector,
)

river = pytest.importorskip("river", reason="river is not installed: pip install 'river==0.26.*'")
if not river.__version__.startswith("0.26."):
    pytest.skip(f"river {river.__version__} is not 0.26", allow_module_level=True)

from river import drift  # noqa: E402 - only where it is installed
from river.datasets import synth  # noqa: E402

ERRORS = [
    (DDM, drift.binary.DDM, {}, {}),
    (DDM, drift.binary.DDM, {"warm_start": 5, "warning_threshold": 1.0, "drift_threshold": 1.5}, None),
    (EDDM, drift.binary.EDDM, {}, {}),
    (EDDM, drift.binary.EDDM, {"warm_start": 5, "alpha": 0.8, "beta": 0.75}, None),
    (HDDM_A, drift.binary.HDDMA, {}, {}),
    (
        HDDM_A,
        drift.binary.HDDMA,
        {"drift_confidence": 0.05, "warning_confidence": 0.2, "two_sided": True},
        {"drift_confidence": 0.05, "warning_confidence": 0.2, "two_sided_test": True},
    ),
    (HDDM_W, drift.binary.HDDMW, {}, {}),
    (
        HDDM_W,
        drift.binary.HDDMW,
        {"drift_confidence": 0.05, "warning_confidence": 0.2, "weight": 0.3, "two_sided": True},
        {"drift_confidence": 0.05, "warning_confidence": 0.2, "lambda_val": 0.3, "two_sided_test": True},
    ),
]

NUMBERS = [
    (ADWIN, drift.ADWIN, {}, {}),
    (ADWIN, drift.ADWIN, {"delta": 0.05, "clock": 1, "max_buckets": 2}, None),
    (
        ADWIN,
        drift.ADWIN,
        {"delta": 0.5, "clock": 7, "max_buckets": 12, "min_window_length": 1, "grace_period": 0},
        None,
    ),
    (PageHinkley, drift.PageHinkley, {}, {}),
    (PageHinkley, drift.PageHinkley, {"threshold": 5.0, "mode": "up", "min_instances": 1}, None),
    (PageHinkley, drift.PageHinkley, {"threshold": 5.0, "mode": "down", "alpha": 0.99, "delta": 0.1}, None),
]

SAMPLED = [
    {"seed": 1},
    {"seed": 0, "alpha": 0.05, "window_size": 60, "stat_size": 30},
    {"seed": 2**31, "alpha": 0.05, "window_size": 500, "stat_size": 30},
    {"seed": 2**63 + 12345, "alpha": 0.3, "window_size": 20, "stat_size": 3},
    {"seed": 7, "alpha": 1.0, "window_size": 2, "stat_size": 1},
]


def oracle(detector: Any, values: Any) -> tuple[list[int], list[int]]:
    """Return the indices at which a detector of river found drift, and at which it warned."""
    found, warned = [], []
    for i, x in enumerate(values):
        detector.update(x)
        if detector.drift_detected:
            found.append(i)
        if getattr(detector, "warning_detected", False):
            warned.append(i)
    return found, warned


def warnings_of(detector: Detector, values: Any) -> list[int]:
    """Return the indices at which it warned."""
    warned = []
    for i, x in enumerate(values):
        detector.update(x)
        if isinstance(detector, WarningDetector) and detector.warning:
            warned.append(i)
    return warned


def expect_parity(ours: Any, theirs: Any, values: np.ndarray) -> int:
    found, warned = oracle(theirs, values.tolist())
    detector = type(ours)(**ours.parameters)
    assert ours.update(values).tolist() == found
    assert warnings_of(detector, values.tolist()) == warned
    return len(found)


def error_streams() -> Iterator[np.ndarray]:
    for seed in range(8):
        rng = np.random.default_rng(seed)
        rates = rng.choice([0.0, 0.02, 0.1, 0.2, 0.3, 0.5, 0.9, 1.0], 5)
        yield np.concatenate([rng.random(rng.integers(50, 1500)) < rate for rate in rates]).astype(float)


def number_streams(longest: int = 2000) -> Iterator[np.ndarray]:
    for seed in range(6):
        rng = np.random.default_rng(seed)
        lengths = rng.integers(50, longest, 5)
        means, deviations = rng.choice([0, 0.1, 0.5, 1, 5, -3], 5), rng.choice([0.1, 1, 2], 5)
        parts = zip(means, deviations, lengths, strict=True)
        yield np.concatenate([rng.normal(mean, deviation, n) for mean, deviation, n in parts])
        yield np.concatenate([rng.poisson(rate, n) for rate, n in zip([1, 2, 2, 5, 0], lengths, strict=True)])
        yield np.concatenate([rng.standard_cauchy(n) for n in lengths[:2]])


@pytest.mark.parametrize(("kind", "theirs", "ours", "same"), ERRORS)
def test_error_streams_with_change_points(kind: Any, theirs: Any, ours: Any, same: Any) -> None:
    streams = error_streams()
    assert sum(expect_parity(kind(**ours), theirs(**(ours if same is None else same)), x) for x in streams)


@pytest.mark.parametrize(("kind", "theirs", "ours", "same"), NUMBERS)
def test_streams_of_numbers_with_change_points(kind: Any, theirs: Any, ours: Any, same: Any) -> None:
    streams = number_streams()
    assert sum(expect_parity(kind(**ours), theirs(**(ours if same is None else same)), x) for x in streams)


@pytest.mark.parametrize("parameters", SAMPLED)
def test_kswin_draws_the_same_samples_from_the_same_seed(parameters: dict[str, Any]) -> None:
    streams = itertools.islice(number_streams(200), 3)
    assert sum(expect_parity(KSWIN(**parameters), drift.KSWIN(**parameters), x) for x in streams)


@pytest.mark.parametrize("parameters", SAMPLED[:3])
def test_kswin_has_the_statistic_and_the_p_value_of_river(parameters: dict[str, Any]) -> None:
    ours, theirs = KSWIN(**parameters), drift.KSWIN(**parameters)
    values = np.random.default_rng(5).normal(size=parameters.get("window_size", 100) + 60).round(1)
    for x in values.tolist():
        ours.update(x)
        theirs.update(x)
        if theirs.p_value:
            assert ours.p_value == theirs.p_value


@pytest.mark.parametrize("n", [1, 2, 3, 30, 100, 1000])
def test_kswin_finds_drift_from_the_distance_that_scipy_finds_significant(n: int) -> None:
    for alpha in (1e-9, 0.005, 0.05, 0.5):
        threshold = KSWIN(alpha=alpha, window_size=2 * n, stat_size=n, seed=1).threshold
        apart = [h for h in range(n + 1) if h / n > 0.1 and significance(n, h) <= alpha]
        assert threshold == (apart[0] if apart else n + 1) / n


def significance(n: int, h: int) -> float:
    """Return scipy's p-value of two samples of n values whose ECDFs are h / n apart."""
    older = np.arange(n)
    return float(stats.ks_2samp(older, older + h - 0.5 * (h > 0), method="exact").pvalue)


def test_adwin_that_goes_on_is_the_window_of_river_without_its_restart() -> None:
    module = pytest.importorskip("river._river_rust", reason="this river keeps its window elsewhere")
    for values in number_streams():
        theirs = module.drift.AdaptiveWindowing(0.002, 32, 5, 5, 10)
        expected = [i for i, x in enumerate(values.tolist()) if theirs.update(x)]
        ours = ADWIN(restart=False)
        assert ours.update(values).tolist() == expected
        assert ours.width == theirs.get_width()
        assert ours.total == theirs.get_total()
        assert ours.variance == theirs.get_variance() / theirs.get_width()
        assert ours.detections == theirs.get_n_detections()


def test_estimates_of_adwin() -> None:
    for values in number_streams():
        ours, theirs = ADWIN(), drift.ADWIN()
        ours.update(values)
        for x in values.tolist():
            theirs.update(x)
        assert (ours.width, ours.total, ours.mean) == (theirs.width, theirs.total, theirs.estimation)
        assert ours.variance == theirs.variance / theirs.width


def concept_drift() -> Iterator[tuple[dict[int, float], bool]]:
    stream = synth.ConceptDriftStream(
        synth.SEA(variant=0, noise=0.05, seed=1),
        synth.ConceptDriftStream(
            synth.SEA(variant=3, noise=0.05, seed=2),
            synth.SEA(variant=1, noise=0.3, seed=3),
            seed=2,
            position=1500,
            width=20,
        ),
        seed=1,
        position=2000,
        width=500,
    )
    return iter(stream.take(5000))


def test_concepts_that_drift_by_the_generators_of_river() -> None:
    rows = list(concept_drift())
    wrong = np.array([(x[0] + x[1] <= 8) == y for x, y in rows], float)
    score = np.array([x[0] + x[1] + (5 if y else 0) for x, y in rows])
    for kind, theirs, ours, same in ERRORS:
        expect_parity(kind(**ours), theirs(**(ours if same is None else same)), wrong)
    for kind, theirs, ours, same in NUMBERS:
        expect_parity(kind(**ours), theirs(**(ours if same is None else same)), score)
    assert ADWIN().update(wrong).size > 0
    assert HDDM_A().update(wrong).size > 0


@given(
    bits=st.lists(st.sampled_from([0.0, 1.0]), max_size=400),
    case=st.sampled_from(ERRORS),
)
@settings(deadline=None, max_examples=150)
def test_any_errors(bits: list[float], case: Any) -> None:
    kind, theirs, ours, same = case
    expect_parity(kind(**ours), theirs(**(ours if same is None else same)), np.array(bits))


@given(
    values=st.lists(st.floats(-1e6, 1e6) | st.sampled_from([0.0, 1.0, -0.0, 5e-324]), max_size=300),
    case=st.sampled_from(NUMBERS),
)
@settings(deadline=None, max_examples=150)
def test_any_numbers(values: list[float], case: Any) -> None:
    kind, theirs, ours, same = case
    expect_parity(kind(**ours), theirs(**(ours if same is None else same)), np.array(values, float))
