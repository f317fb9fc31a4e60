"""Drive a gRPC server with unary calls and check every answer.

The compiled part is in ``csrc/load``; read ``csrc/load/run.h`` next.
"""

from __future__ import annotations

import dataclasses
import math
import re
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from penstock.load import _load

__all__ = ["CODES", "Latency", "LoadReport", "run_load"]

CODES = (
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
)
"""Names of the gRPC statuses, by number."""

_MAX_CONNECTIONS = 60_000
_MAX_STREAMS = 100_000
_MAX_MESSAGE_BYTES = 2**31 - 1
_METADATA_NAME = re.compile(r"[a-z0-9_.\-]+")
_METADATA_VALUE = re.compile(r"[\x20-\x7e]*")
_PATH = re.compile(r"/[^/\s]+/[^/\s]+")


@dataclass(frozen=True, slots=True)
class Latency:
    """Latency of the calls of one run, in seconds; each figure is within 0.8 % of the exact one.

    Answered calls count whatever their status; calls that timed out and arrivals that were never sent count
    with the time they waited, so that a server that stalls does not look fast. All zero when there were none.
    """

    p50_s: float
    p90_s: float
    p99_s: float
    p999_s: float
    max_s: float
    mean_s: float
    histogram: tuple[tuple[float, int], ...]
    """Upper edge in seconds and count of each bucket that holds any, in rising order."""


@dataclass(frozen=True, slots=True)
class LoadReport:
    """What became of the calls of one run.

    Every call that was sent is in exactly one of ``by_code``, ``timeouts`` and ``transport_errors``.
    """

    requests: int
    """Calls that were sent."""
    ok: int
    """Status OK, and the expected answer."""
    by_code: dict[str, int]
    """Answered calls by gRPC status name; names without calls are left out."""
    messages: dict[str, str]
    """The first ``grpc-message`` of each status that is not OK."""
    mismatches: int
    """Status OK, but the answer is not exactly one uncompressed message, or not the expected one."""
    transport_errors: int
    """Calls that ended without a gRPC status: stream reset, connection lost, wrong HTTP status."""
    first_transport_error: str
    timeouts: int
    """Calls without an answer after ``timeout_s``; they were cancelled."""
    unsent: int
    """Calls that were due, and for which no stream or connection was free in time."""
    reconnects: int
    elapsed_s: float
    """From the first call to the last answer; connection set-up is not in it."""
    latency: Latency

    @property
    def throughput(self) -> float:
        """Calls a second that were right."""
        return self.ok / self.elapsed_s if self.elapsed_s > 0 else 0.0

    @property
    def failed(self) -> int:
        """Calls that were not right, those that were never sent included."""
        return self.requests - self.ok + self.unsent

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as plain data for JSON, without the histogram."""
        data = dataclasses.asdict(self)
        del data["latency"]["histogram"]
        return {**data, "throughput": self.throughput, "failed": self.failed}


def run_load(
    address: str,
    path: str,
    bodies: Sequence[bytes],
    *,
    connections: int = 1,
    streams: int = 1,
    requests: int | None = None,
    seconds: float | None = None,
    rate_per_s: float | None = None,
    expected: Sequence[bytes] | None = None,
    metadata: Mapping[str, str] | None = None,
    timeout_s: float = 10.0,
    seed: int = 0,
) -> LoadReport:
    """Send unary gRPC calls over cleartext HTTP/2 and check the status and the message of every answer.

    Parameters
    ----------
    address : str
        ``host:port``; an IPv6 host in brackets.
    path : str
        ``/package.Service/Method``.
    bodies : sequence of bytes
        Serialized request messages, without the gRPC prefix; request *i* sends ``bodies[i % len(bodies)]``.
    connections, streams : int
        Connections, and calls in flight on each at most. A lower limit that the server announces is kept.
    requests : int, optional
        Calls to send.
    seconds : float, optional
        Time during which calls start; those in flight are still awaited. At least one of ``requests`` and
        ``seconds`` is needed; with both the run ends at whichever comes first.
    rate_per_s : float, optional
        Without it the loop is closed: each stream sends its next call when it has its answer. With it the
        loop is open: calls arrive by a Poisson process of this rate, wait in order while all streams are
        busy, and their latency counts from the arrival, so a slow answer does not hide the ones behind it.
    expected : sequence of bytes, optional
        The exact answer to each of ``bodies``, as many. Without it any single message will do.
    metadata : mapping of str to str, optional
        Sent with every call.
    timeout_s : float
        For connection set-up, for each call, and for an arrival that waits for a free stream.
    seed : int
        Of the arrival times.

    Returns
    -------
    LoadReport

    Raises
    ------
    ValueError
        When an argument is out of range.
    ConnectionError
        When no connection could be set up.

    Notes
    -----
    One thread, which does not hold the GIL but for an instant every 0.2 s, when Ctrl-C is noticed; several
    calls may run at once in threads. A lost connection is opened again up to four times in a row. The run
    always ends: at the latest three timeouts after the last call was due.
    """
    host, port = _resolve(address)
    _check(connections, streams, requests, seconds, rate_per_s, timeout_s)
    _check_messages(path, bodies, expected)
    totals = _load.run(
        host,
        port,
        address,
        path,
        _check_metadata(metadata or {}),
        bodies,
        expected,
        connections,
        streams,
        requests or 0,
        math.ceil((seconds or 0.0) * 1e9),
        rate_per_s or 0.0,
        math.ceil(timeout_s * 1e9),
        seed & (2**64 - 1),
    )
    if not totals["connected"]:
        raise ConnectionError(
            f"cannot reach {address} over HTTP/2: {totals['connection_error'] or 'no answer'}"
        )
    return _report(totals)


def _resolve(address: str) -> tuple[str, int]:
    host, colon, port = address.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not host or not port.isdecimal() or not 0 < int(port) < 65_536:
        raise ValueError(f'address: expected "host:port", got "{address}"')
    try:
        found = socket.getaddrinfo(host, int(port), type=socket.SOCK_STREAM)
    except OSError as error:
        raise ConnectionError(f"cannot resolve {host}: {error.strerror or error}") from None
    return str(found[0][4][0]), int(port)


def _check(
    connections: int,
    streams: int,
    requests: int | None,
    seconds: float | None,
    rate_per_s: float | None,
    timeout_s: float,
) -> None:
    if not 1 <= connections <= _MAX_CONNECTIONS:
        raise ValueError(f"connections: expected 1 to {_MAX_CONNECTIONS}, got {connections}")
    if not 1 <= streams <= _MAX_STREAMS:
        raise ValueError(f"streams: expected 1 to {_MAX_STREAMS}, got {streams}")
    if requests is None and seconds is None:
        raise ValueError("expected requests or seconds, got neither: the run would not end")
    if requests is not None and not 1 <= requests < 2**62:
        raise ValueError(f"requests: expected at least 1, got {requests}")
    for name, value in (("seconds", seconds), ("rate_per_s", rate_per_s), ("timeout_s", timeout_s)):
        if value is not None and not 0 < value < 1e9:
            raise ValueError(f"{name}: expected a positive number, got {value}")


def _check_messages(path: str, bodies: Sequence[bytes], expected: Sequence[bytes] | None) -> None:
    if not _PATH.fullmatch(path) or not path.isascii():
        raise ValueError(f'path: expected "/package.Service/Method", got "{path}"')
    if not bodies:
        raise ValueError("bodies: expected at least one message, got none")
    if expected is not None and len(expected) != len(bodies):
        raise ValueError(
            f"expected: expected one answer for each of {len(bodies)} bodies, got {len(expected)}"
        )
    for name, messages in (("bodies", bodies), ("expected", expected or ())):
        for index, message in enumerate(messages):
            if not isinstance(message, bytes):
                raise ValueError(f"{name}[{index}]: expected bytes, got {type(message).__name__}")
            if len(message) > _MAX_MESSAGE_BYTES:
                raise ValueError(
                    f"{name}[{index}]: expected at most {_MAX_MESSAGE_BYTES} bytes, got {len(message)}"
                )


def _check_metadata(metadata: Mapping[str, str]) -> list[tuple[str, str]]:
    for name, value in metadata.items():
        if not _METADATA_NAME.fullmatch(name) or not _METADATA_VALUE.fullmatch(value):
            raise ValueError(
                f"metadata: expected a lower-case name and a printable ASCII value, got {name!r}"
            )
    return list(metadata.items())


def _report(totals: _load.Totals) -> LoadReport:
    p50, p90, p99, p999 = (ns / 1e9 for ns in totals["quantiles_ns"])
    latency = Latency(
        p50_s=p50,
        p90_s=p90,
        p99_s=p99,
        p999_s=p999,
        max_s=totals["max_ns"] / 1e9,
        mean_s=totals["mean_ns"] / 1e9,
        histogram=tuple((upper / 1e9, count) for upper, count in totals["histogram_ns"]),
    )
    messages = zip(CODES, totals["messages"], strict=True)
    return LoadReport(
        requests=totals["requests"],
        ok=totals["ok"],
        by_code={name: count for name, count in zip(CODES, totals["by_code"], strict=True) if count},
        messages={name: unquote(message) for name, message in messages if message},
        mismatches=totals["mismatches"],
        transport_errors=totals["transport_errors"],
        first_transport_error=totals["first_transport_error"],
        timeouts=totals["timeouts"],
        unsent=totals["unsent"],
        reconnects=totals["reconnects"],
        elapsed_s=totals["elapsed_ns"] / 1e9,
        latency=latency,
    )
