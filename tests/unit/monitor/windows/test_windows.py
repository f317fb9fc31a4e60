"""Windows: panes come in, closed windows come out."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from window_data import BASELINE, HOUR_S, MODEL, OTHER_BASELINE, exact, hours, make_window, pane

from penstock.errors import ConfigError
from penstock.monitor.profile import Profile
from penstock.monitor.window import Window
from penstock.monitor.windows import Windows

EMPTY = BASELINE.profiler().profile()
PANES = [pane(rows, rows) for rows in (1, 3, 10, 40)]


def new(**options: object) -> Windows:
    return Windows(MODEL, 1, **{"window_s": HOUR_S, "begin_s": 0.0, **options})  # type: ignore[arg-type]


def test_a_window_closes_on_the_hour() -> None:
    windows = new(begin_s=1000.0)
    assert windows.add(PANES[2], 1500.0) == []
    assert windows.add(PANES[3], 3599.9) == []
    (closed,) = windows.add(PANES[0], 3600.05)
    assert (closed.begin_s, closed.end_s, closed.rows, closed.complete) == (1000.0, 3600.0, 51, True)
    assert (closed.model, closed.version) == (MODEL, 1)
    assert windows.open is None
    (closed,) = [*windows.add(PANES[1], 3700.0), *windows.add(EMPTY, 7300.0)]
    assert (closed.begin_s, closed.end_s, closed.rows) == (3600.0, 7200.0, 3)


def test_a_pane_belongs_where_most_of_its_time_lies() -> None:
    windows = new()
    windows.add(PANES[2], 3599.0)
    (closed,) = windows.add(PANES[0], 3601.5)
    assert closed.rows == 10
    assert windows.open is not None
    assert windows.open.rows == 1
    # Looks an hour apart, a little after the hour: every pane is of the hour before.
    windows = new(begin_s=0.2)
    for hour, counted in enumerate(PANES, start=1):
        (closed,) = windows.add(counted, hour * HOUR_S + 0.2)
        assert closed.rows == counted.rows
        assert closed.end_s == hour * HOUR_S


def test_hours_without_a_row_are_left_out() -> None:
    windows = new()
    windows.add(PANES[2], 10.0)
    (closed,) = windows.add(EMPTY, 5.5 * HOUR_S)
    assert (closed.begin_s, closed.end_s) == (0.0, HOUR_S)
    assert windows.add(EMPTY, 9.5 * HOUR_S) == []
    windows.add(PANES[1], 9.6 * HOUR_S)
    (closed,) = windows.add(EMPTY, 10 * HOUR_S)
    assert (closed.begin_s, closed.end_s, closed.rows) == (9 * HOUR_S, 10 * HOUR_S, 3)


def test_a_pane_longer_than_a_window_closes_two() -> None:
    windows = new()
    windows.add(PANES[2], 600.0)
    first, second = windows.add(PANES[0], 4 * HOUR_S)
    assert (first.begin_s, first.end_s, first.rows) == (0.0, HOUR_S, 10)
    assert (second.begin_s, second.end_s, second.rows) == (2 * HOUR_S, 3 * HOUR_S, 1)


def test_a_window_closes_when_it_is_full() -> None:
    windows = new(window_rows=12)
    assert windows.add(PANES[2], 10.0) == []
    (closed,) = windows.add(PANES[1], 20.0)
    assert (closed.begin_s, closed.end_s, closed.rows, closed.complete) == (0.0, 20.0, 13, True)
    windows.add(PANES[0], 30.0)
    (closed,) = windows.add(EMPTY, HOUR_S)
    assert (closed.begin_s, closed.end_s, closed.rows) == (20.0, HOUR_S, 1)


def test_closing_early_is_told() -> None:
    windows = new()
    assert windows.close(5.0) is None
    windows.add(PANES[2], 10.0)
    closed = windows.close(20.0)
    assert closed is not None
    assert (closed.begin_s, closed.end_s, closed.rows, closed.complete) == (5.0, 20.0, 10, False)
    windows.add(PANES[1], 30.0)
    late = windows.close(3 * HOUR_S)
    assert late is not None
    assert (late.begin_s, late.end_s) == (20.0, HOUR_S)


def test_the_open_window_is_what_there_is_so_far() -> None:
    windows = new()
    assert windows.open is None
    windows.add(EMPTY, 5.0)
    assert windows.open is None
    windows.add(PANES[2], 10.0)
    windows.add(PANES[3], 20.0)
    window = windows.open
    assert window is not None
    assert (window.begin_s, window.end_s, window.rows) == (0.0, 20.0, 50)
    assert exact(window.profile) == exact(PANES[2].merge(PANES[3]))


def test_a_clock_set_back_a_little_stands_still() -> None:
    windows = new()
    windows.add(PANES[2], 100.0)
    assert windows.add(PANES[1], 40.0) == []
    assert windows.open is not None
    assert (windows.open.end_s, windows.open.rows) == (100.0, 13)


def test_a_clock_set_back_far_begins_another_window() -> None:
    windows = new(begin_s=100 * HOUR_S)
    windows.add(PANES[2], 100 * HOUR_S + 9)
    (closed,) = windows.add(PANES[1], 20 * HOUR_S + 5)
    assert (closed.end_s, closed.rows, closed.complete) == (100 * HOUR_S + 9, 10, False)
    (closed,) = windows.add(EMPTY, 21 * HOUR_S)
    assert (closed.begin_s, closed.end_s, closed.rows) == (20 * HOUR_S + 5, 21 * HOUR_S, 3)


def test_a_pane_on_another_layout_is_refused_and_changes_nothing() -> None:
    windows = new()
    windows.add(PANES[2], 10.0)
    with pytest.raises(ConfigError, match="edges"):
        windows.add(pane(5, 1, baseline=OTHER_BASELINE), 20.0)
    assert windows.open is not None
    assert windows.open.rows == 10


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"window_s": 900.0}, "15 minutes"),
        ({"window_s": 86400.0}, "1 day"),
        ({"window_s": 5400.0}, "90 minutes"),
        ({"window_s": 0.5}, "0.5 seconds"),
        ({"window_rows": 10_000}, "1 hour or 10,000 rows"),
    ],
)
def test_granularity_in_words(options: dict[str, object], words: str) -> None:
    assert new(**options).granularity == words


@pytest.mark.parametrize(
    "options", [{"window_s": 0.0}, {"window_s": float("nan")}, {"window_rows": 0}, {"slide": 0}]
)
def test_parameters_out_of_range_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=next(iter(options))):
        new(**options)


@settings(deadline=None, max_examples=150)
@given(
    window_s=st.sampled_from([0.1, 0.3, 1.0, 7.0, 60.0, 3600.0]),
    window_rows=st.none() | st.integers(1, 60),
    begin_s=st.floats(0, 2e9),
    steps=st.lists(st.tuples(st.floats(0, 3), st.integers(0, len(PANES))), max_size=30),
)
def test_every_row_is_in_one_window_and_windows_do_not_overlap(
    window_s: float, window_rows: int | None, begin_s: float, steps: list[tuple[float, int]]
) -> None:
    windows = new(window_s=window_s, window_rows=window_rows, begin_s=begin_s)
    closed: list[Window] = []
    now_s, rows = begin_s, 0
    for step, index in steps:
        now_s += step * window_s
        counted = EMPTY if index == len(PANES) else PANES[index]
        rows += counted.rows
        closed += windows.add(counted, now_s)
    last = windows.close(now_s)
    closed += [last] if last is not None else []
    assert sum(window.rows for window in closed) == rows
    assert all(window.rows for window in closed)
    assert all(
        window.begin_s <= window.end_s <= window.begin_s + window_s * 1.001 + 1e-6 for window in closed
    )
    assert all(a.end_s <= b.begin_s for a, b in itertools.pairwise(closed))


def resumed(window: Window, now_s: float, layout: Profile = EMPTY) -> tuple[Windows, Window | None]:
    windows = new(begin_s=now_s)
    return windows, windows.resume(window, layout, now_s)


def test_an_open_window_goes_on_after_a_restart() -> None:
    before = new()
    before.add(PANES[2], 1000.0)
    assert before.open is not None
    windows, refused = resumed(before.open, 1500.0)
    assert refused is None
    assert windows.open is not None
    assert windows.open.rows == 10
    (closed,) = windows.add(PANES[1], 3600.1)
    assert (closed.begin_s, closed.end_s, closed.rows, closed.complete) == (0.0, HOUR_S, 13, False)
    windows.add(PANES[1], 3700.0)
    assert windows.add(EMPTY, 7200.0)[0].complete


@pytest.mark.parametrize(
    ("window", "now_s"),
    [
        (make_window(0.0, 1000.0, PANES[2]), 3600.0),
        (make_window(2000.0, 2100.0, PANES[2]), 1900.0),
        (make_window(0.0, 1000.0, PANES[2], version=2), 1500.0),
        (make_window(0.0, 1000.0, pane(10, 0, baseline=OTHER_BASELINE)), 1500.0),
    ],
    ids=["ended", "of the future", "another version", "another layout"],
)
def test_an_open_window_that_cannot_go_on_is_closed(window: Window, now_s: float) -> None:
    windows, refused = resumed(window, now_s)
    assert refused is not None
    assert not refused.complete
    assert (refused.rows, refused.end_s) == (window.rows, window.end_s)
    assert windows.open is None


def test_sliding_merges_the_last_ones() -> None:
    closed = hours(6)
    merged = new(slide=3).sliding(closed)
    assert (merged.begin_s, merged.end_s, merged.rows) == (3 * HOUR_S, 6 * HOUR_S, 180)
    wanted = closed[3].profile.merge(closed[4].profile).merge(closed[5].profile)
    assert merged.profile == wanted
    assert new(slide=1).sliding(closed) == closed[-1]
    assert new(slide=10).sliding(closed[:2]).rows == 120


def test_sliding_stops_at_another_version_or_layout() -> None:
    old = make_window(0.0, HOUR_S, PANES[3], version=1)
    other = make_window(0.0, HOUR_S, pane(10, 0, baseline=OTHER_BASELINE), version=2)
    fresh = make_window(HOUR_S, 2 * HOUR_S, PANES[2], version=2)
    for before in (old, other):
        assert new(slide=5).sliding([before, fresh]) == fresh


def test_merged_moments_are_those_of_all_rows() -> None:
    merged = new(slide=6).sliding(hours(6))
    parts = [window.profile["age"] for window in hours(6)]
    total = sum(part.finite for part in parts)
    mean = float(np.sum([part.mean * part.finite for part in parts]) / total)
    assert merged.profile["age"].finite == total
    assert merged.profile["age"].mean == pytest.approx(mean, rel=1e-13)
