"""Tiny servers to load: grpcio ones that echo, fail, lie or hang, and one that speaks raw HTTP/2 frames."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from concurrent import futures
from typing import Any

import grpc

PATH = "/test.Service/Call"
SETTINGS, HEADERS, DATA, RST_STREAM = 4, 1, 0, 3
END_STREAM, END_HEADERS = 1, 4


class Unary(grpc.GenericRpcHandler):
    """Serves every method with one function on bytes; remembers the metadata of the last call."""

    def __init__(self, function: Callable[[bytes, grpc.ServicerContext], bytes]) -> None:
        self.metadata: dict[str, str | bytes] = {}

        def call(request: bytes, context: grpc.ServicerContext) -> bytes:
            self.metadata = dict(context.invocation_metadata())
            return function(request, context)

        self._handler = grpc.unary_unary_rpc_method_handler(call)

    def service(self, details: Any) -> Any:
        return self._handler


@contextlib.contextmanager
def grpc_server(handler: grpc.GenericRpcHandler, **options: int) -> Iterator[str]:
    server = grpc.server(
        futures.ThreadPoolExecutor(8), options=[(f"grpc.{name}", value) for name, value in options.items()]
    )
    server.add_generic_rpc_handlers((handler,))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(None).wait(10)


def frame(kind: int, flags: int, stream_id: int, payload: bytes = b"") -> bytes:
    return struct.pack(">I", len(payload))[1:] + bytes((kind, flags)) + struct.pack(">I", stream_id) + payload


def literal(name: bytes, value: bytes) -> bytes:
    """HPACK: literal header field without indexing, no Huffman code."""
    return b"\0" + bytes((len(name),)) + name + bytes((len(value),)) + value


STATUS_200 = b"\x88"
STATUS_404 = b"\x8d"


class FrameServer:
    """Accepts HTTP/2 connections, and answers each request's last frame with the bytes that a function gives.

    ``None`` closes the connection instead. ``settings`` is what is sent first.
    """

    def __init__(
        self, answer: Callable[[int], bytes | None], settings: bytes = frame(SETTINGS, 0, 0)
    ) -> None:
        self._answer, self._settings = answer, settings
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._connections: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()
        self.accepted = 0
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.accepted += 1
            self._connections.append(connection)
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError), connection.makefile("rb") as stream:
            connection.sendall(self._settings)
            stream.read(24)
            while len(head := stream.read(9)) == 9:
                stream.read(int.from_bytes(head[:3], "big"))
                kind, flags, stream_id = head[3], head[4], int.from_bytes(head[5:], "big")
                if kind == SETTINGS and not flags:
                    connection.sendall(frame(SETTINGS, 1, 0))
                if kind in (DATA, HEADERS) and flags & END_STREAM:
                    answer = self._answer(stream_id)
                    if answer is None:
                        return
                    connection.sendall(answer)

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._threads[0].join(10)
        for connection in self._connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads[1:]:
            thread.join(10)
