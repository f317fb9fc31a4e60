"""However rows are cut into panes, in any order, by several processes: one window, one report."""

from __future__ import annotations

import math
import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import numpy as np
import pytest
from window_data import BASELINE, HOUR_S, MODEL, columns, exact, make_window, pane

from penstock.monitor.comparisons import compare
from penstock.monitor.history.checkpoint import OpenWindow, decode, encode
from penstock.monitor.report.report import DriftReport
from penstock.monitor.window import Window
from penstock.monitor.windows import Windows

ROWS = 3000
DATA = columns(ROWS, 42, shift=1.5)
PROCESSES = 3
BY_MOMENTS = {"mean_shift", "mean", "standard_deviation", "wasserstein"}
"""What of a report is computed from moments: the same within roundings."""

Cut = list[list[int]]


def count_panes(panes: Cut) -> bytes:
    """Count rows pane by pane; return the window as a process would save it."""
    windows = Windows(MODEL, 1, window_s=HOUR_S, begin_s=0.0)
    profiler = BASELINE.profiler()
    closed: list[Window] = []
    for i, rows in enumerate(panes):
        profiler.update({name: values[rows] for name, values in DATA.items()})
        closed += windows.add(profiler.profile(reset=True), HOUR_S * (i + 1) / (len(panes) + 1))
    closed += windows.add(profiler.profile(reset=True), HOUR_S)
    (window,) = closed
    return encode(MODEL, OpenWindow(version=1, window=window))


@pytest.fixture(scope="module")
def pool() -> Iterator[ProcessPoolExecutor]:
    with ProcessPoolExecutor(PROCESSES, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield pool


@pytest.fixture(scope="module")
def whole() -> Window:
    window = decode(MODEL, count_panes([list(range(ROWS))]), "whole").window
    assert window is not None
    return window


def cuts(seed: int) -> list[Cut]:
    """Deal shuffled rows to processes, and cut what each has into panes, some of them empty."""
    random = np.random.default_rng(seed)
    rows = random.permutation(ROWS)
    hands = np.split(rows, np.sort(random.integers(1, ROWS, PROCESSES - 1)))
    return [
        [
            part.tolist()
            for part in np.split(hand, np.sort(random.integers(0, len(hand) + 1, random.integers(1, 40))))
        ]
        for hand in hands
        if len(hand)
    ]


def plain(report: DriftReport) -> dict[str, Any]:
    """Return a report without what comes from moments, and that by its path."""
    moments: dict[str, float] = {}

    def walk(value: Any, path: str) -> Any:
        if isinstance(value, dict):
            for name in BY_MOMENTS & set(value):
                moments[f"{path}.{name}"] = math.nan if value[name] is None else value[name]
            return {
                name: walk(part, f"{path}.{name}") for name, part in value.items() if name not in BY_MOMENTS
            }
        if isinstance(value, list):
            return [walk(part, f"{path}[{i}]") for i, part in enumerate(value)]
        return value

    return {"exact": walk(report.to_dict(), ""), "moments": moments}


def check_same(window: Window, whole: Window) -> None:
    assert (window.begin_s, window.end_s, window.rows, window.complete) == (0.0, HOUR_S, ROWS, True)
    assert exact(window.profile) == exact(whole.profile)
    for feature in whole.profile:
        other = window.profile[feature.name]
        assert other.mean == pytest.approx(feature.mean, rel=1e-13, nan_ok=True)
        assert other.m2 == pytest.approx(feature.m2, rel=1e-12, nan_ok=True)
    past = [make_window(-24 * HOUR_S, -23 * HOUR_S, pane(900, 5)), make_window(-HOUR_S, 0.0, pane(500, 6))]
    ours, wanted = (
        compare(one, BASELINE, past, compare=("baseline", "previous", "hour"), level=0.01)
        for one in (window, whole)
    )
    assert list(ours) == list(wanted) == ["baseline", "previous", "hour"]
    for name in wanted:
        first, second = plain(ours[name]), plain(wanted[name])
        assert first["exact"] == second["exact"]
        assert first["moments"] == pytest.approx(second["moments"], rel=1e-11, nan_ok=True)
    assert [feature.name for feature in wanted["baseline"].alarms] == ["state", "height"]


@pytest.mark.parametrize("seed", range(12))
def test_any_split_over_processes_is_one_window_and_one_report(
    pool: ProcessPoolExecutor, whole: Window, seed: int
) -> None:
    dealt = list(pool.map(count_panes, cuts(seed)))
    order = np.random.default_rng(seed).permutation(len(dealt))
    parts = [decode(MODEL, dealt[i], "part").window for i in order]
    merged, *others = (part for part in parts if part is not None)
    for other in others:
        merged = merged.merge(other) if seed % 2 else other.merge(merged)
    check_same(merged, whole)


def test_a_row_a_pane_is_the_same_too(whole: Window) -> None:
    random = np.random.default_rng(3)
    window = decode(MODEL, count_panes([[int(row)] for row in random.permutation(ROWS)]), "rows").window
    assert window is not None
    check_same(window, whole)
