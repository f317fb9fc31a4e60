"""Clients that leave, stall, do not read, or are too many."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import raw_http2 as http2
from conftest import check_alive, check_drains, check_settled, good_request, publish_models, slow_request
from raw_http2 import RawConnection, frame, message
from serving import ServerProcess, wait_until
from tritonclient.grpc import service_pb2, service_pb2_grpc

Start = Callable[..., ServerProcess]
GOOD = message(good_request().SerializeToString())
SLOW = message(slow_request(1000).SerializeToString())
MIB = 2**20


def leave(client: RawConnection, how: str) -> None:
    if how == "reset":
        client.abort()
    elif how == "cancel":
        client.send(*(frame(http2.RST_STREAM, 0, stream, b"\0\0\0\x08") for stream in range(1, 17, 2)))
        client.close()
    else:
        client.close()


@pytest.mark.parametrize("how", ["close", "reset", "cancel"])
def test_a_hundred_clients_that_leave(victim: ServerProcess, how: str) -> None:
    """Again and again, with requests running, queued, half sent and not yet looked at."""
    for _ in range(3):
        clients = [RawConnection(victim.grpc).start() for _ in range(100)]
        for client in clients:
            calls = [client.build(body=SLOW) for _ in range(6)]
            client.send(*(part for _, parts in calls for part in parts))
            client.open(body=SLOW[:-1], end=False)
            client.open(http2.STREAM_INFER, SLOW, end=False)
        for client in clients:
            leave(client, how)
        check_settled(victim)


def test_published_clients_that_leave(victim: ServerProcess) -> None:
    for _ in range(5):
        channels = [
            grpc.insecure_channel(victim.grpc, [("grpc.use_local_subchannel_pool", 1)]) for _ in range(20)
        ]
        calls = []
        for channel in channels:
            stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
            calls += [stub.ModelInfer.future(slow_request(3000), timeout=60) for _ in range(5)]
        wait_until(lambda: victim.metric("penstock_queue_rows", model="slow") > 0, what="a queue")
        for call in calls[::2]:
            call.cancel()
        for channel in channels:
            channel.close()
        assert all(call.code() is not None for call in calls)
        check_settled(victim)


def test_deadlines_that_pass_in_the_queue(victim: ServerProcess) -> None:
    with grpc.insecure_channel(victim.grpc) as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        first = stub.ModelInfer.future(slow_request(100_000), timeout=60)
        wait_until(lambda: victim.metric("penstock_front_open_streams") == 1, what="the first")
        late = [stub.ModelInfer.future(slow_request(1000), timeout=0.05) for _ in range(50)]
        assert {call.code() for call in late} == {grpc.StatusCode.DEADLINE_EXCEEDED}
        assert first.code() is grpc.StatusCode.OK


# Limits of one connection; servers of their own


@pytest.fixture
def start(repository: Path, server: Start) -> Start:
    publish_models(repository)
    return server


@pytest.fixture
def front() -> str:
    pytest.importorskip("penstock.serve._front", reason="the native front is not built here")
    return "native"


def finish(process: ServerProcess) -> None:
    with grpc.insecure_channel(process.grpc) as channel:
        check_alive(process, channel)
        check_settled(process)
    check_drains(process)


def text_request(size: int) -> bytes:
    request = service_pb2.ModelInferRequest(model_name="text")
    request.inputs.add(name="s", datatype="BYTES", shape=[1, 2])
    request.raw_input_contents.append(size.to_bytes(4, "little") + b"t" * size + bytes(4))
    return message(request.SerializeToString())


@pytest.mark.parametrize("path", [http2.INFER, http2.STREAM_INFER])
def test_a_reader_without_window(start: Start, path: str) -> None:
    """A client that makes no room for answers."""
    process = start(limits={"stall_s": 0.5})
    with RawConnection(process.grpc).start(INITIAL_WINDOW_SIZE=0) as client:
        streams = [client.open(path, text_request(10_000)) for _ in range(20)]
        if path == http2.INFER:
            assert {client.answer(stream).reset for stream in streams} == {http2.CANCEL}
            assert all(client.answers[stream].headers[":status"] == "200" for stream in streams)
        else:
            client.read_until(lambda: len(client.answers) == len(streams))
            for stream in streams:
                client.window(stream, 100_000)
            assert all(client.answer(stream).status == 0 for stream in streams)
    finish(process)


def test_a_reader_that_makes_room_few_bytes_at_a_time(start: Start) -> None:
    process = start()
    with RawConnection(process.grpc).start(INITIAL_WINDOW_SIZE=1) as client:
        stream = client.open(body=GOOD)
        while not client.answers.get(stream, http2.Answer()).over:
            size = len(client.answers.get(stream, http2.Answer()).data)
            client.read_until(
                lambda size=size: (
                    stream in client.answers
                    and (client.answers[stream].over or len(client.answers[stream].data) > size)
                )
            )
            client.window(stream, 3)
        assert client.answers[stream].status == 0
    finish(process)


def test_a_reader_that_does_not_read(start: Start) -> None:
    """Windows without end, and a socket that fills up."""
    process = start(limits={"stall_s": 0.5})
    with RawConnection(process.grpc, receive_bytes=4096) as client:
        client.start(INITIAL_WINDOW_SIZE=2**31 - 1)
        client.window(0, 2**31 - 1 - 65535)
        client.read_until(lambda: client.server_settings is not None)
        for _ in range(30):
            client.open(body=text_request(500_000))
        wait_until(lambda: process.metric("penstock_front_open_streams") > 0, what="streams")
        wait_until(lambda: process.metric("penstock_front_open_connections") == 0, what="the cut")
    finish(process)


def test_a_slow_reader_gets_everything(start: Start) -> None:
    process = start()
    with RawConnection(process.grpc, receive_bytes=4096) as client:
        client.start(INITIAL_WINDOW_SIZE=2**31 - 1)
        client.read_until(lambda: client.server_settings is not None)
        streams = [client.open(body=text_request(300_000)) for _ in range(20)]
        for stream in streams:
            answer = client.answer(stream)
            assert (answer.status, len(answer.data) > 300_000) == (0, True)
    finish(process)


@pytest.mark.parametrize("said", [b"", http2.PREFACE[:10], http2.PREFACE, http2.PREFACE + b"\0\0\6\4"])
def test_a_greeting_that_does_not_come(start: Start, said: bytes) -> None:
    process = start(limits={"handshake_s": 0.3})
    with RawConnection(process.grpc) as client:
        client.send(said)
        client.read_to_end()
    finish(process)


def test_a_body_that_does_not_come(start: Start) -> None:
    process = start(limits={"stall_s": 0.5})
    with RawConnection(process.grpc).start() as client:
        streams = [client.open(body=GOOD[:size], end=False) for size in (0, 3, 7, len(GOOD))]
        assert {client.answer(stream).reset for stream in streams} == {http2.CANCEL}
        assert client.answer(client.open(body=GOOD)).status == 0
    finish(process)


def test_headers_that_do_not_end(start: Start) -> None:
    process = start(limits={"stall_s": 0.5})
    with RawConnection(process.grpc).start() as client:
        client.read_until(lambda: client.server_settings is not None)
        _, (headers,) = client.build(end=False)
        client.send(frame(http2.HEADERS, 0, 1, headers[9:]))
        assert client.answer(1).reset == http2.CANCEL
    finish(process)


def test_a_client_that_does_not_answer_pings(start: Start) -> None:
    """Gone without a word, with a stream that waits: nobody tells the server but its own ping."""
    process = start(limits={"stall_s": 0.3})
    with RawConnection(process.grpc).start() as client:
        client.read_until(lambda: client.server_settings is not None)
        client.send(*client.build(http2.STREAM_INFER, b"", end=False)[1])
        wait_until(lambda: process.metric("penstock_front_open_streams") == 1, what="the stream")
        wait_until(lambda: process.metric("penstock_front_open_connections") == 0, what="the cut")
    finish(process)


def test_a_client_that_answers_pings_is_kept(start: Start) -> None:
    process = start(limits={"stall_s": 0.2})
    with RawConnection(process.grpc).start() as client:
        stream = client.open(http2.STREAM_INFER, b"", end=False)
        pings: list[int] = []
        original = client._on_frame

        def count(kind: int, flags: int, of: int, payload: bytes) -> None:
            if kind == http2.PING:
                pings.append(kind)
            original(kind, flags, of, payload)

        client._on_frame = count  # type: ignore[method-assign]
        client.read_until(lambda: len(pings) == 4)
        assert not client.closed
        client.send(*client.data(stream, GOOD))
        assert client.answer(stream).status == 0
    finish(process)


def test_an_idle_connection(start: Start) -> None:
    process = start(limits={"idle_s": 0.3})
    with RawConnection(process.grpc).start() as client:
        assert client.answer(client.open(body=GOOD)).status == 0
        client.read_to_end()
        assert [code for _, code, _ in client.goaways] == [http2.NO_ERROR, http2.NO_ERROR]
        assert client.goaways[-1][0] == 1
    finish(process)


def test_too_many_connections(start: Start) -> None:
    process = start(limits={"connections": 10})
    clients = [RawConnection(process.grpc).start() for _ in range(10)]
    for client in clients:
        assert client.answer(client.open(body=GOOD)).status == 0
    for _ in range(5):
        with RawConnection(process.grpc).start() as over:
            over.read_to_end()
            assert not over.answers
    assert process.metric("penstock_front_connections_refused_total") == 5
    for client in clients:
        client.close()
    wait_until(lambda: process.metric("penstock_front_open_connections") == 0, what="room")
    finish(process)


def test_connections_that_say_nothing(start: Start) -> None:
    process = start()
    clients = [RawConnection(process.grpc) for _ in range(300)]
    wait_until(lambda: process.metric("penstock_front_open_connections") == 300, what="the connections")
    with RawConnection(process.grpc).start() as other:
        assert other.answer(other.open(body=GOOD)).status == 0
    for client in clients:
        client.abort()
    finish(process)


def test_several_threads(start: Start) -> None:
    """With a listener each: connections spread, limits hold for all together, and both drain."""
    process = start(front_threads=2, limits={"connections": 50})
    clients = [RawConnection(process.grpc).start() for _ in range(50)]
    calls = [(client, client.open(body=GOOD), client.open(http2.LIVE, message(b""))) for client in clients]
    for client, infer, live in calls:
        assert (client.answer(infer).status, client.answer(live).status) == (0, 0)
    with RawConnection(process.grpc).start() as over:
        over.read_to_end()
    for number, client in enumerate(clients):
        client.open(body=SLOW)
        leave(client, ("close", "reset", "cancel")[number % 3])
    wait_until(lambda: process.metric("penstock_front_open_connections") == 0, what="room")
    finish(process)


def test_a_model_that_fails_some_of_a_batch(victim: ServerProcess) -> None:
    """Whoever shares a batch with a bad request is answered."""

    def request(index: int) -> Any:
        made = service_pb2.ModelInferRequest(model_name="lookup")
        made.inputs.add(name="i", datatype="INT64", shape=[1])
        made.raw_input_contents.append(np.array([index], "<i8").tobytes())
        return made

    with grpc.insecure_channel(victim.grpc) as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        calls = [(index, stub.ModelInfer.future(request(index), timeout=60)) for index in [0, 99, 1, 2] * 50]
        for index, call in calls:
            expected = grpc.StatusCode.INTERNAL if index == 99 else grpc.StatusCode.OK
            assert call.code() is expected
