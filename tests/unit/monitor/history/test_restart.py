"""A process that is killed loses at most what it had not saved, and never counts anything twice."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from window_data import BASELINE, HOUR_S, MODEL, OTHER_BASELINE, exact, pane

from penstock.monitor.history import History
from penstock.monitor.profile import Profile
from penstock.monitor.window import Window
from penstock.monitor.windows import Windows

TESTS = Path(__file__).parents[3]
EMPTY = BASELINE.profiler().profile()
COUNTING = """
import sys
sys.path.insert(0, sys.argv[2])
from pathlib import Path
from window_data import MODEL, pane
from penstock.monitor.history import History
from penstock.monitor.profile import Profile
from penstock.monitor.windows import Windows

history = History(Path(sys.argv[1]), MODEL)
windows = Windows(MODEL, 1, window_s=400.0, begin_s=0.0)
delta = pane(10, 1)
now_s = 0.0
print("ready", flush=True)
while True:
    now_s += 100.0
    for window in windows.add(delta, now_s):
        history.append(window, {})
        history.save_open(1, None)
        print("closed", window.end_s, flush=True)
    history.save_open(1, windows.open, str(now_s).encode())
    print("saved", now_s, flush=True)
"""


def killed_after(directory: Path, lines: int) -> list[list[str]]:
    """Count in another process, kill it when it has printed so many lines, and return all that it printed."""
    command = [sys.executable, "-c", COUNTING, str(directory), str(TESTS)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        printed = [process.stdout.readline() for _ in range(lines)]
        process.kill()
        printed += process.stdout.readlines()
        assert process.wait(30) == -signal.SIGKILL
    return [line.split() for line in printed if line.endswith("\n")]


@pytest.mark.parametrize("lines", [2, 5, 90, 230, 500])
def test_killed_at_any_moment_at_most_a_pane_is_lost(tmp_path: Path, lines: int) -> None:
    printed = killed_after(tmp_path, lines)
    saved = [float(line[1]) for line in printed if line[0] == "saved"]
    closed_s = [float(line[1]) for line in printed if line[0] == "closed"]
    history = History(tmp_path, MODEL)
    found = history.load_open()
    windows = [one.window for one in history.load(10_000)]
    ends = [window.end_s for window in windows]
    # One more may have been written than was told.
    assert ends in (closed_s, [*closed_s, (len(closed_s) + 1) * 400.0])
    assert all(window.rows == 40 for window in windows[1:])
    rows = sum(window.rows for window in windows)
    for one in found:
        if one.window is not None:
            rows += one.window.rows
            assert one.extra.decode() == str(one.window.end_s)
    assert rows >= 10 * (len(saved) - 1)
    assert rows <= 10 * (len(saved) + 1)
    leftovers = [path.name for path in (tmp_path / MODEL).rglob("*.aside")]
    assert leftovers == []


def test_a_restart_in_mid_window_gives_the_window_of_a_process_that_ran_through(tmp_path: Path) -> None:
    panes = [pane(50, seed) for seed in range(12)]
    dice = random.Random(5)
    whole = Windows(MODEL, 1, window_s=HOUR_S, begin_s=0.0)
    windows = Windows(MODEL, 1, window_s=HOUR_S, begin_s=0.0)
    wanted: list[Window] = []
    found: list[Window] = []
    for i, delta in enumerate(panes):
        now_s = (i + 1) * 600.0 + 1
        wanted += whole.add(delta, now_s)
        found += windows.add(delta, now_s)
        history = History(tmp_path, MODEL)
        history.save_open(1, windows.open)
        history.close()
        if dice.random() < 0.7:
            (saved,) = History(tmp_path, MODEL).load_open()
            windows = Windows(MODEL, 1, window_s=HOUR_S, begin_s=now_s + 5)
            assert saved.window is None or windows.resume(saved.window, EMPTY, now_s + 5) is None
    assert len(found) == len(wanted) == 2
    for first, second in zip(found, wanted, strict=True):
        assert exact(first.profile) == exact(second.profile)
        assert (first.begin_s, first.end_s) == (second.begin_s, second.end_s)
    assert not any(window.complete for window in found)


@pytest.mark.parametrize(("version", "layout"), [(2, EMPTY), (1, OTHER_BASELINE.profiler().profile())])
def test_another_version_or_baseline_closes_what_was_open(
    tmp_path: Path, version: int, layout: Profile
) -> None:
    history = History(tmp_path, MODEL)
    before = Windows(MODEL, 1, begin_s=0.0)
    before.add(pane(50, 1), 100.0)
    history.save_open(1, before.open)
    history.close()
    history = History(tmp_path, MODEL)
    (saved,) = history.load_open()
    assert saved.window is not None
    closed = Windows(MODEL, version, begin_s=200.0).resume(saved.window, layout, 200.0)
    assert closed is not None
    assert (closed.version, closed.rows, closed.end_s, closed.complete) == (1, 50, 100.0, False)
    history.append(closed, {})
    history.drop_open(1)
    assert history.load_open() == []
    assert [one.window for one in history.load(10)] == [closed]
