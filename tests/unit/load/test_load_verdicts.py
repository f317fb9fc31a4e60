"""Every way a call can end is counted once, in the right place."""

from __future__ import annotations

import struct
import threading

import grpc
import pytest
from load_servers import (
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    PATH,
    RST_STREAM,
    SETTINGS,
    STATUS_200,
    STATUS_404,
    Unary,
    frame,
    grpc_server,
    literal,
)

from penstock.load import LoadReport, run_load


def assert_consistent(report: LoadReport) -> None:
    assert report.requests == sum(report.by_code.values()) + report.timeouts + report.transport_errors
    assert report.by_code.get("OK", 0) == report.ok + report.mismatches
    assert report.failed == report.requests + report.unsent - report.ok


@pytest.mark.parametrize(("connections", "streams"), [(1, 1), (3, 5)])
def test_echo_is_right_with_distinct_bodies(echo: str, connections: int, streams: int) -> None:
    bodies = [b"", b"a", b"bc" * 5_000, b"\0" * 17]
    report = run_load(
        echo, PATH, bodies, connections=connections, streams=streams, requests=201, expected=bodies
    )
    assert (report.requests, report.ok, report.failed) == (201, 201, 0)
    assert report.by_code == {"OK": 201}
    assert report.elapsed_s > 0
    assert report.throughput == pytest.approx(201 / report.elapsed_s)
    latency = report.latency
    assert 0 < latency.p50_s <= latency.p90_s <= latency.p99_s <= latency.p999_s <= latency.max_s
    assert sum(count for _, count in latency.histogram) == 201
    assert_consistent(report)


def test_bodies_beyond_the_flow_control_windows_arrive(echo: str) -> None:
    bodies = [bytes([i]) * 3_000_000 for i in range(3)]
    report = run_load(echo, PATH, bodies, streams=2, requests=6, expected=bodies)
    assert report.ok == 6


def test_wrong_answers_are_mismatches() -> None:
    with grpc_server(Unary(lambda request, context: request[::-1])) as address:
        report = run_load(address, PATH, [b"ab", b"aa"], requests=10, expected=[b"ab", b"aa"])
    assert (report.ok, report.mismatches, report.by_code) == (5, 5, {"OK": 10})
    assert_consistent(report)


def test_failures_are_counted_by_code_with_their_first_message() -> None:
    def fail(request: bytes, context: grpc.ServicerContext) -> bytes:
        if request == b"bad":
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "bad: 100 % wrong – ü")
        context.set_code(grpc.StatusCode.UNAUTHENTICATED)
        return b""

    with grpc_server(Unary(fail)) as address:
        report = run_load(address, PATH, [b"bad", b"other"], streams=2, requests=20)
    assert report.by_code == {"INVALID_ARGUMENT": 10, "UNAUTHENTICATED": 10}
    assert report.messages["INVALID_ARGUMENT"] == "bad: 100 % wrong – ü"
    assert report.ok == 0
    assert_consistent(report)


def test_unknown_method_is_unimplemented(echo: str) -> None:
    class Nothing(grpc.GenericRpcHandler):
        def service(self, details: object) -> None:
            return None

    with grpc_server(Nothing()) as address:
        report = run_load(address, PATH, [b""], requests=3)
    assert report.by_code == {"UNIMPLEMENTED": 3}


def test_metadata_reaches_the_server() -> None:
    handler = Unary(lambda request, context: request)
    with grpc_server(handler) as address:
        run_load(address, PATH, [b""], requests=1, metadata={"x-request-id": "abc"})
    assert handler.metadata["x-request-id"] == "abc"


def test_hanging_calls_time_out_and_are_cancelled() -> None:
    cancelled = threading.Semaphore(0)

    def hang(request: bytes, context: grpc.ServicerContext) -> bytes:
        over = threading.Event()
        context.add_callback(over.set)
        over.wait(30)
        cancelled.release()
        return b""

    with grpc_server(Unary(hang)) as address:
        report = run_load(address, PATH, [b""], streams=2, requests=4, timeout_s=0.2)
        for _ in range(4):
            assert cancelled.acquire(timeout=30)
    assert (report.requests, report.timeouts, report.by_code) == (4, 4, {})
    assert report.latency.max_s >= 0.2
    assert_consistent(report)


def _answer(stream_id: int, headers: bytes, body: bytes | None, trailers: bytes | None) -> bytes:
    last = END_STREAM if body is None and trailers is None else 0
    sent = frame(HEADERS, END_HEADERS | last, stream_id, headers)
    if body is not None:
        sent += frame(DATA, 0 if trailers is not None else END_STREAM, stream_id, body)
    if trailers is not None:
        sent += frame(HEADERS, END_HEADERS | END_STREAM, stream_id, trailers)
    return sent


def _message(payload: bytes, flag: int = 0) -> bytes:
    return struct.pack(">BI", flag, len(payload)) + payload


OK = literal(b"grpc-status", b"0")


@pytest.mark.parametrize(
    ("body", "right"),
    [
        (_message(b"answer"), True),
        (_message(b"answer", flag=1), False),
        (_message(b"answer")[:-1], False),
        (_message(b"answer") + _message(b""), False),
        (b"\0\0", False),
        (b"", False),
    ],
    ids=["whole", "compressed", "truncated", "two messages", "half a prefix", "no message"],
)
def test_an_ok_answer_must_hold_one_message(frame_server, body: bytes, right: bool) -> None:
    server = frame_server(lambda stream_id: _answer(stream_id, STATUS_200, body, OK))
    report = run_load(server.address, PATH, [b"x"], requests=3)
    assert (report.ok, report.mismatches) == ((3, 0) if right else (0, 3))
    assert_consistent(report)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (lambda stream_id: _answer(stream_id, STATUS_200, _message(b""), None), "without grpc-status"),
        (lambda stream_id: _answer(stream_id, STATUS_404, None, None), "HTTP status 404"),
        (lambda stream_id: frame(RST_STREAM, 0, stream_id, struct.pack(">I", 2)), "INTERNAL_ERROR"),
    ],
)
def test_answers_that_are_not_grpc_are_transport_errors(frame_server, answer, reason: str) -> None:
    server = frame_server(answer)
    report = run_load(server.address, PATH, [b"x"], streams=2, requests=8)
    assert (report.requests, report.transport_errors, report.ok) == (8, 8, 0)
    assert reason in report.first_transport_error
    assert_consistent(report)


@pytest.mark.parametrize(
    ("status", "name"),
    [(b"16", "UNAUTHENTICATED"), (b"99", "UNKNOWN"), (b"nonsense", "UNKNOWN"), (b"12345678", "UNKNOWN")],
)
def test_a_status_in_the_headers_alone_counts(frame_server, status: bytes, name: str) -> None:
    server = frame_server(
        lambda stream_id: _answer(stream_id, STATUS_200 + literal(b"grpc-status", status), None, None)
    )
    report = run_load(server.address, PATH, [b"x"], requests=2)
    assert report.by_code == {name: 2}


def test_a_stream_limit_of_the_server_is_kept(frame_server) -> None:
    pending: list[int] = []
    most = 0

    def answer(stream_id: int) -> bytes:
        nonlocal most
        pending.append(stream_id)
        most = max(most, len(pending))
        if len(pending) < 3:
            return b""
        sent = b"".join(_answer(stream, STATUS_200, _message(b""), OK) for stream in pending)
        pending.clear()
        return sent

    limit = frame(SETTINGS, 0, 0, struct.pack(">HI", 3, 3))
    server = frame_server(answer, settings=limit)
    report = run_load(server.address, PATH, [b"x"], streams=10, requests=30)
    assert (report.ok, most) == (30, 3)
