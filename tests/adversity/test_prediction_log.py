"""The prediction log where disks are full, directories go away and processes are killed."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from penstock.config import LogConfig
from penstock.monitor.log import PredictionLog

NOON = 1_700_000_000.0
ROWS = 2000

PROGRAM = """
import sys, time
import numpy as np
from penstock.config import LogConfig
from penstock.monitor.log import PredictionLog
log = PredictionLog(LogConfig(directory=sys.argv[1], file_s=0.02), "m")
batch = 0
while True:
    columns = {"x": np.arange(batch * 100, batch * 100 + 100)}
    log.append(1, time.time(), columns, {"p": np.zeros(100)}, 100)
    batch += 1
    if batch % 50 == 0:
        time.sleep(0.001)
        print(log.status().written_rows, flush=True)
"""


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte."""
    path = tmp_path / "small"
    path.mkdir()
    mount = shutil.which("mount")
    done = mount and subprocess.run(
        [mount, "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(path)], capture_output=True
    )
    if not done or done.returncode:
        pytest.skip("a small file system cannot be mounted here")
    yield path
    subprocess.run(["umount", str(path)], check=True)


@pytest.fixture
def make(request: pytest.FixtureRequest) -> Callable[..., PredictionLog]:
    def make(path: Path, **settings: Any) -> PredictionLog:
        log = PredictionLog(LogConfig(directory=str(path), **settings), "m", pause_s=0.02)
        request.addfinalizer(log.close)
        return log

    return make


def append(log: PredictionLog, batch: int) -> None:
    random = np.random.default_rng(batch)
    columns = {"x": np.arange(batch * ROWS, (batch + 1) * ROWS), "noise": random.normal(size=ROWS)}
    log.append(1, NOON + batch, columns, {"p": random.random(ROWS)}, ROWS)


def wait_for(state: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 30
    while not state():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


def read(path: Path) -> list[int]:
    return list(ds.dataset(path / "m", format="parquet").to_table(columns=["x"])["x"].to_pylist())


def test_full_disk(make: Callable[..., PredictionLog], small_disk: Path) -> None:
    """Rows are lost and counted, none is torn, and the log goes on when there is room."""
    log = make(small_disk, buffer_rows=100_000)
    (small_disk / "ballast").write_bytes(bytes(600_000))
    for batch in range(30):
        append(log, batch)
        log.flush()
    status = log.status()
    assert "No space left on device" in status.last_error
    assert status.waiting_rows + status.written_rows + status.dropped_rows == 30 * ROWS
    assert status.written_rows > 0
    assert status.waiting_rows > 0
    assert sorted(read(small_disk)) == list(range(status.written_rows))

    (small_disk / "ballast").unlink()
    for path in (small_disk / "m").glob("[0-9]*/*"):
        path.unlink()
    wait_for(lambda: log.flush() and not log.status().last_error, "a log that is written again")
    status = log.status()
    assert status.waiting_rows == 0
    assert status.written_rows + status.dropped_rows == 30 * ROWS
    assert not list((small_disk / "m" / "_aside").iterdir())


def test_a_disk_that_stays_full(make: Callable[..., PredictionLog], small_disk: Path) -> None:
    """Memory stays bounded, nothing waits, and closing ends."""
    (small_disk / "ballast").write_bytes(bytes(1_000_000))
    log = make(small_disk, buffer_rows=20_000)
    for batch in range(50):
        append(log, batch)
    assert not log.flush()
    status = log.status()
    assert (status.waiting_rows, status.dropped_rows) == (20_000, 30 * ROWS + 20_000)
    log.close()
    assert log.status().dropped_rows == 50 * ROWS
    assert log.status().waiting_rows == 0


@pytest.mark.parametrize("kind", ["file", "gone"])
def test_no_directory(make: Callable[..., PredictionLog], tmp_path: Path, kind: str) -> None:
    """A directory that cannot be made, or that is removed, costs no answer; later it is there again."""
    path = tmp_path / "log"
    log = make(path)
    if kind == "file":
        path.write_text("in the way")
        append(log, 0)
        assert not log.flush()
        assert log.status().last_error
        path.unlink()
    else:
        append(log, 0)
        assert log.flush()
        shutil.rmtree(path)
        append(log, 1)
    wait_for(log.flush, "the rows to be written")
    assert log.status().last_error == ""
    assert len(read(path)) == ROWS


def test_files_that_others_delete(make: Callable[..., PredictionLog], tmp_path: Path) -> None:
    log = make(tmp_path, keep_bytes=50_000)
    for batch in range(8):
        append(log, batch)
        assert log.flush()
        for path in list((tmp_path / "m").glob("[0-9]*"))[:1]:
            shutil.rmtree(path)
    assert log.status().dropped_rows == 0


def test_killed(tmp_path: Path) -> None:
    """Every file that is seen is whole, and the next process clears what was left aside."""
    for _ in range(5):
        with subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(tmp_path)], stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            for line in process.stdout:
                if int(line) > 20_000:
                    process.kill()
                    break
    files = list((tmp_path / "m").glob("[0-9]*/*.parquet"))
    assert files
    for path in files:
        values = pq.read_table(path, columns=["x"])["x"].to_numpy()
        assert np.array_equal(values.reshape(-1, 100)[:, :1] + np.arange(100), values.reshape(-1, 100))
        assert (np.diff(values) > 0).all()
    log = PredictionLog(LogConfig(directory=str(tmp_path)), "m")
    append(log, 0)
    assert log.flush()
    log.close()
    assert not list((tmp_path / "m" / "_aside").iterdir())


def test_large_texts_stay_bounded(make: Callable[..., PredictionLog], tmp_path: Path) -> None:
    """A megabyte in every cell, and in every id."""
    log = make(tmp_path)
    texts = np.array(["é" * 500_000, "a" * 1_000_000, None, "\udcff" * 1_000_000], object)
    for batch in range(20):
        ids = [f"{batch}" + "x" * 1_000_000 for _ in range(4)]
        log.append(1, NOON, {"s": texts, "t": texts}, {"p": np.zeros(4)}, 4, (ids, [1] * 4))
    assert log.flush()
    table = ds.dataset(tmp_path / "m").to_table()
    assert table.num_rows == 80
    assert max(len(text.encode()) for text in table["s"].to_pylist() if text) <= 4096
    assert max(len(id) for id in table["id"].to_pylist()) <= 256
    assert table["s"].null_count == 20
