"""The cost model finds a + b·n through noise, outliers and change."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.batching import CostModel

SIZES = np.array([1, 2, 4, 8, 16, 32, 64, 128, 256])
bases = st.floats(1e-5, 1e-2)
slopes = st.floats(1e-7, 1e-4)
seeds = st.integers(0, 2**32 - 1)


def learned(samples: Iterable[tuple[int, float]], model: CostModel | None = None) -> CostModel:
    model = model or CostModel()
    for rows, seconds in samples:
        model.observe(int(rows), float(seconds))
    return model


def cost(model: CostModel, rows: int) -> float:
    return model.base_s + model.row_s * rows


def about(base: float, row: float, rows: int, rel: float) -> Any:
    """What a fit may come to; where the rows cost nearly all, noise on large batches hides the base."""
    return pytest.approx(base + row * rows, rel=rel, abs=0.05 * (base + row * SIZES.mean()))


def samples(
    rng: np.random.Generator, base: float, row: float, count: int = 200, noise: float = 0.0
) -> list[tuple[int, float]]:
    rows = rng.choice(SIZES, count)
    seconds = (base + row * rows) * np.exp(rng.normal(0, noise, count))
    return list(zip(rows, seconds, strict=True))


def test_nothing_is_known_at_first() -> None:
    model = CostModel()
    assert not model.known
    assert (model.base_s, model.row_s, model.spread_s) == (0, 0, 0)


@given(bases, slopes, seeds)
def test_a_straight_line_is_recovered(base: float, row: float, seed: int) -> None:
    model = learned(samples(np.random.default_rng(seed), base, row))
    for rows in SIZES:
        assert cost(model, rows) == pytest.approx(base + row * rows, rel=0.02)
    assert model.known


@given(bases, slopes, seeds)
def test_noise_averages_out(base: float, row: float, seed: int) -> None:
    model = learned(samples(np.random.default_rng(seed), base, row, noise=0.1))
    for rows in SIZES:
        assert cost(model, rows) == about(base, row, rows, 0.3)
    assert model.spread_s > 0


@given(bases, slopes, seeds)
def test_outliers_count_little(base: float, row: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    good = samples(rng, base, row, noise=0.02)
    spoiled = [(rows, seconds * (50 if rng.random() < 0.03 else 1)) for rows, seconds in good[50:]]
    model = learned(good[:50] + spoiled)
    for rows in SIZES:
        assert cost(model, rows) == about(base, row, rows, 0.5)


@pytest.mark.parametrize("factor", [0.2, 0.5, 3, 10])
def test_a_lasting_change_is_followed(factor: float) -> None:
    rng = np.random.default_rng(5)
    model = learned(samples(rng, 1e-3, 1e-5, noise=0.02))
    learned(samples(rng, 1e-3 * factor, 1e-5 * factor, noise=0.02), model)
    for rows in SIZES:
        assert cost(model, rows) == pytest.approx(factor * (1e-3 + 1e-5 * rows), rel=0.2)


@given(st.integers(1, 65_536), bases, seeds)
def test_batches_of_one_size_give_the_cost_of_that_size(rows: int, seconds: float, seed: int) -> None:
    noise = np.exp(np.random.default_rng(seed).normal(0, 0.02, 100))
    model = learned((rows, seconds * factor) for factor in noise)
    assert cost(model, rows) == pytest.approx(seconds, rel=0.1)
    assert 0 <= cost(model, 1) <= seconds * 1.1


@given(st.lists(st.tuples(st.integers(1, 10_000), st.floats(0, 1e3)), max_size=60))
def test_a_cost_is_never_negative(observed: list[tuple[int, float]]) -> None:
    model = learned(observed)
    assert model.known == bool(observed)
    values = (model.base_s, model.row_s, model.spread_s)
    assert all(math.isfinite(value) and value >= 0 for value in values)


@pytest.mark.parametrize(("rows", "seconds"), [(0, 1), (-3, 1), (1, -1), (1, math.nan), (1, math.inf)])
def test_what_cannot_be_a_sample_is_passed_over(rows: int, seconds: float) -> None:
    model = learned([(1, 1e-3), (100, 2e-3)])
    before = cost(model, 50)
    model.observe(rows, seconds)
    assert cost(model, 50) == before
