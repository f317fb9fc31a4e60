"""Runs end by themselves, whatever the server does; arrivals of an open loop do not wait for answers."""

from __future__ import annotations

import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from load_servers import (
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    PATH,
    STATUS_200,
    Unary,
    frame,
    grpc_server,
    literal,
)

from penstock.load import run_load


def test_seconds_end_a_closed_loop(echo: str) -> None:
    report = run_load(echo, PATH, [b"x"], connections=2, streams=2, seconds=0.2)
    assert report.requests == report.ok > 0
    assert report.elapsed_s >= 0.2


def test_requests_end_before_seconds(echo: str) -> None:
    report = run_load(echo, PATH, [b"x"], seconds=60, requests=5)
    assert report.requests == report.ok == 5


def test_open_loop_sends_at_its_rate(echo: str) -> None:
    report = run_load(echo, PATH, [b"x"], connections=2, streams=8, rate_per_s=400, seconds=0.5, seed=3)
    again = run_load(echo, PATH, [b"x"], connections=2, streams=8, rate_per_s=400, seconds=0.5, seed=3)
    assert report.failed == again.failed == 0
    assert report.requests == again.requests, "the seed fixes the arrivals"
    assert 130 < report.requests < 280


def test_open_loop_counts_latency_from_the_arrival() -> None:
    gate = threading.Event()

    def stall(request: bytes, context: grpc.ServicerContext) -> bytes:
        gate.wait(30)
        return request

    with grpc_server(Unary(stall)) as address, ThreadPoolExecutor(1) as pool:
        started = time.monotonic()
        future = pool.submit(
            run_load, address, PATH, [b"x"], streams=1, rate_per_s=200, requests=50, timeout_s=30
        )
        while time.monotonic() - started < 0.5:
            time.sleep(0.02)
        gate.set()
        report = future.result(30)
    assert report.ok == 50
    # The server held the first call only; those behind it arrived within 0.25 s and waited for the stream.
    assert report.latency.p50_s > 0.1


def test_arrivals_that_find_no_stream_are_unsent() -> None:
    def hang(request: bytes, context: grpc.ServicerContext) -> bytes:
        over = threading.Event()
        context.add_callback(over.set)
        over.wait(30)
        return b""

    with grpc_server(Unary(hang)) as address:
        report = run_load(address, PATH, [b"x"], rate_per_s=1_000, requests=50, timeout_s=0.2)
    assert report.requests + report.unsent == 50
    assert report.unsent > 0
    assert report.timeouts == report.requests > 0
    assert report.failed == 50


def test_several_runs_at_once(echo: str) -> None:
    with ThreadPoolExecutor(4) as pool:
        runs = [
            pool.submit(run_load, echo, PATH, [b"x"], streams=4, requests=100, expected=[b"x"])
            for _ in range(4)
        ]
        assert [run.result(60).ok for run in runs] == [100] * 4


def test_refused_connection_is_an_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"
    with pytest.raises(ConnectionError, match="refused"):
        run_load(address, PATH, [b""], requests=10, timeout_s=5)


def test_a_silent_server_is_an_error() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        pytest.raises(ConnectionError, match="no HTTP/2 settings"),
    ):
        run_load(f"127.0.0.1:{listener.getsockname()[1]}", PATH, [b""], requests=10, timeout_s=0.2)


def test_a_server_of_another_protocol_is_an_error(frame_server) -> None:
    server = frame_server(lambda stream_id: b"", settings=b"220 mail.example ESMTP ready and waiting\r\n" * 4)
    with pytest.raises(ConnectionError, match="HTTP/2"):
        run_load(server.address, PATH, [b""], requests=10, timeout_s=2)


def test_a_server_that_closes_at_each_call_is_given_up(frame_server) -> None:
    server = frame_server(lambda stream_id: None)
    report = run_load(server.address, PATH, [b"x"], streams=2, requests=1_000, timeout_s=5)
    assert report.transport_errors == report.requests
    assert 0 < report.requests <= 10
    assert report.requests + report.unsent == 1_000
    assert report.reconnects == 4


def test_a_connection_that_closes_after_answers_is_opened_again(frame_server) -> None:
    seen = 0

    def answer(stream_id: int) -> bytes | None:
        nonlocal seen
        seen += 1
        if seen % 4 == 0:
            return None
        sent = frame(HEADERS, END_HEADERS, stream_id, STATUS_200) + frame(DATA, 0, stream_id, b"\0" * 5)
        return sent + frame(HEADERS, END_HEADERS | END_STREAM, stream_id, literal(b"grpc-status", b"0"))

    server = frame_server(answer)
    report = run_load(server.address, PATH, [b"x"], requests=40)
    assert (report.ok, report.transport_errors, report.unsent) == (30, 10, 0)
    assert report.reconnects == 9 or report.reconnects == 10


def test_a_server_that_retires_connections_gracefully_loses_nothing() -> None:
    handler = Unary(lambda request, context: request)
    with grpc_server(handler, max_connection_age_ms=100, max_connection_age_grace_ms=5_000) as address:
        report = run_load(
            address, PATH, [b"x"], connections=2, streams=2, rate_per_s=500, seconds=1, expected=[b"x"]
        )
    assert report.failed == 0
    assert report.reconnects > 0


def test_a_server_that_stops_ends_the_run() -> None:
    handler = Unary(lambda request, context: request)
    with ThreadPoolExecutor(1) as pool:
        with grpc_server(handler) as address:
            future = pool.submit(run_load, address, PATH, [b"x"], streams=4, seconds=60, timeout_s=2)
            deadline = time.monotonic() + 30
            while not handler.metadata and time.monotonic() < deadline:
                time.sleep(0.01)
        report = future.result(30)
    assert report.ok > 0
    assert report.elapsed_s < 60


def test_ipv6() -> None:
    if not socket.has_ipv6:
        pytest.skip("this Python has no IPv6")
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("no IPv6 loopback address")
    server = grpc.server(ThreadPoolExecutor(1))
    server.add_generic_rpc_handlers((Unary(lambda request, context: request),))
    port = server.add_insecure_port("[::1]:0")
    server.start()
    try:
        assert run_load(f"[::1]:{port}", PATH, [b"x"], requests=3).ok == 3
    finally:
        server.stop(None).wait(10)
