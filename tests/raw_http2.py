"""An HTTP/2 client that sends whatever frames a test asks for, right or wrong."""

from __future__ import annotations

import dataclasses
import socket
import ssl
import struct
import time
from collections.abc import Callable, Iterable
from typing import Any

import hpack

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY = range(8)
WINDOW_UPDATE, CONTINUATION = 8, 9
ACK = END_STREAM = 0x1
END_HEADERS = 0x4
HEADER_TABLE_SIZE, ENABLE_PUSH, MAX_CONCURRENT_STREAMS, INITIAL_WINDOW_SIZE, MAX_FRAME_SIZE = 1, 2, 3, 4, 5
NO_ERROR, PROTOCOL_ERROR, INTERNAL_ERROR, FLOW_CONTROL_ERROR = 0, 1, 2, 3
REFUSED_STREAM, CANCEL, COMPRESSION_ERROR, ENHANCE_YOUR_CALM = 7, 8, 9, 11

INFER = "/inference.GRPCInferenceService/ModelInfer"
LIVE = "/inference.GRPCInferenceService/ServerLive"
STREAM_INFER = "/inference.GRPCInferenceService/ModelStreamInfer"


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """Encode one frame, of any length."""
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def settings(**values: int) -> bytes:
    """Encode a SETTINGS frame; keys are the names above."""
    pairs = (struct.pack(">HI", globals()[name], value) for name, value in values.items())
    return frame(SETTINGS, 0, 0, b"".join(pairs))


def message(data: bytes, compressed: bool = False) -> bytes:
    """Prefix a message as gRPC does."""
    return struct.pack(">BI", compressed, len(data)) + data


@dataclasses.dataclass
class Answer:
    """What came on one stream."""

    headers: dict[str, str] = dataclasses.field(default_factory=dict)
    """Headers and trailers together."""
    data: bytes = b""
    ended: bool = False
    reset: int | None = None

    @property
    def status(self) -> int | None:
        """The grpc-status."""
        return int(self.headers["grpc-status"]) if "grpc-status" in self.headers else None

    @property
    def text(self) -> str:
        """The grpc-message."""
        return self.headers.get("grpc-message", "")

    @property
    def over(self) -> bool:
        """Whether nothing more comes."""
        return self.ended or self.reset is not None


class RawConnection:
    """One connection to ``host:port``; says nothing until it is told to.

    ``generous`` makes room for more data, in the window of the connection, as it comes.

    Attributes
    ----------
    answers : dict of int to Answer
    goaways : list of (last stream, error code, text)
    closed : bool
        Whether the server ended the connection.
    """

    def __init__(
        self,
        address: str,
        *,
        tls: ssl.SSLContext | None = None,
        receive_bytes: int | None = None,
        generous: bool = True,
    ) -> None:
        host, _, port = address.rpartition(":")
        opened = socket.socket()
        if receive_bytes is not None:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        opened.settimeout(20)
        try:
            opened.connect((host, int(port)))
            self.socket = opened if tls is None else tls.wrap_socket(opened, server_hostname="localhost")
        except BaseException:
            opened.close()
            raise
        self._reset(generous)

    @classmethod
    def over(cls, connected: socket.socket) -> RawConnection:
        """Use a socket that is connected already."""
        self = cls.__new__(cls)
        self.socket = connected
        self._reset(generous=True)
        return self

    def _reset(self, generous: bool) -> None:
        self.encoder, self._decoder = hpack.Encoder(), hpack.Decoder()
        self.answers: dict[int, Answer] = {}
        self.goaways: list[tuple[int, int, str]] = []
        self.pongs = self.settings_acks = 0
        self.server_settings: dict[int, int] | None = None
        self.closed = False
        self._generous = generous
        self._buffer = b""
        self._block = b""
        self._next = 1

    def __enter__(self) -> RawConnection:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def close(self) -> None:
        self.socket.close()

    def abort(self) -> None:
        """Close with a reset, as a process that is killed does."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def send(self, *parts: bytes) -> bool:
        """Send bytes; false when the server has closed the connection."""
        try:
            self.socket.sendall(b"".join(parts))
        except OSError:
            return False
        return True

    def start(self, **values: int) -> RawConnection:
        """Send the preface and settings."""
        self.send(PREFACE, settings(**values))
        return self

    def open(
        self,
        path: str = INFER,
        body: bytes | None = None,
        *,
        end: bool = True,
        metadata: Iterable[tuple[str, str]] = (),
        **replaced: str | None,
    ) -> int:
        """Send the headers of a call, and its body when there is one; return the stream.

        ``replaced`` changes headers by name (``method``, ``content_type``, ...); None leaves one out.
        """
        stream, parts = self.build(path, body, end=end, metadata=metadata, **replaced)
        self.send(*parts)
        return stream

    def build(
        self,
        path: str = INFER,
        body: bytes | None = None,
        *,
        end: bool = True,
        metadata: Iterable[tuple[str, str]] = (),
        **replaced: str | None,
    ) -> tuple[int, list[bytes]]:
        """Like :meth:`open`, but return the frames."""
        stream = self._next
        self._next += 2
        values: dict[str, str | None] = {
            ":method": "POST",
            ":scheme": "http",
            ":path": path,
            ":authority": "localhost",
            "te": "trailers",
            "content-type": "application/grpc",
        }
        for name, value in replaced.items():
            key = f":{name}" if f":{name}" in values else name.replace("_", "-")
            values[key] = value
        pairs = [(name, value) for name, value in values.items() if value is not None]
        block = self.encoder.encode([*pairs, *metadata])
        parts = [frame(HEADERS, END_HEADERS | (END_STREAM if end and body is None else 0), stream, block)]
        if body is not None:
            parts += self.data(stream, body, end=end)
        return stream, parts

    @staticmethod
    def data(stream: int, body: bytes, *, end: bool = True) -> list[bytes]:
        """Encode DATA frames of the usual size."""
        chunks = [body[i : i + 16384] for i in range(0, len(body), 16384)] or [b""]
        last = len(chunks) - 1
        return [
            frame(DATA, END_STREAM if end and i == last else 0, stream, chunk)
            for i, chunk in enumerate(chunks)
        ]

    def reset(self, stream: int, code: int = CANCEL) -> None:
        self.send(frame(RST_STREAM, 0, stream, struct.pack(">I", code)))

    def window(self, stream: int, size: int) -> None:
        self.send(frame(WINDOW_UPDATE, 0, stream, struct.pack(">I", size)))

    def answer(self, stream: int, timeout_s: float = 20.0) -> Answer:
        """Read until a stream is over; return what came."""
        self.read_until(lambda: stream in self.answers and self.answers[stream].over, timeout_s)
        return self.answers.get(stream, Answer())

    def read_until(self, condition: Callable[[], bool], timeout_s: float = 20.0) -> None:
        """Read until a condition holds or the server closes the connection.

        Raises
        ------
        AssertionError
            When neither comes in time.
        """
        deadline = time.monotonic() + timeout_s
        while not condition() and not self.closed:
            left = deadline - time.monotonic()
            assert left > 0, f"no answer within {timeout_s} s; {self.goaways}"
            self.socket.settimeout(left)
            try:
                data = self.socket.recv(1 << 18)
            except TimeoutError:
                continue
            except OSError:
                data = b""
            if not data:
                self.closed = True
            self._buffer += data
            self._take_frames()

    def read_to_end(self, timeout_s: float = 20.0) -> None:
        """Read until the server closes the connection."""
        self.read_until(lambda: False, timeout_s)

    def _take_frames(self) -> None:
        position = 0
        while len(self._buffer) - position >= 9:
            size = int.from_bytes(self._buffer[position : position + 3], "big")
            if len(self._buffer) - position < 9 + size:
                break
            kind, flags, stream = struct.unpack(">BBI", self._buffer[position + 3 : position + 9])
            self._on_frame(kind, flags, stream & 0x7FFFFFFF, self._buffer[position + 9 : position + 9 + size])
            position += 9 + size
        self._buffer = self._buffer[position:]

    def _on_frame(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if kind == SETTINGS and flags & ACK:
            self.settings_acks += 1
        elif kind == SETTINGS:
            self.server_settings = dict(struct.iter_unpack(">HI", payload))
            self.send(frame(SETTINGS, ACK, 0))
        elif kind == PING and flags & ACK:
            self.pongs += 1
        elif kind == PING:
            self.send(frame(PING, ACK, 0, payload))
        elif kind == GOAWAY:
            last, code = struct.unpack(">II", payload[:8])
            self.goaways.append((last, code, payload[8:].decode()))
        elif kind in (DATA, HEADERS, CONTINUATION, RST_STREAM):
            self._on_answer(kind, flags, self.answers.setdefault(stream, Answer()), payload)

    def _on_answer(self, kind: int, flags: int, answer: Answer, payload: bytes) -> None:
        if kind == RST_STREAM:
            answer.reset = struct.unpack(">I", payload)[0]
            return
        if kind == DATA:
            answer.data += payload
            if self._generous and payload:
                self.window(0, len(payload))
        else:
            self._block += payload
            if flags & END_HEADERS:
                answer.headers |= dict(self._decoder.decode(self._block))
                self._block = b""
        if kind != CONTINUATION and flags & END_STREAM:
            answer.ended = True
