"""Files of labels: each once, bad ones named and passed over."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import csv, ipc

from penstock.config import FeedbackConfig
from penstock.monitor.feedback import Feedback

NOON = 1_700_000_000.0


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    path = tmp_path / "labels"
    path.mkdir()
    return path


def make(directory: Path, rows: int = 10, state: Path | None = None) -> Feedback:
    feedback = Feedback(FeedbackConfig(directory=str(directory)), state=state)
    ids = [f"{row:03d}" for row in range(rows)]
    feedback.remember(1, NOON, {}, {"p": np.arange(rows)}, rows, (ids, [1] * rows))
    return feedback


def write(path: Path, table: pa.Table, age_s: float = 100.0) -> None:
    if path.suffix == ".csv":
        csv.write_csv(table, path)
    elif path.suffix == ".parquet":
        pq.write_table(table, path)
    else:
        opened = ipc.new_stream if path.suffix == ".arrows" else ipc.new_file
        with opened(path, table.schema) as writer:
            writer.write_table(table)
    os.utime(path, (NOON - age_s, NOON - age_s))


def labels(*rows: int, **more: Any) -> pa.Table:
    return pa.table({"label": [row % 2 for row in rows], "id": [f"{row:03d}" for row in rows]} | more)


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".arrow", ".arrows"])
def test_files_of_every_kind(directory: Path, suffix: str) -> None:
    feedback = make(directory)
    write(directory / f"a{suffix}", labels(1, 2, 3, other=["x", "y", "z"]))
    result = feedback.tick(NOON)
    assert result.joined["id"].to_pylist() == ["001", "002", "003"]
    assert result.joined["label"].to_pylist() == [1.0, 0.0, 1.0]
    assert feedback.tick(NOON).rows == 0
    assert feedback.status().problems == {}


@pytest.mark.parametrize(
    "times",
    [
        [NOON - 60.5, None],
        pa.array([int((NOON - 60.5) * 1000), None], pa.timestamp("ms")),
        pa.array([int((NOON - 60.5) * 1000), None], pa.timestamp("ms", tz="America/New_York")),
    ],
)
@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_times(directory: Path, times: Any, suffix: str) -> None:
    feedback = make(directory)
    write(directory / f"a{suffix}", labels(1, 2, time=times))
    found = feedback.tick(NOON).joined["label_time"].to_pylist()
    assert [moment.timestamp() for moment in found] == [NOON - 60.5, NOON]


def test_what_is_not_looked_at(directory: Path) -> None:
    feedback = make(directory)
    write(directory / ".hidden.csv", labels(1))
    write(directory / "_aside.csv", labels(2))
    (directory / "notes.txt").write_text("id,label\n003,1\n")
    (directory / "folder.csv").mkdir()
    write(directory / "young.csv", labels(4), age_s=1.0)
    assert feedback.tick(NOON).rows == 0
    assert feedback.tick(NOON + 2).joined["id"].to_pylist() == ["004"]
    assert feedback.status().problems == {}


def test_bad_files_are_named_and_tried_again_when_they_change(
    directory: Path, caplog: pytest.LogCaptureFixture
) -> None:
    feedback = make(directory)
    (directory / "torn.parquet").write_bytes(b"PAR1 this is no Parquet file")
    (directory / "other.csv").write_text("name,value\na,1\n")
    (directory / "empty.csv").write_text("")
    (directory / "nested.parquet").touch()
    pq.write_table(pa.table({"id": ["001"], "label": [[1]]}), directory / "nested.parquet")
    for path in directory.iterdir():
        os.utime(path, (NOON - 100, NOON - 100))
    write(directory / "good.csv", labels(5))
    assert feedback.tick(NOON).joined["id"].to_pylist() == ["005"]
    assert feedback.tick(NOON).rows == 0
    problems = feedback.status().problems
    assert {"torn.parquet", "other.csv", "empty.csv"} <= set(problems)
    assert problems["other.csv"] == 'expected columns "id" and "label", got name, value'
    assert len(caplog.records) == len(problems)
    write(directory / "other.csv", labels(6), age_s=50.0)
    assert feedback.tick(NOON).joined["id"].to_pylist() == ["006"]
    assert "other.csv" not in feedback.status().problems


def test_read_once_across_restarts(directory: Path, tmp_path: Path) -> None:
    state = tmp_path / "state" / "labels.json"
    write(directory / "a.csv", labels(1, 2))
    assert make(directory, state=state).tick(NOON).rows == 2
    write(directory / "b.csv", labels(3))
    again = make(directory, state=state)
    assert again.tick(NOON).joined["id"].to_pylist() == ["003"]
    (directory / "a.csv").unlink()
    assert again.tick(NOON).rows == 0
    assert "a.csv" not in state.read_text()
    state.write_text("not JSON")
    assert make(directory, state=state).tick(NOON).rows == 1
    assert [path.name for path in state.parent.iterdir()] == ["labels.json"]


def test_large_files_are_read_in_parts_and_go_on_after_a_restart(directory: Path, tmp_path: Path) -> None:
    rows = 400_000
    ids = pa.array([f"{row}" for row in range(rows)])
    write(directory / "a.parquet", pa.table({"id": ids, "label": np.ones(rows)}))
    state = tmp_path / "labels.json"
    feedback = Feedback(FeedbackConfig(directory=str(directory)), state=state)
    first = feedback.tick(NOON).waiting
    assert 262_144 <= first < rows
    after = Feedback(FeedbackConfig(directory=str(directory)), state=state)
    assert after.tick(NOON).waiting == rows - first
    assert after.tick(NOON).waiting == 0


def test_a_directory_that_is_not_there(tmp_path: Path) -> None:
    feedback = make(tmp_path / "later")
    assert feedback.tick(NOON).rows == 0
    (tmp_path / "later").mkdir()
    write(tmp_path / "later" / "a.csv", labels(1))
    assert feedback.tick(NOON).rows == 1


def test_a_state_that_cannot_be_written(directory: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    write(directory / "a.csv", labels(1))
    feedback = make(directory, state=tmp_path / "file" / "labels.json")
    assert feedback.tick(NOON).rows == 1
    assert feedback.tick(NOON).rows == 0
