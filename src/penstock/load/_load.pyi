from collections.abc import Iterable, Sequence
from typing import TypedDict

class Totals(TypedDict):
    connected: bool
    connection_error: str
    requests: int
    ok: int
    mismatches: int
    timeouts: int
    transport_errors: int
    first_transport_error: str
    unsent: int
    reconnects: int
    elapsed_ns: int
    by_code: list[int]
    messages: list[str]
    mean_ns: float
    max_ns: int
    quantiles_ns: list[int]
    histogram_ns: list[tuple[int, int]]

def run(
    host: str,
    port: int,
    authority: str,
    path: str,
    metadata: Iterable[tuple[str, str]],
    bodies: Sequence[bytes],
    expected: Sequence[bytes] | None,
    connections: int,
    streams: int,
    max_requests: int,
    max_ns: int,
    rate_per_s: float,
    timeout_ns: int,
    seed: int,
) -> Totals: ...
