"""An engine that is monitored: every answered row is counted once, whatever form it came in."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from types import MappingProxyType
from typing import Any

import models
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pytest
from serving import wait_until
from sklearn.compose import ColumnTransformer
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import penstock
from penstock.config import Config, parse_config
from penstock.errors import SignatureError

MATRIX = (
    np.random.default_rng(0).normal(size=(4000, 4)).astype(np.float32) + np.arange(4, dtype=np.float32) * 100
)
NAMES = tuple(f"f{index}" for index in range(4))


def config(repository: Path, model: str, interval_s: float = 3600.0, **monitor: Any) -> Config:
    directory = str(repository.parent / "monitor")
    return parse_config(
        {
            "server": {"repository": str(repository)},
            "monitor": {"interval_s": interval_s, "directory": directory},
            "models": {model: {"monitor": monitor}},
        }
    )


@pytest.fixture
def affine(repository: Path) -> Path:
    reference = {name: MATRIX[:, index] for index, name in enumerate(NAMES)}
    penstock.pack(
        "affine", models.affine(repository.parent / "a.onnx"), repository=repository, reference=reference
    )
    return repository


FRAME = pd.DataFrame(
    {"age": MATRIX[:, 0] + 40, "region": np.where(MATRIX[:, 1] > 100, "north", "süd").astype(object)}
)


@pytest.fixture
def people(repository: Path) -> Path:
    steps = [
        ("age", StandardScaler(), ["age"]),
        ("region", OneHotEncoder(handle_unknown="ignore"), ["region"]),
    ]
    transform = penstock.Transform.from_sklearn(ColumnTransformer(steps).fit(FRAME))
    graph = models.identity(repository.parent / "f.onnx", shape=("rows", transform.width))
    # The columns of the reference are in another order than those of the model.
    reference = pa.Table.from_pandas(FRAME[["region", "age"]])
    penstock.pack("people", graph, repository=repository, transform=transform, reference=reference)
    return repository


MATRIX_FORMS: dict[str, Any] = {
    "array": lambda x: x,
    "dict": lambda x: {"x": x},
    "fortran": lambda x: {"x": np.asfortranarray(x)},
    "strided": lambda x: np.repeat(x, 2, axis=0)[::2],
    "big endian": lambda x: x.astype(">f4"),
    "list": lambda x: {"x": x.tolist()},
    "mapping": lambda x: MappingProxyType({"x": x}),
    "batch": lambda x: pa.record_batch({name: x[:, i] for i, name in enumerate(NAMES)}),
    "other names": lambda x: pa.table({f"g{i}": x[:, i] for i in range(4)}),
    "fixed lists": lambda x: pa.table({"x": pa.FixedSizeListArray.from_arrays(pa.array(x.reshape(-1)), 4)}),
    "chunks": lambda x: pa.concat_tables(
        [pa.table({name: part[:, i] for i, name in enumerate(NAMES)}) for part in (x[:3], x[3:])]
    ),
}


@pytest.mark.parametrize("form", MATRIX_FORMS)
def test_a_matrix_in_every_form_is_counted(affine: Path, form: str) -> None:
    with penstock.Engine(affine, config=config(affine, "affine")) as engine:
        x = MATRIX[:10]
        answer = engine.predict("affine", MATRIX_FORMS[form](x))
        engine.submit("affine", MATRIX_FORMS[form](x)).result(20)
        monitor = engine.monitor("affine")
        wait_until(lambda: not monitor._tracks[0].observer.busy)
        found = monitor.snapshot()
        assert found is not None
        profile = found.window.profile
        assert monitor.status().failures == {}
        assert profile.rows == 20
        assert [profile[name].mean for name in NAMES] == pytest.approx(x.mean(axis=0).tolist(), rel=1e-5)
        assert profile["y[1]"].mean == pytest.approx(float(answer["y"][:, 1].mean()), rel=1e-5)


FRAME_FORMS: dict[str, Any] = {
    "frame": lambda frame: frame,
    "reordered frame": lambda frame: frame[["region", "age"]].assign(more=1),
    "sliced frame": lambda frame: frame.iloc[::-1],
    "dict": lambda frame: {name: frame[name].to_numpy() for name in frame},
    "lists": lambda frame: {name: frame[name].tolist() for name in frame},
    "table": lambda frame: pa.Table.from_pandas(frame),
    "batch": lambda frame: pa.RecordBatch.from_pandas(frame),
    "dictionary": lambda frame: pa.table(
        {"age": frame["age"], "region": pa.array(frame["region"]).dictionary_encode()}
    ),
    "matrix": lambda frame: frame.to_numpy(dtype=object),
    "reader": lambda frame: pa.Table.from_pandas(frame).to_reader(max_chunksize=3),
}


@pytest.mark.parametrize("form", FRAME_FORMS)
@pytest.mark.parametrize("rule", [False, True])
def test_a_frame_in_every_form_is_counted(people: Path, form: str, rule: bool) -> None:
    rules = {"age": {"max": 1000, "refuse": True}} if rule else {}
    settings = config(
        people, "people", rules=rules, log={"directory": str(people.parent / "log")}, feedback={}
    )
    with penstock.Engine(people, config=settings) as engine:
        frame = FRAME[:10]
        try:
            engine.predict("people", FRAME_FORMS[form](frame), ids=[f"r{i}" for i in range(10)])
        except SignatureError:
            assert form in ("matrix",)
            return
        monitor = engine.monitor("people")
        found = monitor.snapshot()
        assert found is not None
        profile = found.window.profile
        assert monitor.status().failures == {}
        assert profile.rows == 10
        assert profile["age"].mean == pytest.approx(frame["age"].mean(), rel=1e-5)
        assert profile["region"].unseen == profile["region"].missing == 0
        written, labels = monitor.log_status(), monitor.feedback_status()
        assert written is not None
        assert labels is not None
        assert (written.dropped_rows, written.last_error, labels.dropped_rows) == (0, "", 0)
        assert (written.waiting_rows + written.written_rows, labels.rows) == (10, 10)


def test_numbers_of_a_transform_as_a_matrix_are_counted_by_position(repository: Path) -> None:
    frame = pd.DataFrame({"small": MATRIX[:, 0], "large": MATRIX[:, 3]})
    fitted = ColumnTransformer([("all", StandardScaler(), ["small", "large"])]).fit(frame)
    transform = penstock.Transform.from_sklearn(fitted)
    graph = models.identity(repository.parent / "f.onnx", shape=("rows", transform.width))
    reference = pa.Table.from_pandas(frame[["large", "small"]])
    penstock.pack("two", graph, repository=repository, transform=transform, reference=reference)
    with penstock.Engine(repository, config=config(repository, "two")) as engine:
        engine.predict("two", frame[:50].to_numpy())
        found = engine.monitor("two").snapshot()
        assert found is not None
        assert found.window.profile["large"].mean == pytest.approx(frame["large"][:50].mean(), rel=1e-5)
        assert found.window.profile["small"].mean == pytest.approx(frame["small"][:50].mean(), rel=1e-4)


def test_text_and_bytes_without_a_transform(repository: Path) -> None:
    graph = models.several(repository.parent / "s.onnx")
    pairs = pa.FixedSizeListArray.from_arrays(pa.array(MATRIX[:, :2].reshape(-1)), 2)
    reference = pa.table({"a": pairs, "b": np.arange(4000), "s": ["x", "y"] * 2000})
    penstock.pack("several", graph, repository=repository, reference=reference)
    with penstock.Engine(repository, config=config(repository, "several")) as engine:
        for texts in (np.array([["x"], [b"y"], [""]], object), ["x", b"y", "q"], np.array(["x", "y", "xy"])):
            engine.predict("several", {"a": MATRIX[:3, :2], "b": np.arange(3), "s": texts})
            engine.submit("several", {"a": MATRIX[:3, :2], "b": np.arange(3), "s": texts}).result(20)
        monitor = engine.monitor("several")
        wait_until(lambda: not monitor._tracks[0].observer.busy)
        found = monitor.snapshot()
        assert found is not None
        assert monitor.status().failures == {}
        profile = found.window.profile
        assert (profile.rows, profile["s"].unseen) == (18, 6)


def test_ids_that_are_not_as_many_as_rows_are_refused(affine: Path) -> None:
    with penstock.Engine(affine, config=config(affine, "affine", feedback={})) as engine:
        with pytest.raises(SignatureError, match="ids: expected 10, as there are rows, got 2"):
            engine.predict("affine", MATRIX[:10], ids=["a", "b"])
        assert engine.monitor("affine").snapshot() is None


def test_an_orderly_stop_in_mid_window_loses_nothing_and_the_window_goes_on(affine: Path) -> None:
    for number in range(3):
        with penstock.Engine(affine, config=config(affine, "affine", window_s=86400.0)) as engine:
            engine.predict("affine", MATRIX[:100])
            monitor = engine.monitor("affine")
        engine.close()
        assert monitor.windows() == []
        assert monitor.status().failures == {}
        with penstock.Engine(affine, config=config(affine, "affine", window_s=86400.0)) as engine:
            current = engine.monitor("affine").current()
            assert current is not None
            assert current.rows == 100 * (number + 1)


def test_other_settings_after_a_restart(affine: Path) -> None:
    with penstock.Engine(affine, config=config(affine, "affine", window_rows=10_000, watch=False)) as engine:
        engine.predict("affine", MATRIX[:100])
    changed: list[dict[str, Any]] = [
        {"window_s": 60.0, "compare": ["previous", "hour"]},
        {"false_alarms_per_week": 0.1, "reservoir_rows": 100, "thresholds": {"psi": 0.2}},
        {"enabled": False},
        {"window_rows": 50, "alarm_windows": 3, "of_windows": 4},
    ]
    for settings in changed:
        with penstock.Engine(affine, config=config(affine, "affine", 0.01, **settings)) as engine:
            engine.predict("affine", MATRIX[:100])
            assert all(one.status().failures == {} for one in engine.monitors().values())
    table = ds.dataset(affine.parent / "monitor" / "affine" / "profile_metrics").to_table()
    rows = table.filter(ds.field("column_name") == "f0")["num_rows"].to_pylist()
    with penstock.Engine(affine, config=config(affine, "affine", window_s=86400.0)) as engine:
        current = engine.monitor("affine").current()
        assert sum(rows) + (0 if current is None else current.rows) == 400


@pytest.fixture
def two(affine: Path) -> Path:
    reference = {name: MATRIX[:, index] for index, name in enumerate(NAMES)}
    graph = models.affine(affine.parent / "b.onnx", bias=1.0)
    penstock.pack("affine", graph, repository=affine, reference=reference)
    return affine


def test_swaps_and_reloads_under_callers_count_every_answered_row_once(two: Path) -> None:
    settings = config(two, "affine", 0.005, keep_windows=10_000)
    answered = [0] * 3
    over = threading.Event()
    problems: list[BaseException] = []

    def call(number: int, engine: penstock.Engine) -> None:
        try:
            while not over.is_set():
                if number:
                    engine.predict("affine", MATRIX[:7])
                else:
                    engine.submit("affine", MATRIX[:7]).result(20)
                answered[number] += 7
        except BaseException as error:
            problems.append(error)

    with penstock.Engine(two, config=settings) as engine:
        threads = [threading.Thread(target=call, args=(number, engine)) for number in range(3)]
        for thread in threads:
            thread.start()
        for number in range(60):
            engine.load("affine", 1 + number % 2 if number % 5 else None)
        over.set()
        for thread in threads:
            thread.join()
        assert not problems
        monitor = engine.monitor("affine")

        def counted() -> int:
            opened = [track.windows.open for track in monitor._tracks]
            return sum(one.window.rows for one in monitor.windows()) + sum(one.rows for one in opened if one)

        wait_until(lambda: counted() >= sum(answered), what="all rows")
        assert counted() == sum(answered)
        assert monitor.status().failures == {}


def test_extra_versions_unload_and_load_again(two: Path) -> None:
    base = config(two, "affine", 0.01, window_s=86400.0)
    found = parse_config(
        {
            "server": {"repository": str(two)},
            "monitor": {"interval_s": 0.01, "directory": base.monitor.directory},
            "models": {"affine": {"extra_versions": [1], "monitor": {"window_s": 86400.0}}},
        }
    )
    with penstock.Engine(two, config=found) as engine:
        for version in (1, 2, None):
            engine.predict("affine", MATRIX[:10], version=version)
        monitor = engine.monitor("affine")
        wait_until(lambda: monitor.status().rows == {1: 10, 2: 20})
        assert monitor.status().version == 2
        engine.load("affine", 1)
        engine.predict("affine", MATRIX[:10])
        engine.load("affine", 2)
        wait_until(lambda: sum(one.window.rows for one in monitor.windows()) == 40 - _open_rows(monitor))
        engine.unload("affine")
        wait_until(lambda: monitor.status().rows == {})
        engine.load("affine")
        engine.predict("affine", MATRIX[:10])
        wait_until(lambda: sum(monitor.status().rows.values()) == 10)
        assert sum(one.window.rows for one in monitor.windows()) == 40
        assert monitor.status().failures == {}


def _open_rows(monitor: Any) -> int:
    return sum(window.rows for version in (1, 2) if (window := monitor.current(version)))


@pytest.fixture
def learning(repository: Path) -> Iterator[penstock.Engine]:
    models.publish(repository, "affine", 1, models.affine)
    settings = config(
        repository, "affine", 0.01, baseline_rows=500, log={"directory": str(repository.parent / "log")}
    )
    with penstock.Engine(repository, config=settings) as engine:
        yield engine


def test_a_baseline_of_live_rows_under_threads(learning: penstock.Engine) -> None:
    def call() -> None:
        for begin in range(0, 2000, 20):
            learning.predict("affine", MATRIX[begin : begin + 20])

    threads = [threading.Thread(target=call) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    monitor = learning.monitor("affine")
    wait_until(lambda: monitor.status().baseline_rows >= 500)
    before = monitor.status().rows.get(1, 0)
    learning.predict("affine", MATRIX[:100])
    wait_until(lambda: monitor.status().rows[1] >= before + 100)
    status = monitor.status()
    assert (status.failures, status.learning_rows) == ({}, 0)
    assert status.baseline_rows < 600


@pytest.fixture
def trees(repository: Path) -> Path:
    reference = {name: MATRIX[:, index] for index, name in enumerate(NAMES)}
    graph = models.forest(
        repository.parent / "t.onnx", models.random_trees(np.random.default_rng(1), leaves=20)
    )
    penstock.pack("trees", graph, repository=repository, reference=reference)
    return repository


def submitted(engine: penstock.Engine, name: str, rows: np.ndarray[Any, Any], sizes: list[int]) -> None:
    """Send rows through the queue, in requests of these sizes, and wait for all answers."""
    cuts = np.cumsum(sizes)[:-1]
    futures = [engine.submit(name, part) for part in np.split(rows[: sum(sizes)], cuts)]
    for future in futures:
        future.result(60)


def test_what_is_answered_without_python_is_counted_as_python_counts(trees: Path) -> None:
    sizes = [1] * 40 + [7, 64, 300, 2, 1100]
    rows = MATRIX[: sum(sizes)].copy()
    rows[::50, 0] = np.nan
    rows[::70, 1] = np.inf
    rows[5, 2] = 1e30
    with penstock.Engine(trees, config=config(trees, "trees")) as engine:
        submitted(engine, "trees", rows, sizes)
        wait_until(
            lambda: engine.monitor("trees").tick(0.0) or _rows(engine, "trees") == sum(sizes),
            what="all counted",
        )
        native = engine.monitor("trees").current().profile
    # A follower takes all batches to Python.
    log = {"directory": str(trees.parent / "log")}
    with penstock.Engine(trees, config=config(trees, "trees", log=log, window_s=7200.0)) as engine:
        engine.predict("trees", rows)
        engine.monitor("trees").tick(0.0)
        wanted = engine.monitor("trees").current().profile
    for name in (*NAMES, "scores"):
        got, expected = native[name], wanted[name]
        for field in ("rows", "missing", "infinite", "below", "above", "minimum", "maximum", "registers"):
            assert getattr(got, field) == getattr(expected, field), (name, field)
        assert np.array_equal(got.histogram, expected.histogram)
        assert got.mean == pytest.approx(expected.mean)
        assert got.m2 == pytest.approx(expected.m2)


def _rows(engine: penstock.Engine, model: str) -> int:
    current = engine.monitor(model).current()
    return 0 if current is None else current.rows


def test_a_full_window_of_answers_without_python_is_told(trees: Path) -> None:
    # Nobody looks for an hour, but for being told.
    with penstock.Engine(trees, config=config(trees, "trees", window_rows=500)) as engine:
        closed: list[Any] = []
        engine.monitoring.subscribe(lambda event: closed.append(event[1]))
        submitted(engine, "trees", MATRIX, [10] * 49)
        assert not closed
        submitted(engine, "trees", MATRIX, [10])
        wait_until(lambda: len(closed) >= 1, what="the window to close")
        assert closed[0].window.rows == 500
