"""Monitoring of a real server: counted as it answers, asked over gRPC, alarmed, merged between replicas."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import models
import numpy as np
import pyarrow.parquet as pq
import pytest
import tritonclient.grpc as triton
from serving import ServerProcess, wait_until

import penstock
from penstock.protos import message_class

Start = Callable[..., ServerProcess]
NAME = "affine"
COLUMNS = tuple(f"f{index}" for index in range(4))
SETTINGS = {
    "monitor": {"interval_s": 0.05},
    "models": {NAME: {"monitor": {"window_rows": 1000, "false_alarms_per_week": 1.0}}},
}


def rows_of(count: int, seed: int, shift: float = 0.0) -> np.ndarray[Any, Any]:
    rows = np.random.default_rng(seed).normal(size=(count, 4)).astype(np.float32)
    rows[:, 2] += shift
    return rows


@pytest.fixture
def packed(repository: Path, tmp_path: Path) -> Path:
    rows = rows_of(20_000, 0)
    reference = {name: rows[:, index] for index, name in enumerate(COLUMNS)}
    graph = models.affine(tmp_path / "affine.onnx")
    penstock.pack(NAME, graph, repository=repository, reference=reference)
    return repository


class Monitoring:
    """A client of ``penstock.v1.Monitoring``."""

    def __init__(self, address: str) -> None:
        self.channel = grpc.insecure_channel(address)

    def __getattr__(self, method: str) -> Callable[..., Any]:
        def call(**fields: Any) -> Any:
            request = message_class(f"{method}Request", "penstock.v1")(**fields)
            answer = message_class(f"{method}Response", "penstock.v1").FromString
            path = f"/penstock.v1.Monitoring/{method}"
            return self.channel.unary_unary(path, response_deserializer=answer)(
                request.SerializeToString(), timeout=20
            )

        return call

    def watch(self, **fields: Any) -> Any:
        request = message_class("WatchRequest", "penstock.v1")(**fields).SerializeToString()
        answer = message_class("WatchEvent", "penstock.v1").FromString
        path = "/penstock.v1.Monitoring/Watch"
        return self.channel.unary_stream(path, response_deserializer=answer)(request, timeout=60)


@pytest.fixture
def connect() -> Iterator[Callable[[ServerProcess], Monitoring]]:
    opened: list[Monitoring] = []

    def make(server: ServerProcess) -> Monitoring:
        opened.append(Monitoring(server.grpc))
        return opened[-1]

    yield make
    for one in opened:
        one.channel.close()


def send(server: ServerProcess, rows: np.ndarray[Any, Any], size: int = 100) -> None:
    with triton.InferenceServerClient(server.grpc) as client:
        for begin in range(0, len(rows), size):
            part = rows[begin : begin + size]
            tensor = triton.InferInput("x", part.shape, "FP32")
            tensor.set_data_from_numpy(part)
            client.infer(NAME, [tensor], request_id=f"r{begin}")


def counted(server: ServerProcess, rows: int) -> None:
    wait_until(
        lambda: server.metric("penstock_monitored_rows_total", model=NAME, version="1") == rows,
        what=f"{rows} counted rows",
    )


def test_report_watch_and_metrics(
    server: Start, packed: Path, connect: Callable[[ServerProcess], Monitoring]
) -> None:
    process = server(**SETTINGS)
    client = connect(process)
    with pytest.raises(grpc.RpcError) as early:
        client.Report(model=NAME)
    assert early.value.code() is grpc.StatusCode.UNAVAILABLE
    stream = client.watch(model=NAME, windows=True)
    events: list[Any] = []
    reader = threading.Thread(target=lambda: _collect(stream, events))
    reader.start()
    try:
        send(process, rows_of(1500, 1))
        counted(process, 1500)
        quiet = client.Report(model=NAME)
        assert (quiet.current_rows, quiet.reference_rows, quiet.version) == (1500, 20_000, 1)
        assert {feature.name for feature in quiet.features} == {*COLUMNS, "y[0]", "y[1]"}
        assert not any(feature.alarm for feature in quiet.features)
        assert not quiet.firing
        send(process, rows_of(3000, 2, shift=1.0))
        counted(process, 4500)
        wait_until(lambda: any(event.WhichOneof("event") == "alert" for event in events), what="an alert")
        # Less than 1000 rows may be left in the open window.
        wait_until(lambda: sum(event.window.rows for event in events) > 3500, what="the closed windows")
    finally:
        stream.cancel()
        reader.join()
    alerts = [event.alert for event in events if event.WhichOneof("event") == "alert"]
    assert {alert.id for alert in alerts} == {alerts[0].id}
    assert alerts[0].findings[0].subject == "f2"
    assert alerts[0].model == NAME
    moved = client.Report(model=NAME, windows=1)
    assert moved.features[0].alarm
    assert "f2" in {feature.name for feature in moved.features if feature.alarm}
    assert [alert.id for alert in moved.firing] == [alerts[0].id]
    labels = {"model": NAME, "version": "1", "feature": "f2", "statistic": "psi"}
    score = process.metric("penstock_drift_score", **labels)
    assert score > process.metric("penstock_drift_threshold", **labels) > 0
    assert process.metric("penstock_drift_state", **labels) == 1
    assert process.metric("penstock_drift_rows", **labels) >= 1000
    assert process.metric("penstock_alerts_total", model=NAME, kind="drift") == 1
    assert process.stop() == 0


def _collect(stream: Any, events: list[Any]) -> None:
    try:
        for event in stream:
            events.append(event)
    except grpc.RpcError:
        return


def test_a_snapshot_of_one_replica_is_merged_in_another(
    server: Start, packed: Path, connect: Callable[[ServerProcess], Monitoring]
) -> None:
    first, second = server(**SETTINGS), server(**SETTINGS)
    one, two = connect(first), connect(second)
    send(first, rows_of(700, 3))
    counted(first, 700)
    send(second, rows_of(200, 4))
    counted(second, 200)
    state = one.Snapshot(model=NAME)
    assert state.rows == 700
    assert two.Merge(state=state.state).merged
    assert not two.Merge(state=state.state).merged
    assert two.Report(model=NAME).current_rows == 900
    assert not one.Snapshot(model=NAME).state
    with pytest.raises(grpc.RpcError) as damaged:
        two.Merge(state=state.state[:-1])
    assert damaged.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert two.Report(model=NAME).current_rows == 900


def test_what_is_not_monitored_is_said(
    server: Start, repository: Path, connect: Callable[[ServerProcess], Monitoring]
) -> None:
    models.publish(repository, "bare", 1, models.affine)
    client = connect(server(**SETTINGS))
    for call in (
        lambda: client.Report(model="bare"),
        lambda: client.Report(model="none"),
        lambda: client.Snapshot(model="bare"),
        lambda: client.Feedback(model="bare", ids=["1"], labels=[1.0]),
        lambda: list(client.watch(model="bare")),
    ):
        with pytest.raises(grpc.RpcError) as refused:
            call()
        assert refused.value.code() is grpc.StatusCode.NOT_FOUND
        assert "--reference" in str(refused.value.details())


def test_a_watch_ends_when_the_server_drains(
    server: Start, packed: Path, connect: Callable[[ServerProcess], Monitoring]
) -> None:
    process = server(**SETTINGS)
    client = connect(process)
    stream = client.watch()
    events: list[Any] = []
    reader = threading.Thread(target=lambda: _collect(stream, events))
    reader.start()
    wait_until(lambda: client.Snapshot(model=NAME) is not None)
    assert process.stop() == 0
    reader.join(20)
    assert not reader.is_alive()


def test_labels_that_come_late(
    server: Start, repository: Path, tmp_path: Path, connect: Callable[[ServerProcess], Monitoring]
) -> None:
    rows = rows_of(4000, 7)
    scores = rows @ np.outer(np.arange(1, 5), [1, 2])
    reference = {name: rows[:, index] for index, name in enumerate(COLUMNS)} | {"y_true": scores[:, 1] + 0.5}
    graph = models.affine(tmp_path / "affine.onnx")
    penstock.pack(NAME, graph, repository=repository, reference=reference, label="y_true", prediction="y[1]")
    (tmp_path / "labels").mkdir()
    feedback = {"directory": str(tmp_path / "labels"), "slices": [], "groups": []}
    log = {"directory": str(tmp_path / "log"), "file_s": 0.5}
    process = server(
        monitor={"interval_s": 0.05, "directory": str(tmp_path / "kept")},
        models={NAME: {"monitor": {"feedback": feedback, "log": log}}},
    )
    client = connect(process)
    live = rows_of(300, 8)
    send(process, live)
    counted(process, 300)
    truth = (live @ np.outer(np.arange(1, 5), [1, 2]))[:, 1] + 0.5
    ids = [f"r{100 * (row // 100)}/{row % 100}" for row in range(300)]
    answer = client.Feedback(model=NAME, ids=[*ids[:150], "nobody"], labels=[*truth[:150].tolist(), 1.0])
    wait_until(
        lambda: process.metric("penstock_labels_total", model=NAME, result="joined") == 150,
        what="the labels over gRPC",
    )
    assert answer.joined + answer.waiting >= 150
    again = client.Feedback(model=NAME, ids=ids[:2], labels=[float(truth[0]), 99.0])
    assert (again.duplicate, again.contradictory) == (1, 1)
    lines = [f"{name},{value!r}" for name, value in zip(ids[150:], truth[150:].tolist(), strict=True)]
    aside = tmp_path / "labels.csv"
    aside.write_text("id,label\n" + "\n".join(lines) + "\n")
    aside.rename(tmp_path / "labels" / "day.csv")
    wait_until(
        lambda: process.metric("penstock_labels_total", model=NAME, result="joined") == 300,
        what="the labels of the file",
    )
    found = {(metric.kind, metric.name): metric for metric in client.Report(model=NAME).metrics}
    assert found["realised", "mae"].value == pytest.approx(0.5, abs=1e-4)
    assert found["realised", "mae"].rows == 300
    assert found["baseline", "mae"].value == pytest.approx(0.5, abs=1e-4)
    wait_until(
        lambda: process.metric("penstock_prediction_log_rows_total", model=NAME, result="written") == 300,
        what="the log",
    )
    logged = pq.read_table(tmp_path / "log" / NAME)
    assert sorted(logged["id"].to_pylist()) == sorted(ids)
    assert {*COLUMNS, "y[0]", "y[1]"} <= set(logged.column_names)
    with pytest.raises(grpc.RpcError) as refused:
        client.Feedback(model=NAME, ids=["a", "b"], labels=[1.0])
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert process.stop() == 0
