"""``penstock bench``: load a running server and print what it took."""

from __future__ import annotations

import itertools
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from penstock.cli.connection import DEFAULT_ADDRESS, AddressOption, Connection
from penstock.errors import ConfigError, PenstockError, SignatureError, UnsupportedError

if TYPE_CHECKING:
    from penstock.bundle.signature import Signature
    from penstock.load import LoadReport

__all__ = ["bench"]

SWEEP = ((1, 1), (8, 8), (16, 32))


def bench(
    model: Annotated[str, typer.Argument(help="Model to score.", show_default=False)],
    address: AddressOption = DEFAULT_ADDRESS,
    version: Annotated[int | None, typer.Option(min=1, help="Version; the active one by default.")] = None,
    connections: Annotated[
        int | None, typer.Option("--connections", "-c", min=1, max=60_000, help="Connections to open.")
    ] = None,
    streams: Annotated[
        int | None,
        typer.Option("--streams", "-s", min=1, max=100_000, help="Calls in flight on each connection."),
    ] = None,
    seconds: Annotated[float, typer.Option(min=0.01, max=86_400, help="Length of a run.")] = 5.0,
    requests: Annotated[
        int | None, typer.Option("--requests", "-n", min=1, help="End a run after so many requests instead.")
    ] = None,
    rate: Annotated[
        float | None,
        typer.Option(min=0.001, help="Requests a second that arrive whatever the server does (open loop)."),
    ] = None,
    rows: Annotated[int, typer.Option(min=1, max=65_536, help="Rows in a request.")] = 1,
    distinct: Annotated[int, typer.Option(min=1, max=1_000_000, help="Different requests, at most.")] = 1024,
    data: Annotated[
        Path | None,
        typer.Option(help="Take the rows from this Parquet or Arrow file instead of random ones."),
    ] = None,
    timeout: Annotated[
        float, typer.Option(min=0.001, max=3600, help="Seconds until a call is given up.")
    ] = 10.0,
    seed: Annotated[int, typer.Option(min=0, help="Of random rows and arrivals.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Load a running server with distinct requests and print throughput and latency.

    Without --connections and --streams three loads run: 1×1, 8×8 and 16×32 connections × streams. The status
    of every answer is checked; the exit code is 1 when any request failed. The server must not use TLS.
    """
    run_load, path = _load_generator()
    signature = _signature(address, model, version)
    bodies = _bodies(model, version, signature, rows, distinct, data, seed)
    runs: list[tuple[int, int, LoadReport]] = []
    status = Console(stderr=True)
    for shape in _shapes(connections, streams):
        with status.status(f"{shape[0]} × {shape[1]} connections × streams"):
            try:
                report = run_load(
                    address,
                    path,
                    bodies,
                    connections=shape[0],
                    streams=shape[1],
                    requests=requests,
                    seconds=None if requests else seconds,
                    rate_per_s=rate,
                    timeout_s=timeout,
                    seed=seed,
                )
            except ConnectionError as error:
                raise PenstockError(str(error)) from None
        runs.append((*shape, report))
    if as_json:
        _print_json(address, model, rows, runs)
    else:
        _print_table(address, model, rows, runs)
    raise typer.Exit(1 if any(report.failed for _, _, report in runs) else 0)


def _load_generator() -> tuple[Callable[..., LoadReport], str]:
    try:
        from penstock.load import run_load
        from penstock.load.infer import INFER_PATH
    except ImportError:
        raise UnsupportedError(
            "this build has no load generator: it needs nghttp2 where the package is built"
        ) from None
    return run_load, INFER_PATH


def _shapes(connections: int | None, streams: int | None) -> tuple[tuple[int, int], ...]:
    return SWEEP if connections is None and streams is None else ((connections or 1, streams or 1),)


def _signature(address: str, model: str, version: int | None) -> Signature:
    from penstock.load.infer import signature_of

    if not address.rpartition(":")[2].isdecimal():
        raise ConfigError(f'--address: expected "host:port", got "{address}"')
    with Connection(address) as connection:
        metadata = connection.call("ModelMetadata", name=model, version=str(version or ""))
    try:
        return signature_of(metadata)
    except ValueError as error:
        raise PenstockError(f"cannot make requests for this model: {error}") from None


def _bodies(
    model: str,
    version: int | None,
    signature: Signature,
    rows: int,
    distinct: int,
    data: Path | None,
    seed: int,
) -> list[bytes]:
    from penstock.load.infer import encode_request, random_inputs, slices

    if not signature.batched:
        if data is not None or rows != 1:
            raise ConfigError(f'model "{model}" is not batched: --data and --rows do not apply')
        return [
            encode_request(model, version, signature, random_inputs(signature, 1, seed + number))
            for number in range(min(distinct, 64))
        ]
    if data is None:
        inputs, count = random_inputs(signature, rows * distinct, seed), rows * distinct
    else:
        inputs, count = _read(data, signature)
    parts = itertools.islice(slices(inputs, count, rows), distinct)
    bodies = [encode_request(model, version, signature, part) for part in parts]
    if not bodies:
        raise ConfigError(f"{data}: expected at least {rows} rows for one request, got {count}")
    return bodies


def _read(path: Path, signature: Signature) -> tuple[dict[str, Any], int]:
    import pyarrow as pa
    import pyarrow.feather
    import pyarrow.parquet

    from penstock.engine.columns import to_inputs

    names = [spec.name for spec in signature.inputs]
    try:
        table = pa.parquet.read_table(path) if path.suffix == ".parquet" else pa.feather.read_table(path)
        if set(names) <= set(table.column_names):
            table = table.select(names)
        return to_inputs(table, signature)
    except (OSError, pa.ArrowInvalid, SignatureError) as error:
        raise ConfigError(f"{path}: {error}") from None


def _print_json(address: str, model: str, rows: int, runs: list[tuple[int, int, LoadReport]]) -> None:
    data = {
        "address": address,
        "model": model,
        "rows_per_request": rows,
        "runs": [
            {"connections": connections, "streams": streams, **report.to_dict()}
            for connections, streams, report in runs
        ],
    }
    print(json.dumps(data, indent=2))


def _print_table(address: str, model: str, rows: int, runs: list[tuple[int, int, LoadReport]]) -> None:
    console = Console(width=None if sys.stdout.isatty() else 120)
    table = Table(title=f"{model} at {address}, {rows} row{'s' if rows > 1 else ''} a request")
    table.add_column("connections × streams")
    for name in ("requests", "failed", "requests/s", "p50 ms", "p90 ms", "p99 ms", "p99.9 ms", "max ms"):
        table.add_column(name, justify="right")
    for connections, streams, report in runs:
        latency = report.latency
        figures = (latency.p50_s, latency.p90_s, latency.p99_s, latency.p999_s, latency.max_s)
        table.add_row(
            f"{connections} × {streams}",
            f"{report.requests:,}",
            f"{report.failed:,}",
            f"{report.throughput:,.0f}",
            *(f"{1e3 * seconds:.3f}" for seconds in figures),
        )
    console.print(table)
    for connections, streams, report in runs:
        for line in _complaints(report):
            console.print(f"{connections} × {streams}: {line}", markup=False, soft_wrap=True)


def _complaints(report: LoadReport) -> list[str]:
    """Say what went wrong, one line a kind."""
    lines = [
        f"{count:,} answered {name}: {report.messages.get(name, '')}".rstrip(": ")
        for name, count in report.by_code.items()
        if name != "OK"
    ]
    if report.mismatches:
        lines.append(f"{report.mismatches:,} answers did not hold one message")
    if report.timeouts:
        lines.append(f"{report.timeouts:,} were not answered in time")
    if report.transport_errors:
        lines.append(f"{report.transport_errors:,} lost: {report.first_transport_error}")
    if report.unsent:
        lines.append(f"{report.unsent:,} could not be sent in time")
    return lines
