"""What the native front passes on to the control plane arrives there, and back, as if it were not between."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator
from concurrent import futures
from pathlib import Path
from typing import Any

import grpc
import pytest
import raw_http2 as http2
from raw_http2 import RawConnection, message
from serving import wait_until

from penstock.batching import Routes
from penstock.config import LimitsConfig

_front = pytest.importorskip("penstock.serve._front", reason="the native front is not built here")

KIB, MIB = 2**10, 2**20
BOTH = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
Behaviour = Callable[[Iterator[bytes], grpc.ServicerContext], Iterator[bytes]]


class ControlPlane(grpc.GenericRpcHandler):
    """Calls ``/test/<name>`` run the behaviour of that name."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.behaviours: dict[str, Behaviour] = {}
        self._server: grpc.Server | None = None
        self.start()

    def start(self) -> None:
        self._server = grpc.server(futures.ThreadPoolExecutor(120), options=BOTH)
        self._server.add_generic_rpc_handlers((self,))
        self._server.add_insecure_port(f"unix:{self.path}")
        self._server.start()

    def stop(self) -> None:
        if self._server is not None:
            self._server.stop(0).wait()
            self._server = None

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        behaviour = self.behaviours.get(details.method.removeprefix("/test/"))
        return None if behaviour is None else grpc.stream_stream_rpc_method_handler(behaviour)


@pytest.fixture
def control(tmp_path: Path) -> Iterator[ControlPlane]:
    plane = ControlPlane(tmp_path / "control.sock")
    yield plane
    plane.stop()


@pytest.fixture
def front(control: ControlPlane) -> Iterator[Any]:
    made = _front.Front(
        Routes(), address=("127.0.0.1", 0), control_socket=str(control.path), limits=LimitsConfig()
    )
    made.start()
    yield made
    wait_until(lambda: made.statistics()["connections"] == 0, what="an end of all connections")
    assert made.statistics()["streams"] == 0
    assert made.drain(10)
    made.stop()


@pytest.fixture
def address(front: Any) -> str:
    return f"127.0.0.1:{front.address[1]}"


@pytest.fixture
def channel(address: str) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(address, BOTH) as opened:
        yield opened


def echo(requests: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
    yield from requests


def calls(channel: grpc.Channel, name: str) -> Any:
    return channel.stream_stream(f"/test/{name}")


def test_metadata_trailers_and_status(control: ControlPlane, channel: grpc.Channel) -> None:
    seen: list[tuple[str, Any]] = []

    def behave(requests: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
        seen.extend(context.invocation_metadata())
        context.send_initial_metadata(
            (("x-first", "1"), ("x-first-bin", b"\0\xff\n"), ("x-twice", "a"), ("x-twice", "b"))
        )
        yield from requests
        context.set_trailing_metadata((("x-last", "2"), ("x-last-bin", bytes(range(256)))))
        context.abort(grpc.StatusCode.DATA_LOSS, "50 % of naïve data 🙂\nis lost")

    control.behaviours["all"] = behave
    metadata = (("x-mine", "3"), ("x-mine-bin", b"\0\1\xfe"), ("x-mine", "4"), ("x-empty", ""))
    call = calls(channel, "all")(iter([b"a", b""]), metadata=metadata, timeout=20)
    answers = []
    with pytest.raises(grpc.RpcError):
        answers.extend(call)
    assert list(call.initial_metadata()) == [
        ("x-first", "1"),
        ("x-first-bin", b"\0\xff\n"),
        ("x-twice", "a"),
        ("x-twice", "b"),
    ]
    assert list(call.trailing_metadata()) == [("x-last", "2"), ("x-last-bin", bytes(range(256)))]
    assert (call.code(), call.details()) == (grpc.StatusCode.DATA_LOSS, "50 % of naïve data 🙂\nis lost")
    assert [pair for pair in seen if pair[0].startswith(("x-mine", "x-empty"))] == list(metadata)


def test_messages_before_the_status_are_kept(control: ControlPlane, channel: grpc.Channel) -> None:
    control.behaviours["echo"] = echo
    assert list(calls(channel, "echo")(iter([b"", b"a", b"b" * 100]), timeout=20)) == [b"", b"a", b"b" * 100]
    assert list(calls(channel, "echo")(iter([]), timeout=20)) == []


def test_a_method_that_is_not_there(channel: grpc.Channel) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        list(calls(channel, "nothing")(iter([b"a"]), timeout=20))
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_large_messages_both_ways_at_once(control: ControlPlane, channel: grpc.Channel) -> None:
    control.behaviours["echo"] = echo
    sent = [bytes([i]) * (i * 40 * KIB + 1) for i in range(50)]
    workers = [
        threading.Thread(target=lambda: done.append(list(calls(channel, "echo")(iter(sent)))))
        for _ in range(3)
    ]
    done: list[list[bytes]] = []
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert done == [sent] * 3


def test_one_message_of_many_mebibytes(control: ControlPlane, channel: grpc.Channel) -> None:
    control.behaviours["echo"] = echo
    whole = bytes(range(256)) * (100 * KIB)
    assert list(calls(channel, "echo")(iter([whole]), timeout=60)) == [whole]


def test_many_calls_at_once(control: ControlPlane, channel: grpc.Channel) -> None:
    control.behaviours["echo"] = echo
    running = [calls(channel, "echo")(iter([bytes([i]) * i * 100]), timeout=60) for i in range(100)]
    assert [list(call) for call in running] == [[bytes([i]) * i * 100] for i in range(100)]


def rests(read: Callable[[], int]) -> int:
    """Wait until a count stops growing; return it."""
    last, since = read(), time.monotonic()

    def quiet() -> bool:
        nonlocal last, since
        if read() != last:
            last, since = read(), time.monotonic()
        return time.monotonic() - since > 0.5

    wait_until(quiet, what="a rest")
    return last


def test_a_consumer_that_is_slow_holds_the_producer_up(control: ControlPlane, channel: grpc.Channel) -> None:
    total, produced = 1000, 0

    def behave(requests: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
        nonlocal produced
        for _ in range(total):
            produced += 1
            yield b"x" * 64 * KIB

    control.behaviours["flood"] = behave
    control.behaviours["echo"] = echo
    call = calls(channel, "flood")(iter([]), timeout=60)
    assert len(next(call)) == 64 * KIB
    assert rests(lambda: produced) < 200
    # The connection to the control plane is shared, and not held up.
    assert list(calls(channel, "echo")(iter([b"a" * MIB]), timeout=20)) == [b"a" * MIB]
    assert sum(len(one) for one in call) == (total - 1) * 64 * KIB
    assert produced == total


def test_a_handler_that_is_slow_holds_the_client_up(control: ControlPlane, channel: grpc.Channel) -> None:
    total, consumed = 1000, 0
    go = threading.Event()

    def behave(requests: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
        go.wait(60)
        yield str(sum(len(one) for one in requests)).encode()

    def produce() -> Iterator[bytes]:
        nonlocal consumed
        for _ in range(total):
            consumed += 1
            yield b"x" * 64 * KIB

    control.behaviours["sum"] = behave
    control.behaviours["echo"] = echo
    call = calls(channel, "sum")(produce(), timeout=60)
    assert rests(lambda: consumed) < 200
    assert list(calls(channel, "echo")(iter([b"a" * MIB]), timeout=20)) == [b"a" * MIB]
    go.set()
    assert list(call) == [str(total * 64 * KIB).encode()]


def test_half_close(control: ControlPlane, channel: grpc.Channel) -> None:
    """The handler answers as messages come, and learns when there are no more."""

    def behave(requests: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
        for one in requests:
            yield b"got " + one
        yield b"end"

    control.behaviours["talk"] = behave
    mine: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
    call = calls(channel, "talk")(iter(mine.get, None), timeout=20)
    for word in (b"a", b"b", b"c"):
        mine.put(word)
        assert next(call) == b"got " + word
    mine.put(None)
    assert list(call) == [b"end"]


def test_an_answer_that_ends_before_the_request(control: ControlPlane, channel: grpc.Channel) -> None:
    def behave(requests: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
        yield next(requests)

    control.behaviours["first"] = behave
    for _ in range(20):
        endless = iter(lambda: b"x" * 100_000, None)
        assert list(calls(channel, "first")(endless, timeout=20)) == [b"x" * 100_000]


@pytest.mark.parametrize("how", ["cancel", "deadline", "leave"])
def test_cancellation_arrives(control: ControlPlane, channel: grpc.Channel, address: str, how: str) -> None:
    running, gone = threading.Event(), threading.Event()
    remaining: list[float] = []

    def behave(requests: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
        context.add_callback(gone.set)
        remaining.append(context.time_remaining())
        running.set()
        yield from requests

    control.behaviours["wait"] = behave
    if how == "leave":
        with RawConnection(address).start() as client:
            client.open("/test/wait", message(b"x"), end=False)
            assert running.wait(20)
            assert not gone.is_set()
            client.abort()
    else:
        mine: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        call = calls(channel, "wait")(iter(mine.get, None), timeout=60 if how == "cancel" else 1.0)
        assert running.wait(20)
        if how == "cancel":
            call.cancel()
        assert call.code() is (
            grpc.StatusCode.CANCELLED if how == "cancel" else grpc.StatusCode.DEADLINE_EXCEEDED
        )
        assert 0 < remaining[0] <= (62 if how == "cancel" else 1.2)
        mine.put(None)
    assert gone.wait(20)


def test_a_control_plane_that_goes_and_comes_back(control: ControlPlane, channel: grpc.Channel) -> None:
    running = threading.Event()

    def wait(requests: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
        running.set()
        yield from requests

    control.behaviours.update(echo=echo, wait=wait)
    for _ in range(3):
        running.clear()
        mine: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        call = calls(channel, "wait")(iter(mine.get, None), timeout=20)
        assert running.wait(20)
        control.stop()
        mine.put(None)
        with pytest.raises(grpc.RpcError):
            list(call)
        assert call.code() is not grpc.StatusCode.DEADLINE_EXCEEDED
        with pytest.raises(grpc.RpcError) as caught:
            list(calls(channel, "echo")(iter([b"a"]), timeout=20))
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        control.start()
        assert list(calls(channel, "echo")(iter([b"a"]), timeout=20)) == [b"a"]


def test_trailers_too_large_to_send(control: ControlPlane, channel: grpc.Channel) -> None:
    def behave(requests: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
        context.set_trailing_metadata(tuple((f"x-{i}", "v" * 4000) for i in range(30)))
        yield b"a"

    control.behaviours["trail"] = behave
    call = calls(channel, "trail")(iter([]), timeout=20)
    with pytest.raises(grpc.RpcError):
        list(call)
    assert call.code() is not grpc.StatusCode.DEADLINE_EXCEEDED


def test_streams_that_are_opened_and_reset(control: ControlPlane, address: str) -> None:
    """Also before the front has told the control plane of them."""
    alive = 0
    lock = threading.Lock()

    def behave(requests: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
        nonlocal alive

        def end() -> None:
            nonlocal alive
            with lock:
                alive -= 1

        with lock:
            alive += 1
        if not context.add_callback(end):
            end()
        yield from requests

    control.behaviours["wait"] = behave
    with RawConnection(address).start() as client:
        for _ in range(20):
            opened = [client.build("/test/wait", message(b"x" * 1000), end=False) for _ in range(20)]
            client.send(*(part for _, parts in opened for part in parts))
            for stream, _ in opened:
                client.reset(stream)
        assert client.answer(client.open("/test/nothing", b"")).status == 12
    wait_until(lambda: alive == 0, what="an end of every call")


def test_a_full_window_that_is_reset(control: ControlPlane, address: str) -> None:
    """A stream with its windows full on both sides leaves no bytes behind in those of its connections."""

    def behave(requests: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
        while context.is_active():
            yield b"x" * 64 * KIB

    control.behaviours.update(flood=behave, echo=echo)
    with RawConnection(address).start() as client:
        client.read_until(lambda: client.server_settings is not None)
        for _ in range(40):
            stream = client.open("/test/flood", message(b"y" * 900_000), end=False)
            client.read_until(
                lambda stream=stream: len(client.answers.get(stream, http2.Answer()).data) > 60_000
            )
            client.reset(stream)
        stream = client.open("/test/echo", message(b"z" * 30_000))
        assert client.answer(stream).data == message(b"z" * 30_000)
