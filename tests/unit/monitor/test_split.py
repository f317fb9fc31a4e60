"""Counting by several threads: the same bit for bit."""

from __future__ import annotations

import math
import threading
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import penstock as ps
from penstock.errors import ConfigError, SignatureError
from penstock.monitor.baseline import Baseline
from penstock.monitor.profiler import Profiler
from penstock.monitor.split import SplitAccumulator, threads_of

ROWS = 20_000
"""Enough for threads to be woken."""


def columns(seed: int, rows: int = ROWS) -> dict[str, Any]:
    random = np.random.default_rng(seed)
    holes = random.normal(size=rows)
    holes[::7] = math.nan
    holes[::11] = math.inf
    return {
        "a": random.normal(size=rows),
        "s": random.choice(["x", "y", "z"], rows),
        "b": random.normal(size=rows).astype(np.float32),
        "c": holes,
        "d": random.integers(0, 1000, rows),
    }


@pytest.fixture(scope="module")
def baseline() -> Baseline:
    return Baseline.fit(columns(0))


@pytest.mark.parametrize("threads", [2, 3, 16])
def test_threads_do_not_change_a_bit(baseline: Baseline, threads: int) -> None:
    assert Baseline.fit(columns(0), threads=1).digest == baseline.digest
    assert Baseline.fit(columns(0), threads=threads).digest == baseline.digest
    whole, split = Profiler(baseline), Profiler(baseline, threads=threads)
    for data in (columns(1), pa.table(columns(2, 700)), pd.DataFrame(columns(3)), columns(4, 1)):
        whole.update(data)
        split.update(data)
    assert split.profile(reset=True) == whole.profile()
    assert split.profile() == Profiler(baseline).profile()
    alone, together = (ps.drift(baseline, columns(5), threads=count).to_dict() for count in (1, threads))
    assert alone == together


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("order", ["C", "F"])
def test_matrices_are_counted_where_they_lie(dtype: type, order: Any) -> None:
    matrix = np.asarray(np.random.default_rng(6).normal(size=(ROWS, 21)), dtype, order=order)
    names = [f"f{index}" for index in range(21)]
    baseline = Baseline.fit(dict(zip(names, matrix.T, strict=True)))
    whole, split = Profiler(baseline), Profiler(baseline, threads=2)
    for rows in (matrix, matrix[:3], matrix[::-2]):
        whole.update(rows)
        split.update(rows)
    assert split.profile() == whole.profile()
    split.reset()
    assert split.profile().rows == 0
    with pytest.raises(SignatureError, match=r"expected a matrix of shape \(n, 21\)"):
        split.update(matrix[:, :20])


def test_threads_that_count_at_once_lose_nothing(baseline: Baseline) -> None:
    profiler = Profiler(baseline, threads=2)
    batches = [pa.table(columns(seed)) for seed in range(4)]
    callers = [threading.Thread(target=profiler.update, args=(batch,)) for batch in batches]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    found = profiler.profile()
    assert found.rows == 4 * ROWS
    assert {
        int(feature.histogram.sum()) + feature.missing for feature in found if feature.kind == "numeric"
    } == {4 * ROWS}


def test_what_is_wrong_is_refused_as_by_one_thread(baseline: Baseline) -> None:
    profiler = Profiler(baseline, threads=2)
    with pytest.raises(SignatureError, match="missing"):
        profiler.update({"a": np.zeros(ROWS)})
    with pytest.raises(SignatureError):
        profiler.update({**columns(0), "d": ["text"] * ROWS})
    assert profiler.profile().rows == 0


def test_no_feature_is_no_error() -> None:
    nothing = SplitAccumulator([], 4)
    assert nothing.counts() == (0, [])


@pytest.mark.parametrize("threads", [0, -1])
def test_a_number_of_threads_is_at_least_one(baseline: Baseline, threads: int) -> None:
    for call in (
        lambda: ps.drift(baseline, columns(0), threads=threads),
        lambda: Baseline.fit(columns(0), threads=threads),
        lambda: threads_of(threads),
    ):
        with pytest.raises(ConfigError, match="threads: expected 1 or more"):
            call()
    assert threads_of(None) >= 1
    assert threads_of(3) == 3
