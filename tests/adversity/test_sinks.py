"""Sinks that are silent, slow, broken or hostile, disks that are full, processes that die."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from alert_receivers import QUICK, Receiver, RecordingSink, down, make_alert, raw_receiver
from serving import wait_until

from penstock.config import SinkConfig
from penstock.monitor.sinks import DeliveryError, Dispatcher
from penstock.monitor.sinks.webhook import WebhookSink


def read_request(connection: socket.socket) -> None:
    data = b""
    while b'"next_steps"' not in data:
        part = connection.recv(65536)
        if not part:
            raise ConnectionError
        data += part


def silent(connection: socket.socket) -> None:
    while connection.recv(65536):
        pass


def trickling(connection: socket.socket) -> None:
    """Never silent for long, never done: no limit on a single read ends this."""
    read_request(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
    connection.settimeout(0.02)
    while True:
        connection.sendall(b"x")
        try:
            if not connection.recv(1):
                return
        except TimeoutError:
            continue


def slamming(connection: socket.socket) -> None:
    read_request(connection)


def resetting(connection: socket.socket) -> None:
    read_request(connection)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


def cutting_headers(connection: socket.socket) -> None:
    read_request(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Le")


def speaking_something_else(connection: socket.socket) -> None:
    read_request(connection)
    connection.sendall(b"220 mail.example ESMTP\r\n")


def endless_headers(connection: socket.socket) -> None:
    read_request(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    while True:
        connection.sendall(b"X-More: " + b"x" * 60_000 + b"\r\n")


def status_beyond_http(connection: socket.socket) -> None:
    read_request(connection)
    connection.sendall(b"HTTP/1.1 99999 Odd\r\n\r\n")


BROKEN = [
    silent,
    trickling,
    slamming,
    resetting,
    cutting_headers,
    speaking_something_else,
    endless_headers,
    status_beyond_http,
]


@pytest.mark.parametrize("behave", BROKEN, ids=lambda behave: behave.__name__)
def test_a_broken_receiver_is_a_failed_attempt(behave: Callable[[socket.socket], None]) -> None:
    with raw_receiver(behave) as host:
        sink = WebhookSink(f"http://{host}/hidden", timeout_s=1.0)
        with pytest.raises(DeliveryError) as caught:
            sink.send(make_alert())
    assert str(caught.value).startswith(f"http://{host}: ")
    assert "hidden" not in str(caught.value)
    assert not caught.value.permanent


def cutting_body(connection: socket.socket) -> None:
    read_request(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{")


def endless_body(connection: socket.socket) -> None:
    read_request(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        connection.sendall(b"x" * 65536)


@pytest.mark.parametrize("behave", [cutting_body, endless_body], ids=lambda behave: behave.__name__)
def test_the_status_counts_and_what_follows_is_not_read(behave: Callable[[socket.socket], None]) -> None:
    with raw_receiver(behave) as host:
        WebhookSink(f"http://{host}/", timeout_s=20.0).send(make_alert())


def test_a_receiver_that_comes_back_gets_everything_once_and_in_order(tmp_path: Path) -> None:
    with Receiver() as receiver:
        receiver.status = 503
        sinks = {"hook": SinkConfig(kind="webhook", url=f"http://{receiver.host}/")}
        with Dispatcher(sinks, tmp_path, backoff=QUICK) as dispatcher:
            for i in range(30):
                dispatcher.send(make_alert(f"a{i}"))
            wait_until(lambda: dispatcher.status()["hook"].failed_attempts > 3, what="failures")
            taken = len(receiver.requests)
            receiver.status = 200
            wait_until(lambda: dispatcher.status()["hook"].sent == 30, what="all alerts")
        ids = [json.loads(request.body)["id"] for request in receiver.requests]
        assert set(ids[:taken]) == {"a0"}
        assert list(dict.fromkeys(ids)) == [f"a{i}" for i in range(30)]
        assert len(ids) == 30 + dispatcher.status()["hook"].failed_attempts


PROGRAM = """
import sys
sys.path.insert(0, sys.argv[3])
from pathlib import Path
from alert_receivers import QUICK, make_alert
from penstock.config import SinkConfig
from penstock.monitor.sinks import Dispatcher

sinks = {"hook": SinkConfig(kind="webhook", url=sys.argv[1])}
dispatcher = Dispatcher(sinks, Path(sys.argv[2]), backoff=QUICK)
for i in range(20):
    dispatcher.send(make_alert(f"a{i}"))
print("handed over", flush=True)
sys.stdin.read()
"""


def test_a_killed_process_loses_nothing(tmp_path: Path) -> None:
    with Receiver() as receiver:
        receiver.status = 503
        url = f"http://{receiver.host}/"
        with subprocess.Popen(
            [sys.executable, "-c", PROGRAM, url, str(tmp_path), str(Path(__file__).parents[1])],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        ) as process:  # fmt: skip
            assert process.stdout is not None
            assert process.stdout.readline() == "handed over\n"
            wait_until(lambda: receiver.requests, what="an attempt")
            process.kill()
        receiver.status = 200
        receiver.requests.clear()
        with Dispatcher({"hook": SinkConfig(kind="webhook", url=url)}, tmp_path) as dispatcher:
            wait_until(lambda: dispatcher.status()["hook"].sent == 20, what="all alerts")
        ids = [json.loads(request.body)["id"] for request in receiver.requests]
        assert list(dict.fromkeys(ids)) == [f"a{i}" for i in range(20)]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB."""
    path = tmp_path / "small"
    path.mkdir()
    mount = shutil.which("mount")
    done = mount and subprocess.run(
        [mount, "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(path)], capture_output=True
    )
    if not done or done.returncode:
        pytest.skip("a small file system cannot be mounted here")
    yield path
    subprocess.run(["umount", str(path)], check=True)


def test_a_full_disk_costs_only_the_memory_of_restarts(
    small_disk: Path, caplog: pytest.LogCaptureFixture
) -> None:
    sink = RecordingSink(down)
    dispatcher = Dispatcher({}, small_disk, backoff=QUICK)
    dispatcher.add("it", sink)
    for i in range(100):
        dispatcher.send(make_alert(f"a{i}"))
    kept = len(list((small_disk / "it").glob("*.json")))
    assert 0 < kept < 20
    assert not list((small_disk / "it").glob("*.tmp"))
    sink.fail = None
    wait_until(lambda: len(sink.alerts) == 100, what="all alerts")
    dispatcher.close()
    assert sink.ids == [f"a{i}" for i in range(100)]
    assert sum("cannot be kept on disk" in record.message for record in caplog.records) >= 1
