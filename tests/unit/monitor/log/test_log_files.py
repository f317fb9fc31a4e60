"""The prediction log as files: whole, rotated, bounded, readable by any tool."""

from __future__ import annotations

import fcntl
import os
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from penstock.config import LogConfig
from penstock.monitor.log import PredictionLog
from penstock.monitor.log.confidence import largest_probability

NOON = 1_700_000_000.0


def columns(rows: int, begin: int = 0) -> dict[str, Any]:
    return {
        "age": np.arange(begin, begin + rows, dtype=np.float32),
        "state": np.array([["MA", "NY"][row % 2] for row in range(rows)], object),
    }


def outputs(rows: int, sure: float = 0.9) -> dict[str, Any]:
    return {"label": np.ones(rows, np.int64), "p": np.tile(np.array([1 - sure, sure], np.float32), (rows, 1))}


def files(path: Path) -> list[Path]:
    return sorted(path.glob("*/[0-9]*/*.parquet"))


def read(path: Path, model: str = "m") -> Any:
    return ds.dataset(path / model, format="parquet").to_table().sort_by("age")


@pytest.fixture
def make(tmp_path: Path, request: pytest.FixtureRequest) -> Any:
    def make(**settings: Any) -> PredictionLog:
        model = settings.pop("model", "m")
        more = {name: settings.pop(name) for name in ("prediction", "names", "pause_s") if name in settings}
        log = PredictionLog(LogConfig(directory=str(tmp_path), **settings), model, **more)
        request.addfinalizer(log.close)
        return log

    return make


def test_rows_are_what_was_asked_and_answered(make: Any, tmp_path: Path) -> None:
    log = make()
    log.append(3, NOON, columns(3), outputs(3), 3, (["a", ""], [1, 2]))
    log.append(4, NOON + 1, columns(2, 3), outputs(2), 2)
    assert log.flush()
    table = read(tmp_path)
    assert table.column_names == [
        "id", "row", "model", "version", "time", "age", "state", "label", "p[0]", "p[1]",
    ]  # fmt: skip
    found = table.to_pydict()
    assert found["age"] == [0, 1, 2, 3, 4]
    assert found["state"] == ["MA", "NY", "MA", "MA", "NY"]
    assert found["version"] == [3, 3, 3, 4, 4]
    assert found["row"] == [0, 0, 1, 0, 1]
    assert found["model"] == ["m"] * 5
    assert [moment.timestamp() for moment in found["time"]] == [NOON] * 3 + [NOON + 1] * 2
    assert found["id"][0] == "a"
    assert len(set(found["id"])) == 5
    assert found["p[1]"] == [np.float32(0.9)] * 5
    roles = [(field.metadata or {}).get(b"penstock.role") for field in pq.read_schema(files(tmp_path)[0])]
    assert roles == [None] * 5 + [b"feature"] * 2 + [b"output"] * 3
    status = log.status()
    assert (status.written_rows, status.dropped_rows, status.waiting_rows) == (5, 0, 0)
    assert (status.files, status.size_bytes) == (1, files(tmp_path)[0].stat().st_size)
    assert status.last_error == ""
    assert files(tmp_path)[0].parent.name == "2023-11-14"


def test_made_ids_differ_between_processes(make: Any, tmp_path: Path) -> None:
    for _ in range(2):
        log = make()
        log.append(1, NOON, columns(1), outputs(1), 1, ([""], [1]))
        log.close()
    assert len(set(read(tmp_path).column("id").to_pylist())) == 2


def test_only_outputs(make: Any, tmp_path: Path) -> None:
    log = make(features=False)
    log.append(1, NOON, columns(2), outputs(2), 2)
    assert log.flush()
    table = ds.dataset(tmp_path / "m").to_table()
    assert table.column_names[5:] == ["label", "p[0]", "p[1]"]


def test_names_of_a_matrix(make: Any, tmp_path: Path) -> None:
    log = make(names={"x": ("age", "income")})
    log.append(1, NOON, {"x": np.array([[1.0, 2.0]])}, {}, 1)
    assert log.flush()
    assert read(tmp_path).to_pydict()["income"] == [2.0]


def test_files_are_closed_at_rows_and_seconds(make: Any, tmp_path: Path) -> None:
    log = make(file_rows=40_000, file_s=3600.0)
    for begin in range(0, 100_000, 1000):
        log.append(1, NOON + begin, columns(1000, begin), outputs(1000), 1000)
    assert log.flush()
    assert read(tmp_path).column("age").to_pylist() == list(range(100_000))
    # A file is closed by the chunk, of 33,000 rows here, that reaches its size.
    assert sorted(pq.ParquetFile(path).metadata.num_rows for path in files(tmp_path)) == [34_000, 66_000]


def test_files_are_closed_by_time_alone(make: Any, tmp_path: Path) -> None:
    log = make(file_s=0.05)
    log.append(1, NOON, columns(2), outputs(2), 2)
    wait_for(lambda: log.status().written_rows == 2)
    assert len(files(tmp_path)) == 1
    assert len(log._buffer._spare) == 1


def wait_for(state: Any) -> None:
    done = threading.Event()
    for _ in range(2000):
        if state():
            return
        done.wait(0.01)
    raise AssertionError("it did not come")


def test_the_oldest_files_go(make: Any, tmp_path: Path) -> None:
    log = make(keep_bytes=40_000, features=True)
    random = np.random.default_rng(0)
    for day in range(6):
        values = {"age": random.normal(size=2000)}
        log.append(1, NOON + 86_400 * day, values, {}, 2000)
        assert log.flush()
    left = files(tmp_path)
    status = log.status()
    assert 1 <= len(left) == status.files < 6
    assert sum(path.stat().st_size for path in left) == status.size_bytes <= 40_000
    assert left[-1].parent.name == "2023-11-19"
    assert len(list((tmp_path / "m").glob("[0-9]*"))) == len(left)  # no empty days
    assert status.written_rows == 12_000


def test_layouts_that_change(make: Any, tmp_path: Path) -> None:
    log = make()
    for begin in range(0, 60, 6):
        log.append(1, NOON, columns(2, begin), outputs(2), 2)
        log.append(2, NOON, columns(2, begin + 2) | {"more": np.zeros(2)}, outputs(2), 2)
        log.append(3, NOON, {"age": [begin + 4.0, begin + 5.0]}, outputs(2), 2)
    assert log.flush()
    assert len(files(tmp_path)) == 3
    assert read(tmp_path).column("age").to_pylist() == list(range(60))


def test_sampling_by_id(make: Any, tmp_path: Path) -> None:
    log = make(sample=0.25)
    ids = [f"r{index}" for index in range(4000)]
    log.append(1, NOON, columns(4000), outputs(4000), 4000, (ids, [1] * 4000))
    other = make(sample=0.25, model="other")
    for index in range(4000):
        other.append(1, NOON, columns(1, index), outputs(1), 1, ([ids[index]], [1]))
    assert log.flush()
    assert other.flush()
    found = read(tmp_path).column("id").to_pylist()
    assert 850 < len(found) < 1150
    assert found == read(tmp_path, "other").column("id").to_pylist()


def test_uncertain_rows_are_sampled_more(make: Any, tmp_path: Path) -> None:
    log = make(sample=0.0, sample_uncertain=1.0, uncertain_below=0.6)
    answers = outputs(4)
    answers["p"][1] = [0.5, 0.5]
    answers["p"][2] = [np.nan, np.nan]
    log.append(1, NOON, columns(4), answers, 4, (["a", "b"], [2, 2]))
    assert log.flush()
    assert read(tmp_path).column("id").to_pylist() == ["a/1", "b/0"]


def test_largest_probability() -> None:
    p = np.array([[0.25, 0.75], [0.5, 0.5]], np.float32)
    for found in (
        largest_probability({"label": np.array([1, 0]), "p": p}),
        largest_probability({"p": p, "q": 1 - p / 2}, "p[1]"),
        largest_probability({"p": p[:, :1]}),
        largest_probability({"p": p[:, 0]}),
    ):
        assert found is not None
        assert found.tolist() == [0.75, 0.5]
    assert largest_probability({"label": np.array([1, 0])}) is None


def test_nothing_to_log(make: Any, tmp_path: Path) -> None:
    log = make(sample=0.0)
    log.append(1, NOON, columns(2), outputs(2), 2)
    log.append(1, NOON, columns(0), outputs(0), 0)
    assert log.flush()
    assert not list(tmp_path.iterdir())


def test_a_full_buffer_drops_and_counts(make: Any, tmp_path: Path) -> None:
    log = make(buffer_rows=100)
    log.append(1, NOON, columns(60), outputs(60), 60)
    log.append(1, NOON, columns(60), outputs(60), 60)
    log.append(1, NOON, columns(40, 60), outputs(40), 40)
    assert (log.status().waiting_rows, log.status().dropped_rows) == (100, 60)
    assert log.flush()
    assert read(tmp_path).num_rows == 100


def test_what_cannot_be_copied_is_counted_and_told_once(
    make: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    log = make()
    for _ in range(3):
        log.append(1, NOON, columns(3), outputs(2), 2)
        log.append(1, NOON, columns(2), outputs(2), 2, (["a"], [1]))
    log.append(1, NOON, columns(2), outputs(2), 2)
    assert log.flush()
    assert log.status().dropped_rows == 12
    assert read(tmp_path).num_rows == 2
    assert [record.message for record in caplog.records] == ["rows of m could not be logged; serving goes on"]


def test_many_threads(make: Any, tmp_path: Path) -> None:
    log = make()

    def work(thread: int) -> None:
        for batch in range(50):
            begin = thread * 10_000 + batch * 100
            ids = [f"{begin + row}" for row in range(100)]
            log.append(1, NOON, columns(100, begin), outputs(100), 100, (ids, [1] * 100))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert log.flush()
    found = read(tmp_path)
    assert found.num_rows == 20_000
    assert found.column("id").to_pylist() == [str(int(age)) for age in found.column("age").to_pylist()]


def test_leftovers_of_the_dead_go_and_of_the_living_stay(make: Any, tmp_path: Path) -> None:
    aside = tmp_path / "m" / "_aside"
    aside.mkdir(parents=True)
    (aside / "dead-1.parquet").write_bytes(b"half")
    (aside / "live-1.parquet").write_bytes(b"half")
    (tmp_path / "m" / "notes.txt").write_text("of somebody else")
    with open(aside / "live-1.parquet") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        log = make()
        log.append(1, NOON, columns(2), outputs(2), 2)
        assert log.flush()
    assert [path.name for path in aside.iterdir()] == ["live-1.parquet"]
    assert (tmp_path / "m" / "notes.txt").exists()


def test_closing_writes_what_waits(make: Any, tmp_path: Path) -> None:
    log = make()
    log.follower(7).follow(columns(2), outputs(2), 2, None)
    log.close()
    log.close()
    log.append(1, NOON, columns(2), outputs(2), 2)
    assert log.flush()
    assert read(tmp_path).column("version").to_pylist() == [7, 7]
    assert not list((tmp_path / "m" / "_aside").iterdir())


def test_no_file_is_left_open(make: Any) -> None:
    log = make()
    before = len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").is_dir() else 0
    for _ in range(5):
        log.append(1, NOON, columns(2), outputs(2), 2)
        assert log.flush()
    if before:
        assert len(os.listdir("/proc/self/fd")) <= before
