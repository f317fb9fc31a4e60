"""Cost of a load run itself: its set-up and report, and a call against an empty echo, answers checked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from benchmarks.process import Server, python, running
from benchmarks.traffic import INFER
from penstock.load import run_load


@pytest.fixture(scope="module")
def echo() -> Iterator[Server]:
    with running(python("-m", "benchmarks.servers.echo_aio")) as server:
        yield server


def bench_run_of_one_request(benchmark: Any, echo: Server) -> None:
    report = benchmark(run_load, echo.grpc, INFER, [b"x"], requests=1, expected=[b"x"])
    assert report.ok == 1


def bench_run_of_a_thousand_requests(benchmark: Any, echo: Server) -> None:
    bodies = [bytes([number]) * 160 for number in range(256)]
    report = benchmark(
        run_load, echo.grpc, INFER, bodies, connections=4, streams=16, requests=1_000, expected=bodies
    )
    assert report.ok == 1_000
