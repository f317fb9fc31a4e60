"""Resident memory: over hot swaps under load, over millions of requests, and of idle connections.

``python -m benchmarks.bench_memory [--quick] [--swaps N] [--requests N] [--connections N]``. A part passes
when memory after the warm-up tenth and at the end differ by at most 3 %, or when the server with all its
idle connections stays under 200 MB.
"""

from __future__ import annotations

import argparse
import contextlib
import resource
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import grpc
from rich.console import Console
from rich.table import Table

from benchmarks.contenders import penstock
from benchmarks.machine import describe_machine
from benchmarks.model import NAME, make_model, make_repository, make_rows
from benchmarks.process import Server, StartError, running
from benchmarks.traffic import INFER, expect_answers, make_requests
from penstock.load import LoadReport, run_load
from penstock.protos import message_class

LOAD = "/inference.GRPCInferenceService/RepositoryModelLoad"
FLAT = 0.03
REST_S = 3.0
IDLE_MB = 200.0
WARM_SHARE = 0.1
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0"


@dataclass(frozen=True, slots=True)
class Result:
    """One part: resident megabytes after warm-up, at most, and at the end."""

    part: str
    warm_mb: float
    most_mb: float
    end_mb: float
    failed: int
    note: str
    passed: bool


class MemoryWatch:
    """Samples the resident memory of a server in a thread while the block runs."""

    def __init__(self, server: Server, interval_s: float = 0.2) -> None:
        self._server, self._interval_s = server, interval_s
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self.most_bytes = 0

    def _watch(self) -> None:
        while not self._over.wait(self._interval_s):
            self.most_bytes = max(self.most_bytes, self._server.resident_bytes())

    def __enter__(self) -> MemoryWatch:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._over.set()
        self._thread.join()


def _flat(part: str, warm: int, most: int, end: int, failed: int, note: str) -> Result:
    change = (end - warm) / warm
    text = f"{note}; {change:+.1%}"
    return Result(
        part, warm / 1e6, max(most, end) / 1e6, end / 1e6, failed, text, abs(change) <= FLAT and not failed
    )


def measure_requests(server: Server, count: int) -> Result:
    """Load with distinct rows at 16×32; every answer is checked."""
    traffic = expect_answers(server.grpc, make_model(), 4096)

    def load(requests: int) -> LoadReport:
        return run_load(
            server.grpc,
            INFER,
            traffic.bodies,
            expected=traffic.expected,
            connections=16,
            streams=32,
            requests=requests,
        )

    warm_up = load(max(1, int(count * WARM_SHARE)))
    warm = server.resident_bytes()
    with MemoryWatch(server) as watch:
        report = load(count)
    note = f"{report.throughput:,.0f} requests/s"
    failed = warm_up.failed + report.failed
    return _flat(f"{count:,} requests", warm, watch.most_bytes, server.resident_bytes(), failed, note)


def measure_swaps(server: Server, count: int) -> Result:
    """Swap between two versions by call, while a steady load of 500 requests/s runs."""
    bodies = make_requests(make_rows(1024))
    request_class = message_class("RepositoryModelLoadRequest")
    stop = threading.Event()

    def load() -> tuple[int, int]:
        failed = sent = 0
        while not stop.is_set():
            report = run_load(server.grpc, INFER, bodies, connections=4, streams=8, rate_per_s=500, seconds=2)
            failed, sent = failed + report.failed, sent + report.requests
        return failed, sent

    with (
        ThreadPoolExecutor(1) as pool,
        grpc.insecure_channel(server.grpc) as channel,
        MemoryWatch(server) as watch,
    ):
        call = channel.unary_unary(LOAD)
        loading = pool.submit(load)
        warm, started_s = 0, time.monotonic()
        try:
            for swap in range(count):
                request = request_class(model_name=NAME)
                request.parameters["version"].int64_param = 1 + swap % 2
                call(request.SerializeToString(), timeout=60)
                if swap == int(count * WARM_SHARE):
                    warm = server.resident_bytes()
        finally:
            stop.set()
        elapsed_s = time.monotonic() - started_s
        failed, sent = loading.result()
    note = f"{sent:,} requests meanwhile; {1e3 * elapsed_s / count:.0f} ms a swap"
    return _flat(f"{count:,} hot swaps", warm, watch.most_bytes, server.resident_bytes(), failed, note)


@contextlib.contextmanager
def idle_connections(address: str, count: int) -> Iterator[list[socket.socket]]:
    """Hold HTTP/2 connections that have finished their handshake and carry nothing."""
    host, _, port = address.rpartition(":")
    with contextlib.ExitStack() as stack:
        connections = []
        for _ in range(count):
            connection = stack.enter_context(socket.create_connection((host, int(port)), timeout=30))
            connection.sendall(PREFACE)
            connections.append(connection)
        for connection in connections:
            if not connection.recv(9):
                raise ConnectionError("the server closed an idle connection")
        yield connections


def measure_idle(server: Server, count: int) -> Result:
    """Open connections and let them rest; then one more must still get its answer."""
    before = server.resident_bytes()
    with idle_connections(server.grpc, count), contextlib.ExitStack() as stack:
        time.sleep(REST_S)
        watch = stack.enter_context(MemoryWatch(server))
        traffic = expect_answers(server.grpc, make_model(), 16)
        report = run_load(server.grpc, INFER, traffic.bodies, expected=traffic.expected, requests=256)
        held = server.resident_bytes()
    note = f"{(held - before) / count / 1e3:.1f} kB a connection"
    most_mb, held_mb = max(watch.most_bytes, held) / 1e6, held / 1e6
    passed = most_mb < IDLE_MB and not report.failed
    return Result(f"{count:,} idle connections", before / 1e6, most_mb, held_mb, report.failed, note, passed)


def raise_file_limit(wanted: int) -> int:
    """Raise the soft limit of open files, which servers inherit, and return what is allowed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < limit:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    return limit if soft == resource.RLIM_INFINITY else max(soft, limit)


def _run(part: Callable[[Server], Result], scratch: Path, versions: int, front: str) -> Result:
    repository = make_repository(scratch / "models", versions)
    with running(penstock(front, repository)(scratch)) as server:
        return part(server)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench_memory", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small counts: checks that it works")
    parser.add_argument("--swaps", type=int, default=2_000)
    parser.add_argument("--requests", type=int, default=5_000_000)
    parser.add_argument("--connections", type=int, default=10_000)
    parser.add_argument("--only", choices=["swaps", "requests", "idle"])
    parser.add_argument("--front", default="native", choices=["native", "grpcio"])
    parsed = parser.parse_args(arguments)
    if parsed.quick:
        parsed.swaps, parsed.requests, parsed.connections = 20, 50_000, 500
    connections = min(parsed.connections, raise_file_limit(parsed.connections + 200) - 200)
    parts: dict[str, tuple[int, Callable[[Server], Result]]] = {
        "swaps": (2, lambda server: measure_swaps(server, parsed.swaps)),
        "requests": (1, lambda server: measure_requests(server, parsed.requests)),
        "idle": (1, lambda server: measure_idle(server, connections)),
    }
    console = Console(width=None if sys.stdout.isatty() else 140)
    table = Table("part", "warm MB", "most MB", "end MB", "failed", "", "verdict", title="Resident memory")
    good = True
    for name, (versions, part) in parts.items():
        if parsed.only not in (None, name):
            continue
        with tempfile.TemporaryDirectory() as scratch:
            try:
                result = _run(part, Path(scratch), versions, parsed.front)
            except StartError as error:
                console.print(f"{name}: not measured: {error}", markup=False)
                return 1
        # Small counts show that the parts work, not that memory is flat.
        good &= result.failed == 0 if parsed.quick else result.passed
        table.add_row(
            result.part, f"{result.warm_mb:.1f}", f"{result.most_mb:.1f}", f"{result.end_mb:.1f}",
            str(result.failed), result.note, "met" if result.passed else "missed",
        )  # fmt: skip
    console.print(describe_machine(), table)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
