"""Bytes that no gRPC client sends: each is answered or cut off, and the server goes on."""

from __future__ import annotations

import contextlib
import gzip
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import raw_http2 as http2
from conftest import LIMITS, good_request, publish_models
from raw_http2 import RawConnection, frame, message
from serving import ServerProcess, wait_until

GOOD = good_request().SerializeToString()
OK, INVALID_ARGUMENT, DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED, UNIMPLEMENTED, INTERNAL = 0, 3, 4, 8, 12, 13


def cut(process: ServerProcess) -> float:
    return process.metric("penstock_front_connections_cut_total")


# What every client may do


def test_a_good_call(victim: ServerProcess) -> None:
    with RawConnection(victim.grpc).start() as client:
        answer = client.answer(client.open(body=message(GOOD)))
        assert (answer.status, answer.ended) == (OK, True)
        assert answer.headers["content-type"] == "application/grpc"
        assert len(answer.data) == 5 + int.from_bytes(answer.data[1:5], "big")


def test_a_call_in_single_bytes(victim: ServerProcess) -> None:
    with RawConnection(victim.grpc) as client:
        _, parts = client.build(body=message(GOOD))
        for byte in b"".join([http2.PREFACE, http2.settings(), *parts]):
            assert client.send(bytes([byte]))
        assert client.answer(1).status == OK


def test_many_calls_at_once(victim: ServerProcess) -> None:
    with RawConnection(victim.grpc).start() as client:
        calls = [client.build(body=message(GOOD)) for _ in range(LIMITS["streams_per_connection"])]
        client.send(*(part for _, parts in calls for part in parts))
        assert {client.answer(stream).status for stream, _ in calls} == {OK}


def test_padding_priority_and_unknown_frames(victim: ServerProcess) -> None:
    with RawConnection(victim.grpc).start() as client:
        stream, (headers, _) = client.build(body=b"")
        body = message(GOOD)
        client.send(
            frame(0xBE, 0xFF, 0, b"whatever"),
            frame(http2.PRIORITY, 0, stream, struct.pack(">IB", 0, 9)),
            headers,
            frame(0xEF, 0, stream, b""),
            frame(http2.DATA, 0x8, stream, b"\x05" + body[:7] + b"\0" * 5),
            frame(http2.DATA, 0x8 | http2.END_STREAM, stream, b"\x03" + body[7:] + b"\0" * 3),
        )
        assert client.answer(stream).status == OK


def test_trailers_from_the_client(victim: ServerProcess) -> None:
    with RawConnection(victim.grpc).start() as client:
        stream, parts = client.build(body=message(GOOD), end=False)
        block = client.encoder.encode([("x-checksum", "17"), ("grpc-timeout", "garbage")])
        ends = http2.END_HEADERS | http2.END_STREAM
        client.send(*parts, frame(http2.HEADERS, ends, stream, block))
        assert client.answer(stream).status == OK
        stream = client.open(http2.LIVE, message(b""), end=False)
        block = client.encoder.encode([("x-checksum", "17")])
        client.send(frame(http2.HEADERS, ends, stream, block))
        assert client.answer(stream).status == OK


def test_trailers_that_do_not_end_the_stream(victim: ServerProcess) -> None:
    with RawConnection(victim.grpc).start() as client:
        stream, parts = client.build(body=message(GOOD), end=False)
        block = client.encoder.encode([("x-checksum", "17")])
        client.send(*parts, frame(http2.HEADERS, http2.END_HEADERS, stream, block))
        assert client.answer(stream).reset == http2.PROTOCOL_ERROR or client.closed


# Calls that gRPC does not allow


@pytest.mark.parametrize(
    ("replaced", "status"),
    [
        ({"method": "GET"}, "405"),
        ({"method": "CONNECT", "scheme": None, "path": None}, "405"),
        ({"content_type": "application/json"}, "415"),
        ({"content_type": "application/grpc-web"}, "415"),
        ({"content_type": None}, "415"),
    ],
)
def test_http_that_is_no_grpc(victim: ServerProcess, replaced: dict[str, str | None], status: str) -> None:
    with RawConnection(victim.grpc).start() as client:
        path = replaced.get("path", http2.INFER)
        stream = client.open(path, message(GOOD), **{k: v for k, v in replaced.items() if k != "path"})  # type: ignore[arg-type]
        answer = client.answer(stream)
        assert answer.headers.get(":status") == status
        assert client.answer(client.open(body=message(GOOD))).status == OK


@pytest.mark.parametrize("content_type", ["application/grpc+proto", "application/grpc;x=y"])
def test_content_types_of_grpc(victim: ServerProcess, content_type: str) -> None:
    with RawConnection(victim.grpc).start() as client:
        assert client.answer(client.open(body=message(GOOD), content_type=content_type)).status == OK


@pytest.mark.parametrize(
    "timeout", ["", "1", "m", "1x", "-1m", "1 m", "123456789m", "1.5S", "٣m", "1mm", "0x1m"]
)
def test_a_malformed_timeout(victim: ServerProcess, timeout: str) -> None:
    with RawConnection(victim.grpc).start() as client:
        answer = client.answer(client.open(body=message(GOOD), metadata=[("grpc-timeout", timeout)]))
        assert (answer.status, "grpc-timeout" in answer.text) == (INVALID_ARGUMENT, True)


@pytest.mark.parametrize(
    ("timeout", "status"),
    [("0m", DEADLINE_EXCEEDED), ("1n", DEADLINE_EXCEEDED), ("99999999H", OK), ("00000009S", OK)],
)
def test_timeouts_at_the_edges(victim: ServerProcess, timeout: str, status: int) -> None:
    with RawConnection(victim.grpc).start() as client:
        answer = client.answer(client.open(body=message(GOOD), metadata=[("grpc-timeout", timeout)]))
        assert answer.status == status


@pytest.mark.parametrize("encoding", ["br", "gzip,deflate", "GZIP", "snappy"])
def test_an_unknown_encoding(victim: ServerProcess, encoding: str) -> None:
    with RawConnection(victim.grpc).start() as client:
        body = message(GOOD, compressed=True)
        answer = client.answer(client.open(body=body, metadata=[("grpc-encoding", encoding)]))
        assert answer.status == UNIMPLEMENTED
        assert answer.headers["grpc-accept-encoding"] == "identity,deflate,gzip"


@pytest.mark.parametrize(("encoding", "compress"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
def test_compressed_messages(
    victim: ServerProcess, encoding: str, compress: Callable[[bytes], bytes]
) -> None:
    metadata = [("grpc-encoding", encoding)]
    whole = compress(GOOD)
    limit = LIMITS["message_bytes"]
    cases = {
        whole: (OK, ""),
        b"garbage": (INTERNAL, "cannot be decompressed"),
        b"": (INTERNAL, "cannot be decompressed"),
        whole[:-1]: (INTERNAL, "cannot be decompressed"),
        whole + b"x": (INTERNAL, "cannot be decompressed"),
        compress(b"x"): (INVALID_ARGUMENT, "not a valid protobuf message"),
        compress(b"\0" * limit): (INVALID_ARGUMENT, "not a valid protobuf message"),
        compress(b"\0" * (limit + 1)): (RESOURCE_EXHAUSTED, f"exceeds the limit of {limit} bytes"),
        compress(b"\0" * 200_000_000): (RESOURCE_EXHAUSTED, f"exceeds the limit of {limit} bytes"),
    }
    with RawConnection(victim.grpc).start() as client:
        for body, (status, text) in cases.items():
            answer = client.answer(client.open(body=message(body, compressed=True), metadata=metadata))
            assert answer.status == status, body[:20]
            assert text in answer.text
        answer = client.answer(client.open(body=message(GOOD, compressed=True)))
        assert (answer.status, "names no compression" in answer.text) == (INTERNAL, True)
        answer = client.answer(client.open(body=message(GOOD), metadata=metadata))
        assert answer.status == OK


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", INTERNAL),
        (b"\0\0\0", INTERNAL),
        (message(GOOD)[:-1], INTERNAL),
        (message(GOOD) + b"\0", UNIMPLEMENTED),
        (message(GOOD) * 2, UNIMPLEMENTED),
        (b"\0" + struct.pack(">I", LIMITS["message_bytes"] + 1), RESOURCE_EXHAUSTED),
        (b"\0\xff\xff\xff\xff", RESOURCE_EXHAUSTED),
        (message(b""), 5),
    ],
)
def test_bodies_that_are_not_one_message(victim: ServerProcess, body: bytes, status: int) -> None:
    with RawConnection(victim.grpc).start() as client:
        assert client.answer(client.open(body=body)).status == status
        assert client.answer(client.open(body=message(GOOD))).status == OK


def test_a_call_without_a_body(victim: ServerProcess) -> None:
    with RawConnection(victim.grpc).start() as client:
        assert client.answer(client.open()).status == INTERNAL


def test_a_body_that_goes_on_after_its_answer(victim: ServerProcess) -> None:
    with RawConnection(victim.grpc).start() as client:
        stream = client.open(body=b"\0\xff\xff\xff\xff", end=False)
        answer = client.answer(stream)
        assert answer.status == RESOURCE_EXHAUSTED
        for _ in range(200):
            client.send(frame(http2.DATA, 0, stream, b"x" * 16384))
        assert client.answer(client.open(body=message(GOOD))).status == OK


def test_unfinished_messages_of_one_connection(victim: ServerProcess) -> None:
    """Bodies that never end hold a bounded amount of memory."""
    size = LIMITS["message_bytes"]
    body = struct.pack(">BI", 0, size) + b"\0" * (size // 2)
    with RawConnection(victim.grpc).start() as client:
        client.read_until(lambda: client.server_settings is not None)
        streams = [client.open(body=body, end=False) for _ in range(10)]
        client.read_until(lambda: any(answer.over for answer in client.answers.values()))
        (refused,) = {answer.status for answer in client.answers.values() if answer.over}
        assert refused == RESOURCE_EXHAUSTED
        assert len(streams) > len(client.answers)


def test_unfinished_messages_of_all_connections(victim: ServerProcess, tmp_path: Path) -> None:
    """Many connections together hold a bounded amount of memory too, and give it back."""
    publish_models(tmp_path)
    size = LIMITS["message_bytes"]
    body = struct.pack(">BI", 0, size) + b"\0" * (size // 2)
    limits = LIMITS | {"unfinished_bytes": 2 * size}
    process = ServerProcess(tmp_path, "native", limits=limits)
    try:
        with contextlib.ExitStack() as stack:
            clients = [stack.enter_context(RawConnection(process.grpc).start()) for _ in range(5)]
            for client in clients:
                client.read_until(lambda client=client: client.server_settings is not None)
            for client in clients[:3]:
                client.open(body=body, end=False)
            wait_until(lambda: process.metric("penstock_front_incoming_bytes") == 3 * len(body))
            refused = clients[3].answer(clients[3].open(body=body, end=False))
            wait_until(lambda: process.metric("penstock_front_incoming_bytes") == 3 * len(body))
            again = clients[4].answer(clients[4].open(body=body, end=False))
        assert refused.status == again.status == RESOURCE_EXHAUSTED
        assert "all connections" in refused.text
        wait_until(lambda: process.metric("penstock_front_incoming_bytes") == 0)
        with RawConnection(process.grpc).start() as client:
            assert client.answer(client.open(body=message(GOOD))).status == OK
    finally:
        process.close()


# Headers


def test_headers_over_the_limit(victim: ServerProcess) -> None:
    with RawConnection(victim.grpc).start() as client:
        for path in (http2.INFER, http2.LIVE):
            metadata = [(f"x-{i}", "v" * 400) for i in range(30)]
            answer = client.answer(client.open(path, message(GOOD), metadata=metadata))
            assert (answer.status, "header list" in answer.text) == (RESOURCE_EXHAUSTED, True)
        assert client.answer(client.open(body=message(GOOD))).status == OK


def test_a_header_flood(victim: ServerProcess) -> None:
    """A block whose references to one entry make it a thousand times its size."""
    before = cut(victim)
    with RawConnection(victim.grpc).start() as client:
        _, (headers,) = client.build(end=False)
        block = headers[9:] + client.encoder.encode([("x-bomb", "v" * 4000)]) + b"\xbe" * 8000
        client.send(frame(http2.HEADERS, http2.END_HEADERS, 1, block))
        client.read_to_end()
    assert cut(victim) == before + 1


def test_a_continuation_flood(victim: ServerProcess) -> None:
    with RawConnection(victim.grpc).start() as client:
        _, (headers,) = client.build(end=False)
        client.send(frame(http2.HEADERS, 0, 1, headers[9:]))
        piece = b"\0\x01x\x01y" * 3000
        for _ in range(10_000):
            if not client.send(frame(http2.CONTINUATION, 0, 1, piece)):
                break
        else:
            client.read_to_end()
    assert victim.metric("penstock_front_open_streams") <= 1


def test_an_empty_continuation_flood(victim: ServerProcess) -> None:
    with RawConnection(victim.grpc).start() as client:
        _, (headers,) = client.build(end=False)
        client.send(frame(http2.HEADERS, 0, 1, headers[9:]))
        client.send(frame(http2.CONTINUATION, 0, 1) * 1000)
        client.read_to_end()


@pytest.mark.parametrize(
    "block", [b"\xff\xff\xff\xff\xff\xff", b"\xc6", b"\x00\x7f\xff\xff", b"\x3f\xff\xff\xff\xff\x0f"]
)
def test_headers_that_do_not_decode(victim: ServerProcess, block: bytes) -> None:
    with RawConnection(victim.grpc).start() as client:
        client.send(frame(http2.HEADERS, http2.END_HEADERS, 1, block))
        client.read_to_end()
        assert client.goaways[-1][1] in (http2.COMPRESSION_ERROR, http2.PROTOCOL_ERROR, http2.INTERNAL_ERROR)


# Floods


def test_a_ping_flood(victim: ServerProcess) -> None:
    before = cut(victim)
    with RawConnection(victim.grpc).start() as client:
        client.send(frame(http2.PING, 0, 0, b"12345678") * 5000)
        client.read_to_end()
        assert ("too_many_pings", http2.ENHANCE_YOUR_CALM) in [
            (text, code) for _, code, text in client.goaways
        ]
        assert client.pongs < 5000
    assert cut(victim) == before + 1


def test_pings_between_answers(victim: ServerProcess) -> None:
    """Clients that measure the way by pings are not cut off while they work."""
    with RawConnection(victim.grpc).start() as client:
        for path, body in ((http2.INFER, GOOD), (http2.LIVE, b"")) * 10:
            client.send(frame(http2.PING, 0, 0, b"12345678") * 50)
            assert client.answer(client.open(path, message(body))).status == OK
        assert client.pongs == 1000


def test_a_settings_flood(victim: ServerProcess) -> None:
    before = cut(victim)
    with RawConnection(victim.grpc).start() as client:
        client.send(http2.settings(INITIAL_WINDOW_SIZE=65535) * 5000)
        client.read_to_end()
        assert client.settings_acks < 5000
    assert cut(victim) == before + 1


@pytest.mark.parametrize("path", [http2.INFER, http2.LIVE])
def test_rapid_reset(victim: ServerProcess, path: str) -> None:
    before = cut(victim)
    with RawConnection(victim.grpc).start() as client:
        for _ in range(50):
            parts = []
            for _ in range(100):
                stream, frames = client.build(path, end=False)
                parts += [*frames, frame(http2.RST_STREAM, 0, stream, struct.pack(">I", http2.CANCEL))]
            if not client.send(*parts):
                break
        client.read_to_end()
    assert cut(victim) == before + 1


def test_resets_of_a_client_that_works(victim: ServerProcess) -> None:
    with RawConnection(victim.grpc).start() as client:
        for _ in range(120):
            calls = [client.build(body=message(GOOD)) for _ in range(10)]
            client.send(*(part for _, parts in calls for part in parts))
            for stream, _ in calls:
                assert client.answer(stream).status == OK
            for _ in range(10):
                client.reset(client.open(body=message(GOOD)))


def test_a_flood_of_empty_data(victim: ServerProcess) -> None:
    with RawConnection(victim.grpc).start() as client:
        stream = client.open(end=False)
        client.send(frame(http2.DATA, 0, stream) * 50_000)
        client.send(*client.data(stream, message(GOOD)))
        assert client.answer(stream).status == OK


def test_a_flood_of_window_updates(victim: ServerProcess) -> None:
    with RawConnection(victim.grpc).start() as client:
        client.send(frame(http2.WINDOW_UPDATE, 0, 0, struct.pack(">I", 1)) * 50_000)
        assert client.answer(client.open(body=message(GOOD))).status == OK
        client.window(0, 0x7FFFFFFF)
        client.read_to_end()
        assert client.goaways[-1][1] == http2.FLOW_CONTROL_ERROR


def test_priorities_that_go_in_circles(victim: ServerProcess) -> None:
    with RawConnection(victim.grpc).start() as client:
        rng = np.random.default_rng(3)
        for _ in range(2000):
            a, b = (int(2 * k + 1) for k in rng.integers(500, size=2))
            if a != b:
                client.send(frame(http2.PRIORITY, 0, a, struct.pack(">IB", b | 0x80000000, 7)))
        assert client.answer(client.open(body=message(GOOD))).status == OK


@pytest.mark.parametrize("settled", [False, True])
def test_more_streams_than_allowed(victim: ServerProcess, settled: bool) -> None:
    """A client that may not know the limit yet is refused the stream; one that does is cut off."""
    count = LIMITS["streams_per_connection"]
    with RawConnection(victim.grpc).start() as client:
        if settled:
            client.read_until(lambda: client.settings_acks > 0)
        calls = [client.build(end=False) for _ in range(count + 1)]
        client.send(*(part for _, parts in calls for part in parts))
        answer = client.answer(calls[-1][0])
        if settled:
            assert (client.closed, client.goaways[-1][1]) == (True, http2.PROTOCOL_ERROR)
            return
        assert answer.reset == http2.REFUSED_STREAM
        first = calls[0][0]
        client.send(*client.data(first, message(GOOD)))
        assert client.answer(first).status == OK
        assert client.answer(client.open(body=message(GOOD))).status == OK


# Bytes that are no HTTP/2


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 512,
        b"\0" * 100,
        b"\xff" * 100_000,
        http2.PREFACE[:-1] + b"x",
        http2.PREFACE + b"\xff" * 100,
        http2.PREFACE + frame(http2.DATA, 0, 1, b"x"),
        http2.PREFACE + http2.settings() + frame(http2.DATA, 0, 1, b"x"),
        http2.PREFACE + http2.settings() + frame(http2.HEADERS, http2.END_HEADERS, 2, b"\x82"),
        http2.PREFACE + http2.settings() + frame(http2.CONTINUATION, http2.END_HEADERS, 1, b"\x82"),
        http2.PREFACE + http2.settings() + frame(http2.PUSH_PROMISE, 4, 1, b"\0\0\0\2\x82"),
        http2.PREFACE + http2.settings() + frame(http2.PING, 0, 0, b"short"),
        http2.PREFACE + http2.settings() + frame(http2.SETTINGS, 0, 0, b"12345"),
        http2.PREFACE + http2.settings() + frame(http2.SETTINGS, 0, 1),
        http2.PREFACE + http2.settings(INITIAL_WINDOW_SIZE=2**31),
        http2.PREFACE + http2.settings(MAX_FRAME_SIZE=1),
        http2.PREFACE + http2.settings() + frame(http2.WINDOW_UPDATE, 0, 0, b"\0\0\0\0"),
        http2.PREFACE + http2.settings() + frame(http2.RST_STREAM, 0, 0, b"\0\0\0\0"),
        http2.PREFACE + http2.settings() + frame(http2.DATA, 0, 1, b"x" * 70_000),
    ],
)
def test_bytes_that_break_the_protocol(victim: ServerProcess, data: bytes) -> None:
    with RawConnection(victim.grpc) as client:
        client.send(data)
        client.read_to_end()


def test_a_goaway_from_the_client(victim: ServerProcess) -> None:
    with RawConnection(victim.grpc).start() as client:
        stream, parts = client.build(body=message(GOOD))
        client.send(*parts, frame(http2.GOAWAY, 0, 0, b"\0" * 8))
        assert client.answer(stream).status == OK
        client.read_to_end()


def test_random_frames(victim: ServerProcess) -> None:
    rng = np.random.default_rng(5)
    for _ in range(60):
        with RawConnection(victim.grpc).start() as client:
            for _ in range(30):
                kind, flags, stream = (int(n) for n in rng.integers((12, 64, 8)))
                size = int(rng.choice([0, 4, 5, 8, int(rng.integers(200))]))
                if rng.random() < 0.3:
                    sent = client.send(*client.build(body=message(GOOD))[1])
                else:
                    sent = client.send(frame(kind, flags, stream, rng.bytes(size)))
                if not sent:
                    break
