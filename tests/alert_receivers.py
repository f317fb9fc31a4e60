"""What alerts are sent to in tests: sinks of every temper, and real HTTP servers."""

from __future__ import annotations

import math
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from penstock.monitor.alerts import Alert, Finding
from penstock.monitor.sinks import Backoff, DeliveryError

QUICK = Backoff(first_s=0.002, longest_s=0.02)


def make_alert(id: str = "a1", **changes: Any) -> Alert:
    finding = Finding(
        subject="SCHL",
        check="unseen",
        compared_with="baseline",
        reason="31 % of rows hold 22.0, which the baseline has not",
        effect=0.31,
        evidence=math.nan,
        since_s=1_700_000_000.0,
        severity="high",
    )
    fields: dict[str, Any] = {
        "id": id,
        "model": "employment",
        "version": 3,
        "kind": "drift",
        "severity": "high",
        "state": "firing",
        "since_s": 1_700_000_000.0,
        "at_s": 1_700_003_600.5,
        "title": "1 of 16 features moved: SCHL",
        "findings": (finding,),
        "share": 0.31,
        "next_steps": ("look at the recoding of SCHL",),
    }
    return Alert(**fields | changes)


class RecordingSink:
    """Keeps what it is sent; :attr:`fail` is asked before, and may raise or wait."""

    def __init__(self, fail: Callable[[Alert], None] | None = None) -> None:
        self.fail = fail
        self.alerts: list[Alert] = []

    def send(self, alert: Alert) -> None:
        if self.fail is not None:
            self.fail(alert)
        self.alerts.append(alert)

    @property
    def ids(self) -> list[str]:
        return [alert.id for alert in self.alerts]


class ForgetfulSink(RecordingSink):
    repeat_s = 0.02


def down(alert: Alert) -> None:
    raise DeliveryError("nobody is there")


@dataclass(frozen=True)
class Request:
    path: str
    headers: dict[str, str]
    body: bytes


class Receiver:
    """An HTTP server on a loopback port that keeps what is posted and answers what it is told to.

    Attributes
    ----------
    status : int
    headers : dict
        Of every answer.
    requests : list of Request
    """

    def __init__(self, certificate: tuple[Path, Path] | None = None) -> None:
        self.status = 200
        self.headers: dict[str, str] = {}
        self.requests: list[Request] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.requests.append(Request(self.path, dict(self.headers), body))
                self.send_response(receiver.status)
                for name, value in {"Content-Length": "0", **receiver.headers}.items():
                    self.send_header(name, value)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            def handle_error(self, *_: Any) -> None:
                """A client that goes away is none of the test's business."""

        self._server = Server(("127.0.0.1", 0), Handler)
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.host = f"127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def __enter__(self) -> Receiver:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@contextmanager
def raw_receiver(behave: Callable[[socket.socket], None]) -> Iterator[str]:
    """Give the ``host:port`` of a TCP server that treats every connection as it is told to."""
    stopping = threading.Event()

    def serve() -> None:
        while not stopping.is_set():
            try:
                connection, _ = listener.accept()
            except TimeoutError:
                continue
            with connection:
                connection.settimeout(10)
                try:
                    behave(connection)
                except OSError:
                    continue

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.02)
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"127.0.0.1:{listener.getsockname()[1]}"
        finally:
            stopping.set()
            thread.join()
