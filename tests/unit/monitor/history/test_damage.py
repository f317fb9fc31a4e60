"""Files that are damaged or somebody else's, disks that are full, directories that cannot be written to."""

from __future__ import annotations

import logging
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from window_data import BASELINE, HOUR_S, MODEL, hours, make_window, pane

from penstock.errors import BundleError, OutputError
from penstock.monitor.comparisons import compare
from penstock.monitor.history import History, OpenWindow
from penstock.monitor.history.checkpoint import decode, encode
from penstock.monitor.window import Window

WINDOWS = hours(6)
TESTS = Path(__file__).parents[3]


@pytest.fixture
def written(tmp_path: Path) -> Path:
    history = History(tmp_path, MODEL)
    for window in WINDOWS:
        history.append(window, compare(window, BASELINE, [], level=0.01))
    history.close()
    return tmp_path


def parts(directory: Path, table: str) -> list[Path]:
    return sorted((directory / MODEL / table).glob("*.parquet"))


@pytest.mark.parametrize("kept", [0, 4, 0.3, 0.99])
def test_a_torn_file_is_left_out_and_told_of(
    written: Path, kept: float, caplog: pytest.LogCaptureFixture
) -> None:
    path = parts(written, "profile_metrics")[2]
    data = path.read_bytes()
    path.write_bytes(data[: kept if isinstance(kept, int) else int(len(data) * kept)])
    history = History(written, MODEL)
    for _ in range(2):
        assert [one.window for one in history.load(10)] == [*WINDOWS[:2], *WINDOWS[3:]]
    told = [record.message for record in caplog.records if record.levelno == logging.WARNING]
    assert len(told) == 1
    assert str(path) in told[0]


def test_a_torn_comparison_leaves_the_window(written: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = parts(written, "drift_metrics")[2]
    path.write_bytes(path.read_bytes()[:1000])
    found = History(written, MODEL).load(10)
    assert [one.window for one in found] == WINDOWS
    assert [len(one.reports) for one in found] == [1, 1, 0, 1, 1, 1]
    assert str(path) in caplog.text


def test_a_state_that_was_altered_is_left_out(written: Path, caplog: pytest.LogCaptureFixture) -> None:
    for path, bad in zip(parts(written, "profile_metrics"), [b"", b"x" * 100, None, "flipped"], strict=False):
        table = pq.read_table(path, partitioning=None)
        states = table.column("state").to_pylist()
        states[1] = states[1][:-1] + bytes([states[1][-1] ^ 1]) if bad == "flipped" else bad
        index = table.schema.get_field_index("state")
        pq.write_table(table.set_column(index, "state", pa.array(states, pa.binary())), path)
    assert [one.window for one in History(written, MODEL).load(10)] == WINDOWS[4:]
    assert len(caplog.records) == 4


def test_files_of_others_are_left_alone(written: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = written / MODEL / "profile_metrics"
    foreign = {
        "notes.txt": b"hello",
        "1970-01-01.parquet": b"not ours",
        "1970-13-45-abc.parquet": b"no such day",
        "1970-01-01T00-00-00.000000-beef.parquet": b"PAR1 and so on PAR1",
    }
    for name, data in foreign.items():
        (folder / name).write_bytes(data)
    pq.write_table(pa.table({"a": [1]}), folder / "1970-01-01-abcd.parquet")
    (folder / "1970-01-01-directory.parquet").mkdir()
    history = History(written, MODEL)
    assert [one.window for one in history.load(10)] == WINDOWS
    later = make_window(30 * HOUR_S, 31 * HOUR_S, pane(10, 1))
    history.append(later, {})
    assert [one.window for one in history.load(10)] == [*WINDOWS, later]
    for name, data in foreign.items():
        assert (folder / name).read_bytes() == data
    assert pq.read_table(folder / "1970-01-01-abcd.parquet", partitioning=None).num_rows == 1
    assert "its columns are others" in caplog.text


def test_files_that_were_put_together_are_removed_after_a_kill(written: Path) -> None:
    folder = written / MODEL / "profile_metrics"
    singles = {path.name: path.read_bytes() for path in parts(written, "profile_metrics")}
    history = History(written, MODEL)
    later = make_window(30 * HOUR_S, 31 * HOUR_S, pane(10, 1))
    history.append(later, {})
    history.close()
    for name, data in singles.items():
        (folder / name).write_bytes(data)
    (folder / ".1970-01-01-ab.parquet.aside").write_bytes(b"half of a file")
    history = History(written, MODEL)
    history.save_open(1, None)
    assert [one.window for one in history.load(100)] == [*WINDOWS, later]
    assert len(list(folder.iterdir())) == 2


def test_a_lost_baseline_loses_its_comparisons_only(written: Path, caplog: pytest.LogCaptureFixture) -> None:
    for path in (written / MODEL / "baselines").iterdir():
        path.write_bytes(b"damaged")
    found = History(written, MODEL).load(10)
    assert [one.window for one in found] == WINDOWS
    assert all(not one.reports for one in found)
    assert len(caplog.records) == 1


def test_a_damaged_open_window_is_told_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    history = History(tmp_path, MODEL)
    history.save_open(1, WINDOWS[0])
    history.save_open(2, WINDOWS[0])
    path = tmp_path / MODEL / "open-1.window"
    data = path.read_bytes()
    for bad in (b"", b"x", data[:60], data[:-1], data[:-1] + b"\xff"):
        path.write_bytes(bad)
        caplog.clear()
        assert [one.version for one in history.load_open()] == [2]
        assert str(path) in caplog.text


def test_open_windows_of_another_model_or_format_are_refused() -> None:
    data = encode(MODEL, OpenWindow(version=1, window=WINDOWS[0], extra=b"more"))
    assert decode(MODEL, data, "file") == OpenWindow(version=1, window=WINDOWS[0], extra=b"more")
    with pytest.raises(BundleError, match='file: expected a window of "flats", got one of "people"'):
        decode("flats", data, "file")
    with pytest.raises(BundleError, match="expected format 1, got 2"):
        decode(MODEL, data[:16] + b"\2\0" + data[18:], "file")
    with pytest.raises(BundleError, match="expected an open window"):
        decode(MODEL, BASELINE.to_bytes(), "file")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of half a megabyte."""
    path = tmp_path / "small"
    path.mkdir()
    mount = shutil.which("mount")
    options = ["-t", "tmpfs", "-o", "size=512k", "tmpfs", str(path)]
    if not mount or subprocess.run([mount, *options], capture_output=True).returncode:
        pytest.skip("a small file system cannot be mounted here")
    yield path
    subprocess.run(["umount", str(path)], check=True)


def append_all(history: History, windows: list[Window]) -> None:
    for window in windows:
        history.append(window, {})


def test_a_full_disk_is_told_and_loses_only_what_did_not_fit(small_disk: Path) -> None:
    history = History(small_disk, MODEL)
    filler = small_disk / "filler"
    history.append(WINDOWS[0], {})
    filler.write_bytes(
        bytes(512 * 1024 - sum(p.stat().st_blocks * 512 for p in small_disk.rglob("*")) - 8192)
    )
    with pytest.raises(OutputError, match=r"No space left on device; free space, or keep less"):
        append_all(history, WINDOWS[1:])
    with pytest.raises(OutputError, match="No space left on device"):
        history.save_open(1, WINDOWS[5].merge(WINDOWS[4]), bytes(100_000))
    assert list(small_disk.rglob("*.aside")) == []
    before = [one.window for one in history.load(10)]
    assert before[0] == WINDOWS[0]
    assert len(before) < 6
    filler.unlink()
    history.append(WINDOWS[5], {})
    history.save_open(1, WINDOWS[4])
    assert [one.window for one in history.load(10)] == [*before, WINDOWS[5]]
    history.close()


LIMITED = """
import sys
sys.path.insert(0, sys.argv[2])
from pathlib import Path
from window_data import MODEL, hours
from penstock.errors import OutputError
from penstock.monitor.history import History
history = History(Path(sys.argv[1]), MODEL)
try:
    history.save_open(1, hours(1)[0])
except OutputError as error:
    print(error)
history.save_open(2, None)
print(len(history.load_open()))
"""


def test_a_limit_on_files_is_told(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(tmp_path), str(TESTS)],
        capture_output=True, text=True, check=True, timeout=60,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000)),
    )  # fmt: skip
    lines = done.stdout.splitlines()
    assert "open-1.window: cannot be written: File too large" in lines[0]
    assert lines[1] == "1"


def test_a_directory_that_is_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"Not a directory; monitor.directory must be a directory"):
        History(tmp_path / "file", MODEL).append(WINDOWS[0], {})
    assert History(tmp_path / "file", MODEL).load(10) == []


@pytest.mark.skipif(os.getuid() == 0, reason="root may write everywhere")
def test_a_directory_without_permission_is_told(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(OutputError, match="Permission denied; give"):
        History(tmp_path, MODEL).append(WINDOWS[0], {})
    tmp_path.chmod(0o700)


def test_a_window_whose_comparisons_do_not_fit_is_not_kept_by_half(tmp_path: Path) -> None:
    history = History(tmp_path, MODEL)
    history.append(WINDOWS[0], {})
    (tmp_path / MODEL / "drift_metrics").write_text("in the way")
    reports = compare(WINDOWS[1], BASELINE, [], level=0.01)
    with pytest.raises(OutputError, match=r"monitor\.directory must be a directory"):
        history.append(WINDOWS[1], reports)
    assert [one.window for one in history.load(10)] == WINDOWS[:1]
    (tmp_path / MODEL / "drift_metrics").unlink()
    history.append(WINDOWS[1], reports)
    assert [len(one.reports) for one in history.load(10)] == [0, 1]
