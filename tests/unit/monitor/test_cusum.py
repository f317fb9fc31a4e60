"""CUSUM against its definition in plain Python, and against the published average run lengths."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from penstock.monitor.detectors import CUSUM


def reference(values: Any, mean: float, deviation: float, k: float, h: float, mode: str) -> list[int]:
    """Return the indices of drift: the tabular CUSUM, begun anew after each."""
    found, rise, fall = [], 0.0, 0.0
    for i, x in enumerate(values):
        z = (x - mean) / deviation
        rise, fall = max(0.0, rise + z - k), max(0.0, fall - z - k)
        if (mode != "down" and rise > h) or (mode != "up" and fall > h):
            found.append(i)
            rise = fall = 0.0
    return found


@pytest.mark.parametrize("mode", ["up", "down", "both"])
def test_a_target_gives_the_definition(mode: Any) -> None:
    rng = np.random.default_rng(1)
    values = np.concatenate([rng.normal(mean, 2, 700) for mean in (3, 5, 3, 1, 3.5)])
    detector = CUSUM(mean=3, standard_deviation=2, allowance=0.25, threshold=4, mode=mode)
    expected = reference(values.tolist(), 3.0, 2.0, 0.25, 4.0, mode)
    assert len(expected) > 5
    assert detector.update(values).tolist() == expected


def test_without_a_target_it_learns_one() -> None:
    values = np.random.default_rng(2).normal(10, 3, 50)
    detector = CUSUM(warm_start=50)
    assert detector.update(values).tolist() == []
    assert detector.mean == pytest.approx(values.mean(), rel=1e-12)
    assert detector.standard_deviation == pytest.approx(values.std(ddof=1), rel=1e-12)
    after = np.random.default_rng(3).normal(13, 3, 60)
    expected = reference(after.tolist(), detector.mean, detector.standard_deviation, 0.5, 5.0, "both")
    assert detector.update(after).tolist()[:1] == expected[:1]


def test_a_warm_up_of_equal_values_goes_on() -> None:
    detector = CUSUM(warm_start=10)
    assert detector.update(np.full(1000, 7.0)).tolist() == []
    assert (detector.width, detector.standard_deviation) == (1000, 0.0)
    detector.update(8.0)
    assert detector.standard_deviation > 0
    assert detector.update([8.0]).tolist() == [0]


@pytest.mark.parametrize(
    ("threshold", "shift", "average"), [(4, 0, 168), (5, 0, 465), (4, 1, 8.38), (5, 1, 10.4)]
)
def test_average_run_lengths_are_those_of_the_textbook(
    threshold: float, shift: float, average: float
) -> None:
    runs = 2000
    rng = np.random.default_rng(4)
    detector = CUSUM(mean=0, standard_deviation=1, allowance=0.5, threshold=threshold)
    found: list[int] = []
    seen = 0
    while len(found) < runs:
        found += (detector.update(rng.normal(shift, 1, 100_000)) + seen).tolist()
        seen += 100_000
    lengths = np.diff([-1, *found[:runs]])
    assert lengths.mean() == pytest.approx(average, abs=4 * lengths.std() / math.sqrt(runs) + 0.005 * average)
