"""The history: windows and reports come back as they were, in bounded space."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from window_data import (
    BASELINE,
    HOUR_S,
    MODEL,
    OTHER_BASELINE,
    counted,
    hours,
    make_window,
    pane,
    same_reports,
)

import penstock as ps
from penstock.errors import OutputError
from penstock.monitor.comparisons import Comparison, compare_with, counterparts
from penstock.monitor.history import ClosedWindow, History
from penstock.monitor.history.parquet_files import FOLD_AT
from penstock.monitor.window import Window

DAY_S = 24 * HOUR_S
ALL: tuple[Comparison, ...] = ("baseline", "previous", "hour", "weekday")


def closed_of(window: Window, past: list[Window], compare: tuple[Comparison, ...] = ALL) -> ClosedWindow:
    found = counterparts(window, BASELINE, past, compare=compare)
    spans = {name: one.span for name, one in found.items() if one.span is not None}
    return ClosedWindow(window, compare_with(window, found, level=0.01), spans)


def fill(
    history: History, windows: list[Window], compare: tuple[Comparison, ...] = ALL
) -> list[ClosedWindow]:
    closed = [closed_of(window, windows[:i], compare) for i, window in enumerate(windows)]
    for one in closed:
        history.append(one.window, one.reports, one.spans)
    return closed


def files(path: Path, table: str = "profile_metrics") -> list[str]:
    return sorted(file.name for file in (path / MODEL / table).iterdir())


def same(first: list[ClosedWindow], second: list[ClosedWindow]) -> bool:
    return [one.window for one in first] == [one.window for one in second] and all(
        a.spans == b.spans
        and list(a.reports) == list(b.reports)
        and all(same_reports(a.reports[name], b.reports[name]) for name in a.reports)
        for a, b in zip(first, second, strict=True)
    )


def test_windows_and_reports_come_back_as_they_were(tmp_path: Path) -> None:
    windows = hours(7, length=6)
    windows[-1] = replace(windows[-1], profile=pane(300, 5, shift=9.0), complete=False)
    closed = fill(History(tmp_path, MODEL), windows)
    assert closed[-1].reports["baseline"].alarms
    assert set(closed[-1].reports) == {"baseline", "previous", "hour"}
    assert same(History(tmp_path, MODEL).load(1000), closed)


def test_the_newest_come_back_oldest_first(tmp_path: Path) -> None:
    windows = hours(60)
    history = History(tmp_path, MODEL)
    fill(history, windows, ())
    for limit in (0, 1, 12, 13, 59, 60, 1000):
        assert [one.window for one in history.load(limit)] == windows[60 - min(limit, 60) :]


def test_odd_values_come_back(tmp_path: Path) -> None:
    rows = 25
    odd = {
        "height": np.array([np.nan, np.inf, -np.inf, 1e308, -1e308, 0.0, 5e-324] + [170.0] * (rows - 7)),
        "age": np.full(rows, np.nan, np.float32),
        "state": np.array([b"\xff\xfe", "", "a" * 1_000_000, "\x00", None] + ["MA"] * (rows - 5), object),
        "score": np.full(rows, np.inf),
    }
    window = make_window(1699999999.1 + 0.2, 1700000000.123456, counted(odd))
    history = History(tmp_path, MODEL)
    (closed,) = fill(history, [window])
    assert same(history.load(1), [closed])


def test_a_window_without_reports_comes_back(tmp_path: Path) -> None:
    history = History(tmp_path, MODEL)
    history.append(hours(1)[0], {})
    (one,) = history.load(5)
    assert (one.window, one.reports) == (hours(1)[0], {})


def test_reports_of_a_sliding_window_come_back(tmp_path: Path) -> None:
    windows = hours(4)
    sliding = windows[2].merge(windows[3])
    reports = compare_with(sliding, counterparts(sliding, BASELINE, []), level=0.01)
    history = History(tmp_path, MODEL)
    history.append(windows[3], reports)
    (one,) = history.load(1)
    assert one.window == windows[3]
    assert same_reports(one.reports["baseline"], reports["baseline"])
    assert one.reports["baseline"].n_current == 120


def test_versions_with_baselines_of_their_own_come_back(tmp_path: Path) -> None:
    history = History(tmp_path, MODEL)
    wanted = []
    for i, baseline in enumerate((BASELINE, OTHER_BASELINE, BASELINE), start=1):
        window = make_window(i * HOUR_S, (i + 1) * HOUR_S, pane(100, i, baseline=baseline), version=i)
        reports = compare_with(window, counterparts(window, baseline, []), level=0.01)
        history.append(window, reports)
        wanted.append(ClosedWindow(window, reports))
    assert len(list((tmp_path / MODEL / "baselines").iterdir())) == 2
    assert same(history.load(10), wanted)


def test_what_is_loaded_holds_edges_and_categories_once(tmp_path: Path) -> None:
    history = History(tmp_path, MODEL)
    fill(history, hours(5), ())
    first, *others = (one.window.profile for one in history.load(5))
    for other in others:
        for feature in first:
            assert other[feature.name].edges is feature.edges
            assert other[feature.name].categories is feature.categories


def test_files_of_a_day_are_put_together_when_it_is_over(tmp_path: Path) -> None:
    history = History(tmp_path, MODEL)
    closed = fill(history, hours(2 * 4 + 3, length=6), ("baseline",))
    for table in ("profile_metrics", "drift_metrics"):
        names = files(tmp_path, table)
        assert [name[:10] for name in names] == ["1970-01-01", "1970-01-02", *["1970-01-03"] * 3]
        assert ["T" in name for name in names] == [False, False, True, True, True]
    assert same(history.load(100), closed)


def test_files_of_one_day_are_put_together_when_they_are_many(tmp_path: Path) -> None:
    history = History(tmp_path, MODEL)
    profile = pane(20, 1)
    windows = [make_window(i * 60.0, (i + 1) * 60.0, profile) for i in range(FOLD_AT + 5)]
    for window in windows:
        history.append(window, {})
    assert len(files(tmp_path)) == 6
    assert [one.window for one in history.load(1000)] == windows


def test_a_late_window_of_an_earlier_day_is_found(tmp_path: Path) -> None:
    history = History(tmp_path, MODEL)
    windows = hours(50)
    for window in [*windows[:20], *windows[21:], windows[20]]:
        history.append(window, {})
    assert [one.window for one in history.load(100)] == windows
    assert [one.window for one in History(tmp_path, MODEL).load(100)] == windows


def test_old_days_are_removed(tmp_path: Path) -> None:
    history = History(tmp_path, MODEL, keep_s=3 * DAY_S)
    profile = pane(20, 1)
    windows = [make_window(day * DAY_S, day * DAY_S + HOUR_S, profile) for day in range(20)]
    for window in windows:
        history.append(window, {})
    assert [one.window for one in history.load(100)] == windows[-4:]
    assert len(files(tmp_path)) == 4


def test_baselines_that_nothing_needs_any_more_are_removed(tmp_path: Path) -> None:
    history = History(tmp_path, MODEL, keep_s=2 * DAY_S)
    for day in range(6):
        baseline = ps.Baseline.fit({"x": np.arange(30.0) + day})
        window = make_window(day * DAY_S, day * DAY_S + HOUR_S, counted({"x": np.arange(40.0)}, baseline))
        history.append(window, compare_with(window, counterparts(window, baseline, []), level=0.01))
    kept = list((tmp_path / MODEL / "baselines").iterdir())
    assert 3 <= len(kept) <= 4
    assert [list(one.reports) for one in history.load(10)] == [["baseline"]] * 3


def test_nothing_is_made_before_something_is_written(tmp_path: Path) -> None:
    history = History(tmp_path / "new", MODEL)
    assert history.load(10) == []
    assert history.load_open() == []
    history.drop_open(1)
    history.close()
    assert not (tmp_path / "new").exists()


def test_models_share_a_directory(tmp_path: Path) -> None:
    first, second = History(tmp_path, "a"), History(tmp_path, "b")
    windows = [replace(window, model=model) for window, model in zip(hours(2), "ab", strict=True)]
    first.append(windows[0], {})
    second.append(windows[1], {})
    assert [one.window for one in first.load(5)] == windows[:1]
    assert [one.window for one in second.load(5)] == windows[1:]


def test_two_processes_never_write_to_the_same_place(tmp_path: Path) -> None:
    first, second = History(tmp_path, MODEL), History(tmp_path, MODEL)
    first.save_open(1, hours(1)[0])
    with pytest.raises(OutputError, match="another process writes its windows here"):
        second.append(hours(1)[0], {})
    with pytest.raises(OutputError, match="give every process"):
        second.save_open(1, None)
    assert second.load_open() == []
    first.append(hours(1)[0], {})
    assert len(second.load(5)) == 1
    first.close()
    second.append(hours(2)[1], {})
    assert len(second.load_open()) == 1


def test_open_windows_and_what_belongs_to_them_come_back(tmp_path: Path) -> None:
    history = History(tmp_path, MODEL)
    window = replace(hours(1)[0], complete=False)
    history.save_open(1, hours(2)[1], b"before")
    history.save_open(1, window, b"state")
    history.save_open(2, None, b"other")
    history.close()
    first, second = History(tmp_path, MODEL).load_open()
    assert (first.version, first.window, first.extra) == (1, window, b"state")
    assert (second.version, second.window, second.extra) == (2, None, b"other")


def test_an_open_window_that_was_closed_since_is_not_counted_again(tmp_path: Path) -> None:
    history = History(tmp_path, MODEL)
    history.save_open(1, hours(2)[1], b"state")
    history.append(hours(1)[0], {})
    assert history.load_open()[0].window == hours(2)[1]
    history.append(replace(hours(2)[1], version=2), {})
    assert history.load_open()[0].window is not None
    history.append(hours(2)[1], {})
    (saved,) = history.load_open()
    assert (saved.window, saved.extra) == (None, b"state")


def test_open_windows_are_forgotten_when_asked(tmp_path: Path) -> None:
    history = History(tmp_path, MODEL)
    history.save_open(1, hours(1)[0])
    history.drop_open(1)
    history.drop_open(7)
    assert history.load_open() == []
