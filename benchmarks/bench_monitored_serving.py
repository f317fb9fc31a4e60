"""Serving with monitoring on beside the same with it off, in turns: what watching costs.

``python -m benchmarks.bench_monitored_serving [--quick] [--rounds N] [--markdown FILE]``. The benchmark model
with a baseline of 20,000 rows, 30 float32 features, one row a request, 16 connections × 32 streams. For each
setting two servers are loaded in turn; a figure is the median over the rounds of the ratio of neighbours.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.table import Table

import penstock
from benchmarks.bench_serving import Options, Sample, markdown, measure
from benchmarks.machine import describe_machine
from benchmarks.model import FEATURES, NAME, make_model, make_rows
from benchmarks.process import python, running
from benchmarks.traffic import expect_answers

SHAPE = (16, 32)
LIMIT = 0.05
REFERENCE_ROWS = 20_000
SETTINGS = {
    "off": "enabled = false",
    "on": "",
    "on, prediction log of 1 %": "log = {{ directory = '{folder}', sample = 0.01 }}",
    "on, prediction log of all": "log = {{ directory = '{folder}' }}",
}


@dataclass(frozen=True, slots=True)
class Cost:
    """Medians of one setting, and of its ratios to monitoring off."""

    name: str
    throughput: float
    p99_us: float
    cpu_us: float
    throughput_ratio: float
    p99_ratio: float
    cpu_ratio: float

    @property
    def met(self) -> bool:
        """Whether throughput and p99 are within the limit."""
        return self.throughput_ratio >= 1 - LIMIT and self.p99_ratio <= 1 + LIMIT


def make_repository(root: Path) -> Path:
    """Pack the model with a baseline."""
    rows = make_rows(REFERENCE_ROWS, seed=1)
    reference = {f"f{index}": rows[:, index] for index in range(FEATURES)}
    penstock.pack(NAME, make_model(), repository=root, reference=reference)
    return root


def command(scratch: Path, repository: Path, name: str) -> list[str]:
    folder = scratch / name.replace(" ", "-")
    config = scratch / f"{folder.name}.toml"
    config.write_text(
        f'[server]\nrepository = "{repository}"\ngrpc = "127.0.0.1:0"\nhttp = "127.0.0.1:0"\n'
        f'front = "native"\nintra_op_threads = 1\nlog_level = "error"\n\n'
        f"[models.{NAME}.monitor]\n{SETTINGS[name].format(folder=folder)}\n"
    )
    return python("-m", "penstock", "serve", "--config", str(config))


def run(options: Options, names: Mapping[str, str]) -> list[Cost]:
    pairs: dict[str, list[tuple[Sample, Sample]]] = {}
    with TemporaryDirectory() as folder:
        scratch = Path(folder)
        repository = make_repository(scratch / "models")
        for name in names:
            if name != "off":
                pairs[name] = run_pair(options, scratch, repository, name)
    samples = [sample for found in pairs.values() for pair in found for sample in pair]
    if any(sample.failed for sample in samples):
        raise RuntimeError("some requests failed")
    figures = ("throughput", "p99_us", "cpu_us")

    def median(samples: Iterable[Sample], figure: str) -> float:
        return statistics.median(getattr(sample, figure) for sample in samples)

    offs = [off for found in pairs.values() for off, _ in found]
    costs = [Cost("off", *(median(offs, figure) for figure in figures), 1.0, 1.0, 1.0)]
    for name, found in pairs.items():
        ratios = (
            statistics.median(getattr(on, figure) / getattr(off, figure) for off, on in found)
            for figure in figures
        )
        costs.append(Cost(name, *(median([on for _, on in found], figure) for figure in figures), *ratios))
    return costs


def run_pair(options: Options, scratch: Path, repository: Path, name: str) -> list[tuple[Sample, Sample]]:
    """Load a server with monitoring off and one of this setting in turns; no other server runs meanwhile."""
    with (
        running(command(scratch, repository, "off")) as off,
        running(command(scratch, repository, name)) as on,
    ):
        traffic = [expect_answers(server.grpc, make_model(), options.distinct) for server in (off, on)]
        pairs = []
        for turn in range(options.rounds):
            both = [(off, traffic[0]), (on, traffic[1])]
            order = both if turn % 2 else both[::-1]
            found = {id(server): measure(server, sent, SHAPE, options) for server, sent in order}
            pairs.append((found[id(off)], found[id(on)]))
    return pairs


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench_monitored_serving", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one short round: checks that it works")
    # Many short turns: what comes and goes on a machine falls on neighbours alike.
    parser.add_argument("--rounds", type=int, default=51)
    parser.add_argument("--seconds", type=float, default=0.6)
    parser.add_argument("--markdown", type=Path, help="write the table here")
    parsed = parser.parse_args(arguments)
    options = Options(parsed.rounds, parsed.seconds, warm_s=0.1, distinct=4096, only=[])
    if parsed.quick:
        options = Options(1, 0.5, warm_s=0.2, distinct=512, only=[])
    costs = run(options, SETTINGS)
    header = ["monitoring", "requests/s", "p99 µs", "CPU µs", "requests/s, off = 1", "p99", "CPU", ""]
    cells = [
        [
            cost.name,
            f"{cost.throughput:,.0f}",
            f"{cost.p99_us:,.0f}",
            f"{cost.cpu_us:.2f}",
            *(f"{value:.3f}" for value in (cost.throughput_ratio, cost.p99_ratio, cost.cpu_ratio)),
            ("met" if cost.met else "missed") if cost.name == "on" else "",
        ]
        for cost in costs
    ]
    load = f"{SHAPE[0]}×{SHAPE[1]}"
    table = Table(*header, title=f"{FEATURES} features, {load}, at most {LIMIT:.0%} either way")
    for row in cells:
        table.add_row(*row)
    Console(width=None if sys.stdout.isatty() else 140).print(describe_machine(), table)
    if parsed.markdown:
        parsed.markdown.write_text("\n\n".join([describe_machine(), markdown(header, cells)]) + "\n")
    return 0 if parsed.quick or all(cost.met for cost in costs if cost.name == "on") else 1


if __name__ == "__main__":
    sys.exit(main())
