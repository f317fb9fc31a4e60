"""SIGTERM: what is under way is answered, and clients are told in time."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import grpc
import pytest
import raw_http2 as http2
from conftest import good_request, publish_models, slow_request
from raw_http2 import RawConnection, message
from serving import ServerProcess, wait_until
from tritonclient.grpc import service_pb2_grpc

Start = Callable[..., ServerProcess]
GOOD = message(good_request().SerializeToString())
SLOW = message(slow_request(60_000).SerializeToString())
LAST = 2**31 - 1


@pytest.fixture
def front() -> str:
    pytest.importorskip("penstock.serve._front", reason="the native front is not built here")
    return "native"


@pytest.fixture(params=[1, 2], ids=["one thread", "two threads"])
def process(request: pytest.FixtureRequest, repository: Path, server: Start) -> ServerProcess:
    publish_models(repository)
    return server(front_threads=request.param)


def test_two_goaways_and_every_answer(process: ServerProcess) -> None:
    """The first lets calls that are on their way arrive, the second says which one was the last."""
    with RawConnection(process.grpc).start() as client:
        slow = [client.open(body=SLOW) for _ in range(5)]
        live = client.open(http2.STREAM_INFER, GOOD, end=False)
        client.read_until(lambda: live in client.answers)
        wait_until(lambda: process.metric("penstock_front_infer_calls_total") == 5, what="the calls")
        process.signal()
        client.read_until(lambda: client.goaways != [])
        assert client.goaways[0][:2] == (LAST, http2.NO_ERROR)
        late = client.open(body=GOOD)
        client.read_until(lambda: len(client.goaways) == 2)
        last = client.goaways[1][0]
        assert client.goaways[1][1] == http2.NO_ERROR
        assert {client.answer(stream).status for stream in slow} == {0}
        assert client.answer(live).over
        if late <= last:
            assert client.answer(late).status == 0
        client.read_to_end()
    assert process.wait() == 0


def test_calls_that_never_stop_coming(process: ServerProcess) -> None:
    with RawConnection(process.grpc).start() as client:
        opened = []
        while not client.closed and len(client.goaways) < 2:
            if len(opened) == 50:
                process.signal()
            if len(opened) - len([one for one in client.answers.values() if one.over]) < 20:
                opened.append(client.open(body=GOOD))
            else:
                count = len(client.answers)
                client.read_until(lambda count=count: len(client.answers) > count or len(client.goaways) == 2)
        client.read_to_end()
        last = client.goaways[-1][0]
        assert last >= 99
        for stream in opened:
            if stream <= last:
                assert client.answers[stream].status == 0, (stream, last)
            else:
                assert stream not in client.answers or client.answers[stream].reset is not None
    assert process.wait() == 0


def test_published_clients_under_load(process: ServerProcess) -> None:
    """Every call that began before the signal is answered; later ones are, or are told to go elsewhere."""
    began: list[tuple[float, grpc.StatusCode]] = []
    signalled, connected = threading.Event(), threading.Barrier(9)

    def work() -> None:
        options = [("grpc.use_local_subchannel_pool", 1)]
        with grpc.insecure_channel(process.grpc, options) as channel:
            stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
            stub.ModelInfer(good_request(), timeout=20)
            connected.wait(60)
            while not (signalled.is_set() and process.process.poll() is not None):
                call = stub.ModelInfer.future(good_request(), timeout=20)
                start = time.monotonic()
                began.append((start, call.code()))
                if call.code() is not grpc.StatusCode.OK:
                    break

    workers = [threading.Thread(target=work) for _ in range(8)]
    for worker in workers:
        worker.start()
    connected.wait(60)
    wait_until(lambda: len(began) > 500, what="load")
    at = time.monotonic()
    process.signal()
    signalled.set()
    assert process.wait() == 0
    for worker in workers:
        worker.join()
    assert {code for start, code in began if start < at} == {grpc.StatusCode.OK}
    assert {code for start, code in began if start >= at} <= {grpc.StatusCode.OK, grpc.StatusCode.UNAVAILABLE}


def test_a_client_that_the_server_has_not_seen_yet(process: ServerProcess) -> None:
    """Connected, with a call sent, before the process came to look."""
    os.kill(process.process.pid, signal.SIGSTOP)
    clients = [RawConnection(process.grpc).start() for _ in range(20)]
    for client in clients:
        client.open(body=GOOD)
    process.signal()
    os.kill(process.process.pid, signal.SIGCONT)
    for client in clients:
        assert client.answer(1).status == 0
        client.close()
    assert process.wait() == 0


def test_clients_that_hold_a_drain_up(repository: Path, server: Start) -> None:
    """Calls that never end are cut off when the time for a drain has passed."""
    publish_models(repository)
    process = server(drain_timeout_s=1.0)
    with RawConnection(process.grpc).start() as client, RawConnection(process.grpc) as silent:
        half = client.open(body=GOOD[:7], end=False)
        client.open(http2.STREAM_INFER, GOOD, end=False)
        wait_until(lambda: process.metric("penstock_front_open_streams") == 2, what="the streams")
        process.signal()
        client.read_to_end()
        assert not client.answers.get(half, http2.Answer()).ended
        silent.read_to_end()
    assert process.wait() == 0


@pytest.mark.parametrize("times", [2, 5])
def test_signals_that_come_again(process: ServerProcess, times: int) -> None:
    """The second one cuts the drain short while it waits; the process ends in order."""
    with RawConnection(process.grpc).start() as client:
        client.open(body=GOOD[:7], end=False)
        client.open(http2.STREAM_INFER, GOOD[:7], end=False)
        wait_until(lambda: process.metric("penstock_front_open_streams") == 2, what="the streams")
        process.signal()
        process.wait_for_log(message="draining")
        for _ in range(times - 1):
            process.signal(signal.SIGINT)
        client.read_to_end()
    assert process.wait() == 1


def test_a_body_that_ends_during_the_drain(process: ServerProcess) -> None:
    with RawConnection(process.grpc).start() as client:
        half = client.open(body=GOOD[:7], end=False)
        wait_until(lambda: process.metric("penstock_front_open_streams") == 1, what="the stream")
        process.signal()
        client.read_until(lambda: len(client.goaways) == 2)
        client.send(*client.data(half, GOOD[7:]))
        assert client.answer(half).status == 0
    assert process.wait() == 0
