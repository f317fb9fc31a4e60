"""Forests behind the native front: little requests are answered where they come in, and are watched."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import models
import numpy as np
import pyarrow as pa
import pyarrow.dataset
import pytest
import tritonclient.grpc as triton
from serving import ServerProcess, wait_until

import penstock

NAME = "trees"
FEATURES = 4


def rows_of(count: int, seed: int = 0) -> np.ndarray[Any, Any]:
    return np.random.default_rng(seed).normal(size=(count, FEATURES)).astype(np.float32)


def packed(repository: Path, folder: Path, version: int, **options: Any) -> None:
    trees = models.random_trees(np.random.default_rng(version), trees=20, leaves=20)
    graph = models.forest(folder / f"{version}.onnx", trees)
    rows = rows_of(5000)
    reference = {f"f{index}": rows[:, index] for index in range(FEATURES)}
    penstock.pack(NAME, graph, repository=repository, reference=reference, version=version, **options)


def infer(client: triton.InferenceServerClient, rows: np.ndarray[Any, Any], **options: Any) -> Any:
    given = triton.InferInput("x", list(rows.shape), "FP32")
    given.set_data_from_numpy(rows)
    return client.infer(NAME, [given], **options).as_numpy("scores")


def logged(folder: Path) -> pa.Table:
    """The rows of a prediction log."""
    return pyarrow.dataset.dataset(folder, format="parquet").to_table()


def metric(server: ServerProcess, name: str, **labels: str) -> float:
    """The sum of a metric over the series that have these labels."""
    total = 0.0
    for line in httpx.get(f"http://{server.http}/metrics").text.splitlines():
        match = re.fullmatch(r"(\w+)\{(.*)\} (\S+)", line)
        if (
            match
            and match[1] == name
            and all(f'{key}="{value}"' in match[2] for key, value in labels.items())
        ):
            total += float(match[3])
    return total


@pytest.fixture
def serve(repository: Path, server: Callable[..., ServerProcess]) -> Callable[..., ServerProcess]:
    def start(**monitor: Any) -> ServerProcess:
        return server(monitor={"interval_s": 0.05}, models={NAME: {"monitor": monitor}})

    return start


def test_little_requests_run_at_once_and_are_counted(
    repository: Path, tmp_path: Path, serve: Callable[..., ServerProcess], front: str
) -> None:
    packed(repository, tmp_path, 1)
    running = serve()
    with penstock.Engine(repository) as engine, triton.InferenceServerClient(running.grpc) as client:
        for count in [1] * 50 + [3, 8, 9, 300]:
            rows = rows_of(count, count)
            expected = engine.predict(NAME, rows)["scores"]
            assert infer(client, rows).tobytes() == expected.tobytes()
    total = 50 + 3 + 8 + 9 + 300
    wait_until(
        lambda: metric(running, "penstock_monitored_rows_total", model=NAME) == total,
        what="every row counted",
    )
    at_once = metric(running, "penstock_batch_limits_total", model=NAME, reason="at_once")
    assert at_once == (53 if front == "native" else 0)


def test_every_row_is_seen_over_swaps(
    repository: Path, tmp_path: Path, serve: Callable[..., ServerProcess]
) -> None:
    packed(repository, tmp_path, 1)
    folder = tmp_path / "log"
    running = serve(log={"directory": str(folder)})
    with triton.InferenceServerClient(running.grpc) as client:
        for version in (2, 3):
            for _ in range(40):
                infer(client, rows_of(1))
            packed(repository, tmp_path, version)
            client.load_model(NAME)
        infer(client, rows_of(2))
    assert running.stop() == 0
    versions = logged(folder)["version"].to_pylist()
    assert {version: versions.count(version) for version in (1, 2, 3)} == {1: 40, 2: 40, 3: 2}


def test_the_log_has_what_clients_call_their_requests(
    repository: Path, tmp_path: Path, serve: Callable[..., ServerProcess]
) -> None:
    packed(repository, tmp_path, 1)
    folder = tmp_path / "log"
    running = serve(log={"directory": str(folder)})
    with triton.InferenceServerClient(running.grpc) as client:
        for number in range(20):
            infer(client, rows_of(1, number), request_id=f"request-{number}")
    assert running.stop() == 0
    assert sorted(logged(folder)["id"].to_pylist()) == sorted(f"request-{number}" for number in range(20))


def test_a_rule_that_refuses_is_asked_first(
    repository: Path, tmp_path: Path, serve: Callable[..., ServerProcess]
) -> None:
    packed(repository, tmp_path, 1)
    running = serve(rules={"f0": {"min": -100.0, "refuse": True}})
    with triton.InferenceServerClient(running.grpc) as client:
        assert infer(client, rows_of(1)).shape == (1, 1)
        bad = rows_of(1)
        bad[0, 0] = -1000
        with pytest.raises(triton.InferenceServerException, match="f0"):
            infer(client, bad)
