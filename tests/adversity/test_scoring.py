"""Batch scoring where processes are killed, disks are full and directories cannot be written to."""

from __future__ import annotations

import json
import os
import random
import resource
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from scoring import FEATURES, expected, found, make_table, manifest, publish, write

import penstock as ps
from penstock.errors import ConfigError, OutputError

PROGRAM = """
import json, sys
import penstock as ps
from penstock.errors import PenstockError
options = json.loads(sys.argv[1])
told = []
def tell(progress):
    if progress.rows and not told:
        told.append(1)
        print("under way", flush=True)
print("ready", flush=True)
try:
    report = ps.score(progress=tell, **options)
except PenstockError as error:
    print(f"{type(error).__name__}: {error}", file=sys.stderr)
    sys.exit(1)
"""
TIMEOUT_S = 60
OPTIONS: dict[str, Any] = {
    "columns": {"x": FEATURES},
    "keep": ["id"],
    "batch_rows": 32,
    "unit_rows": 2048,
    "threads": 2,
}


def start(**options: Any) -> subprocess.Popen[str]:
    options = {name: str(value) if isinstance(value, Path) else value for name, value in options.items()}
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, json.dumps(options)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def wait_for(process: subprocess.Popen[str], line: str) -> bool:
    """Wait until a process has printed a line; False when it ended before."""
    assert process.stdout is not None
    while select.select([process.stdout], [], [], TIMEOUT_S)[0]:
        printed = process.stdout.readline()
        if not printed or printed.strip() == line:
            return bool(printed)
    raise AssertionError(f"{line!r} did not come")


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


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_killed_at_twenty_moments_and_started_again(tmp_path: Path) -> None:
    model = publish(tmp_path / "models")
    table = make_table(100_000)
    write(tmp_path / "in" / "a.parquet", table.slice(0, 60_000), row_group=1500)
    write(tmp_path / "in" / "b.arrows", table.slice(60_000, 20_000))
    write(tmp_path / "in" / "c.csv", table.slice(80_000))
    whole, out = expected(table), tmp_path / "out"
    dice = random.Random(11)
    killed = finished = 0
    while killed < 20:
        process = start(model=model, inputs=tmp_path / "in", out=out, **OPTIONS)
        with process:
            # Some die while they start or clean up, most while they score.
            alive = wait_for(process, "ready" if dice.random() < 0.2 else "under way")
            time.sleep(dice.random() ** 2 * 0.5)
            process.kill()
            code = process.wait(TIMEOUT_S)
        if code == 0:
            finished += 1
            assert found(out) == whole
            shutil.rmtree(out)
            continue
        assert code == -signal.SIGKILL, process.stderr
        assert alive
        killed += 1
        assert not (out / "_SUCCESS").exists() or found(out) == whole
        for part in out.glob("part-*"):
            assert part.stat().st_size
    ps.score(model, tmp_path / "in", out, **OPTIONS)
    assert found(out) == whole
    assert (out / "_SUCCESS").exists()
    told = manifest(out)
    assert {unit["file"] for unit in told["units"]} == {part.name for part in out.glob("part-*")}
    assert told["rows"] == 100_000
    assert not list((out / "_run").glob("aside/*"))


def test_every_file_that_is_seen_is_whole(tmp_path: Path) -> None:
    """What a run has written so far can be read at any moment."""
    import pyarrow.parquet as pq

    model = publish(tmp_path / "models")
    write(tmp_path / "in.parquet", make_table(60_000), row_group=1500)
    out = tmp_path / "out"
    with start(model=model, inputs=str(tmp_path / "in.parquet"), out=out, **OPTIONS) as process:
        wait_for(process, "under way")
        seen: set[str] = set()
        while process.poll() is None:
            for part in out.glob("part-*"):
                if part.name not in seen:
                    assert pq.ParquetFile(part).metadata.num_rows
                    seen.add(part.name)
    assert process.returncode == 0
    assert found(out) == expected(make_table(60_000))


def test_full_disk(small_disk: Path, tmp_path: Path) -> None:
    model = publish(tmp_path / "models")
    table = make_table(120_000)
    path = write(tmp_path / "in.parquet", table, row_group=4000)
    options = OPTIONS | {
        "batch_rows": 1000,
        "unit_rows": 4000,
        "keep": ["id", "x0", "when"],
        "compression": "none",
    }
    out = small_disk / "out"
    with pytest.raises(OutputError, match="No space left on device; free space and run it again"):
        ps.score(model, path, out, **options)
    assert not (out / "_SUCCESS").exists()
    parts = list(out.glob("part-*"))
    assert parts
    assert sum(found(out).values()) == 4_000 * len(parts)
    subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
    report = ps.score(model, path, out, **options)
    assert report.units_scored == 30 - len(parts)
    assert found(out) == expected(table)


def test_file_size_limit(tmp_path: Path) -> None:
    """As a quota does: writing fails half-way through a file."""
    model = publish(tmp_path / "models")
    table = make_table(50_000)
    path = write(tmp_path / "in.parquet", table)
    program = (
        f"import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (100_000, {resource.RLIM_INFINITY}))\n"
    )
    options = OPTIONS | {"unit_rows": 2**20, "batch_rows": 1000, "compression": "none"}
    arguments = {"model": str(model), "inputs": str(path), "out": str(tmp_path / "out"), **options}
    done = subprocess.run(
        [sys.executable, "-c", program + PROGRAM, json.dumps(arguments)],
        capture_output=True, text=True, timeout=TIMEOUT_S,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert "OutputError" in done.stderr
    assert "File too large" in done.stderr
    assert not list((tmp_path / "out").glob("part-*"))
    assert not list((tmp_path / "out" / "_run").glob("aside/*"))
    ps.score(**arguments)
    assert found(tmp_path / "out") == expected(table)


def test_read_only_output(small_disk: Path, tmp_path: Path) -> None:
    model = publish(tmp_path / "models")
    path = write(tmp_path / "in.parquet", make_table(10))
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(OutputError, match="Read-only file system; write to another directory"):
        ps.score(model, path, small_disk / "out", **OPTIONS)


def test_output_without_permission(tmp_path: Path) -> None:
    model = publish(tmp_path / "models")
    path = write(tmp_path / "in.parquet", make_table(10))
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)
    if os.access(closed, os.W_OK):
        pytest.skip("this user may write everywhere")
    with pytest.raises(OutputError, match="Permission denied"):
        ps.score(model, path, closed / "out", **OPTIONS)


def test_output_that_is_a_file(tmp_path: Path) -> None:
    model = publish(tmp_path / "models")
    path = write(tmp_path / "in.parquet", make_table(10))
    (tmp_path / "out").write_text("mine")
    with pytest.raises(ConfigError, match="expected a directory to write to"):
        ps.score(model, path, tmp_path / "out", **OPTIONS)


def test_interrupted(tmp_path: Path) -> None:
    """Ctrl-C ends a run in order; the next goes on."""
    model = publish(tmp_path / "models")
    table = make_table(60_000)
    path = write(tmp_path / "in.parquet", table, row_group=1500)
    out = tmp_path / "out"
    with start(model=model, inputs=path, out=out, **OPTIONS) as process:
        assert wait_for(process, "under way")
        process.send_signal(signal.SIGINT)
        assert process.wait(TIMEOUT_S) in (-signal.SIGINT, 1, 0)
    assert not list((out / "_run").glob("aside/*"))
    ps.score(model, path, out, **OPTIONS)
    assert found(out) == expected(table)
