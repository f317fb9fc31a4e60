"""``penstock score`` as a shell runs it."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from scoring import FEATURES, expected, found, make_table, manifest, publish, read_output, write

TIMEOUT_S = 90
COLUMNS = f"x={','.join(FEATURES)}"


def penstock(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "penstock", "score", *map(str, arguments)]
    environment = os.environ | {"NO_COLOR": "1", "COLUMNS": "160"}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=TIMEOUT_S)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return publish(tmp_path / "models")


def test_scores_files_and_goes_on(tmp_path: Path, model: Path) -> None:
    tables = [make_table(1_000), make_table(500, 1_000)]
    write(tmp_path / "in" / "a.parquet", tables[0])
    write(tmp_path / "in" / "b.csv", tables[1])
    out = tmp_path / "out"
    arguments = [model, tmp_path / "in", "-o", out, "--keep", "id,x0", "--columns", COLUMNS]
    done = penstock(*arguments)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"scored 1,500 rows in 2 files: {out}" in done.stdout
    assert found(out) == expected(*tables)
    again = penstock(*arguments, "--json")
    report = json.loads(again.stdout)
    assert (again.returncode, report["rows"], report["rows_scored"]) == (0, 1_500, 0)


def test_outputs_options_and_version(tmp_path: Path, model: Path) -> None:
    path = write(tmp_path / "in.parquet", make_table(100))
    out = tmp_path / "out"
    done = penstock(
        model, path, "-o", out, "--columns", COLUMNS, "--output", "y[1]=score", "--output", "y[0]",
        "--compression", "snappy", "--batch-rows", 10, "--unit-rows", 50, "--threads", 1, "--version", 1,
        "--device", "cpu", "--no-digests",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert read_output(out).schema.names == ["score", "y[0]"]
    part = pq.ParquetFile(next(out.glob("part-*")))
    assert part.metadata.row_group(0).column(0).compression == "SNAPPY"
    assert manifest(out)["inputs"][0]["sha256"] is None


def test_bad_input(tmp_path: Path, model: Path) -> None:
    table = make_table(100)
    good = write(tmp_path / "good.parquet", table)
    bad = tmp_path / "bad.parquet"
    bad.write_bytes(good.read_bytes()[:500])
    arguments = [model, good, bad, "--columns", COLUMNS, "--keep", "id"]
    stopped = penstock(*arguments, "-o", tmp_path / "one")
    assert stopped.returncode == 1
    assert stopped.stderr.startswith(f"penstock: {bad}: ")
    skipped = penstock(*arguments, "-o", tmp_path / "two", "--on-error", "skip", "--json")
    assert skipped.returncode == 1
    assert [failure["input"] for failure in json.loads(skipped.stdout)["failed"]] == [str(bad)]
    assert found(tmp_path / "two") == expected(table)
    plain = penstock(*arguments, "-o", tmp_path / "two", "--on-error", "skip")
    assert f"failed: {bad}: " in plain.stderr
    assert "1 failed: the output is not complete" in plain.stderr


def test_wrong_calls_exit_2(tmp_path: Path, model: Path) -> None:
    path = write(tmp_path / "in.parquet", make_table(10))
    out = tmp_path / "out"
    assert penstock(model, path, "-o", out, "--columns", COLUMNS).returncode == 0
    write(path, make_table(11))
    for arguments, message in (
        ([model, path], "--out"),
        ([model, tmp_path / "no.parquet", "-o", out], "got nothing"),
        ([model, path, "-o", out, "--columns", "x"], "expected INPUT=COLUMN"),
        ([model, path, "-o", out, "--output", "z"], 'unknown output "z"'),
        ([model, path, "-o", out, "--on-error", "ignore"], "--on-error"),
        ([model, path, "-o", out, "--columns", COLUMNS], f"the input {path} changed"),
    ):
        done = penstock(*arguments)
        assert done.returncode == 2, done.stderr
        assert message in done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_progress_on_a_terminal(tmp_path: Path, model: Path) -> None:
    path = write(tmp_path / "in.parquet", make_table(300_000))
    command = [sys.executable, "-m", "penstock", "score", str(model), str(path), "-o", str(tmp_path / "out")]
    command += ["--columns", COLUMNS, "--batch-rows", "64"]
    terminal, side = pty.openpty()
    environment = os.environ | {"TERM": "xterm", "COLUMNS": "120"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=side, env=environment) as process:
        os.close(side)
        shown = b""
        with contextlib.suppress(OSError):  # the terminal is gone when the process is
            while piece := os.read(terminal, 65536):
                shown += piece
        assert process.wait(TIMEOUT_S) == 0
    os.close(terminal)
    assert b"of 300,000 rows" in shown
    assert b"rows/s" in shown
    assert b"left" in shown


def test_lines_in_a_log(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import typer.testing

    from penstock.cli import main, score

    path = write(tmp_path / "in.parquet", make_table(100_000))
    monkeypatch.setattr(score, "LOG_INTERVAL_S", 0.0)
    arguments = ["score", str(model), str(path), "-o", str(tmp_path / "out"), "--columns", COLUMNS]
    done = typer.testing.CliRunner().invoke(main.app, [*arguments, "--batch-rows", "64"])
    assert done.exit_code == 0
    assert " of 100,000 rows, " in done.stderr
