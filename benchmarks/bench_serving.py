"""Serving, side by side in one run: CPU per request, requests a second, latency, against empty servers.

``python -m benchmarks.bench_serving [--quick] [--json FILE] [--markdown FILE]``. Each server is loaded in
turn, round after round; a figure is the median of the rounds. Every answer is compared with what onnxruntime
itself computes, bit for bit.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path

import grpc
from rich.console import Console
from rich.table import Table

from benchmarks.contenders import CONTENDERS
from benchmarks.machine import describe_machine
from benchmarks.model import INPUT, OUTPUT, make_model, make_rows
from benchmarks.process import Server, StartError, running
from benchmarks.traffic import INFER, Traffic, WrongAnswerError, expect_answers, make_requests
from penstock.load import LoadReport, run_load

SHAPES = ((1, 1), (8, 8), (16, 32))
PRIMARY = (16, 32)


@dataclass(frozen=True, slots=True)
class Sample:
    """What one load of one server showed."""

    cpu_us: float
    throughput: float
    p50_us: float
    p99_us: float
    requests: int
    failed: int


@dataclass(slots=True)
class Row:
    """All samples of a server under one shape of load."""

    contender: str
    shape: tuple[int, int]
    samples: list[Sample] = field(default_factory=list)

    def median(self, name: str) -> float:
        return float(statistics.median(getattr(sample, name) for sample in self.samples))

    def total(self, name: str) -> int:
        return int(sum(getattr(sample, name) for sample in self.samples))


@dataclass(slots=True)
class Options:
    rounds: int
    seconds: float
    warm_s: float
    distinct: int
    only: list[str]


def measure(server: Server, traffic: Traffic, shape: tuple[int, int], options: Options) -> Sample:
    """Warm a server up, then load it for the measured time."""

    def load(seconds: float) -> LoadReport:
        return run_load(
            server.grpc,
            INFER,
            traffic.bodies,
            expected=traffic.expected,
            connections=shape[0],
            streams=shape[1],
            seconds=seconds,
        )

    load(options.warm_s)
    before_s = server.cpu_s()
    report = load(options.seconds)
    cpu_s = server.cpu_s() - before_s
    return Sample(
        cpu_us=1e6 * cpu_s / max(report.requests, 1),
        throughput=report.throughput,
        p50_us=1e6 * report.latency.p50_s,
        p99_us=1e6 * report.latency.p99_s,
        requests=report.requests,
        failed=report.failed,
    )


@contextlib.contextmanager
def started(
    options: Options, console: Console
) -> Iterator[tuple[dict[str, tuple[Server, Traffic]], dict[str, str]]]:
    """Start every contender and check one answer to each row; yield those that run, and why others do not."""
    up: dict[str, tuple[Server, Traffic]] = {}
    missing: dict[str, str] = {}
    bodies = make_requests(make_rows(options.distinct))
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        for contender in CONTENDERS:
            if options.only and contender.key not in options.only:
                continue
            try:
                server = stack.enter_context(running(contender.command(scratch)))
                traffic = (
                    expect_answers(server.grpc, contender.model(), options.distinct)
                    if contender.model
                    else Traffic(bodies, bodies)
                )
            except StartError as error:
                missing[contender.key] = str(error)
                console.print(f"{contender.label}: not measured: {error}", markup=False)
                continue
            up[contender.key] = server, traffic
        yield up, missing


def model_cost_us(options: Options) -> float:
    """Return the CPU microseconds that onnxruntime alone takes for a row, in batches of 256 on one thread."""
    import onnxruntime

    session_options = onnxruntime.SessionOptions()
    session_options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        str(make_model()), session_options, providers=["CPUExecutionProvider"]
    )
    rows = make_rows(options.distinct)
    slices = [rows[start : start + 256] for start in range(0, len(rows), 256)]
    scored, started_s = 0, time.process_time()
    while time.process_time() - started_s < min(options.seconds, 1.0):
        for part in slices:
            session.run([OUTPUT], {INPUT: part})
            scored += len(part)
    return 1e6 * (time.process_time() - started_s) / scored


@dataclass(frozen=True, slots=True)
class Target:
    """One promise, as a ratio of two figures of this run."""

    text: str
    ratio: float
    limit: float

    @property
    def met(self) -> bool:
        return self.ratio <= self.limit


def targets(rows: dict[tuple[str, tuple[int, int]], Row]) -> list[Target]:
    """Compare the native front with the references that ran."""
    found = []

    def add(
        text: str, name: str, shape: tuple[int, int], reference: str, limit: float, subject: str = "native"
    ) -> None:
        ours, theirs = rows.get((subject, shape)), rows.get((reference, shape))
        if ours and theirs and ours.samples and theirs.samples:
            found.append(Target(text, ours.median(name) / theirs.median(name), limit))

    add("server CPU a request, 16×32, over empty grpc.aio echo", "cpu_us", PRIMARY, "aio", 1 / 30)
    add("server CPU a request, 16×32, over empty gRPC C++ generic echo", "cpu_us", PRIMARY, "cc", 1 / 3)
    add("server CPU a request, 16×32, over empty gRPC C++ unary echo", "cpu_us", PRIMARY, "cc-unary", 1 / 3)
    add("median latency, 1×1, over empty gRPC C++ generic echo", "p50_us", (1, 1), "cc", 1.0)
    add("median latency, 1×1, over empty gRPC C++ unary echo", "p50_us", (1, 1), "cc-unary", 1.0)
    for reference, label, limit in (
        ("aio", "grpc.aio", 1 / 30),
        ("cc", "gRPC C++ generic", 1 / 3),
        ("cc-unary", "gRPC C++ unary", 1 / 3),
    ):
        text = f"the same for the identity model, over empty {label} echo"
        add(text, "cpu_us", PRIMARY, reference, limit, subject="native-empty")
    return found


def _ratio(row: Row, ours: Row | None) -> str:
    if ours is None or not ours.samples:
        return "–"
    return f"{row.median('cpu_us') / ours.median('cpu_us'):.1f}×"


def tabulate(
    rows: dict[tuple[str, tuple[int, int]], Row], missing: dict[str, str]
) -> tuple[list[str], list[list[str]]]:
    """Return header and cells of the result table."""
    header = [
        "server",
        "load",
        "requests/s",
        "CPU µs/request",
        "CPU, native = 1",
        "p50 µs",
        "p99 µs",
        "wrong",
    ]
    cells = []
    for shape in SHAPES:
        for contender in CONTENDERS:
            row = rows.get((contender.key, shape))
            load = f"{shape[0]}×{shape[1]}"
            if row is None or not row.samples:
                if shape == PRIMARY and contender.key in missing:
                    cells.append([contender.label, load, missing[contender.key], "", "", "", "", ""])
                continue
            cells.append([
                contender.label,
                load,
                f"{row.median('throughput'):,.0f}",
                f"{row.median('cpu_us'):.1f}",
                _ratio(row, rows.get(("native", shape))),
                f"{row.median('p50_us'):,.0f}",
                f"{row.median('p99_us'):,.0f}",
                f"{row.total('failed')} of {row.total('requests'):,}",
            ])  # fmt: skip
    return header, cells


def markdown(header: list[str], cells: list[list[str]]) -> str:
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in cells])


def parse_options(arguments: list[str] | None) -> tuple[argparse.Namespace, Options]:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench_serving", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one short round: checks that it works")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3.0, help="measured time of each load")
    parser.add_argument("--only", action="append", default=[], choices=[one.key for one in CONTENDERS])
    parser.add_argument("--json", type=Path, help="write the samples here")
    parser.add_argument("--markdown", type=Path, help="write the tables here")
    parsed = parser.parse_args(arguments)
    if parsed.quick:
        return parsed, Options(rounds=1, seconds=0.5, warm_s=0.2, distinct=512, only=parsed.only)
    return parsed, Options(parsed.rounds, parsed.seconds, warm_s=0.7, distinct=4096, only=parsed.only)


def main(arguments: list[str] | None = None) -> int:
    parsed, options = parse_options(arguments)
    console = Console(width=None if sys.stdout.isatty() else 140)
    rows: dict[tuple[str, tuple[int, int]], Row] = {}
    try:
        with started(options, console) as (up, missing):
            for turn in range(options.rounds):
                for shape in SHAPES:
                    for key, (server, traffic) in up.items():
                        row = rows.setdefault((key, shape), Row(key, shape))
                        row.samples.append(measure(server, traffic, shape, options))
                console.print(f"round {turn + 1} of {options.rounds} done", style="dim")
    except (WrongAnswerError, grpc.RpcError, ConnectionError) as error:
        console.print(f"wrong answer: {error}", markup=False)
        return 1
    header, cells = tabulate(rows, missing)
    table = Table(*header, title="Serving, one row a request")
    for cell in cells:
        table.add_row(*cell)
    model_us = model_cost_us(options)
    verdicts = targets(rows)
    console.print(describe_machine(), table)
    console.print(f"onnxruntime alone, batches of 256: {model_us:.1f} µs a row")
    for target in verdicts:
        mark = "met   " if target.met else "missed"
        console.print(f"{mark}  {target.text}: {target.ratio:.3f}, at most {target.limit:.3f}")
    failed = sum(row.total("failed") for row in rows.values())
    if parsed.json:
        samples = [{"server": key, "shape": shape, "samples": [asdict(s) for s in row.samples]}
                   for (key, shape), row in rows.items()]  # fmt: skip
        data = {"machine": describe_machine(), "rows": samples, "missing": missing, "model_us": model_us,
                "targets": [asdict(target) for target in verdicts]}  # fmt: skip
        parsed.json.write_text(json.dumps(data, indent=1))
    if parsed.markdown:
        promises = [
            [t.text, f"{t.ratio:.3f}", f"≤ {t.limit:.3f}", "met" if t.met else "missed"] for t in verdicts
        ]
        text = [describe_machine(), markdown(header, cells)]
        text += [f"onnxruntime alone, batches of 256: {model_us:.1f} µs a row."]
        text += [markdown(["target", "ratio", "limit", ""], promises)]
        parsed.markdown.write_text("\n\n".join(text) + "\n")
    console.print("no failed request" if failed == 0 else f"{failed} requests failed")
    return 1 if failed or not rows or "native" in missing else 0


if __name__ == "__main__":
    sys.exit(main())
