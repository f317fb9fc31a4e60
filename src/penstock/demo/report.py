"""The tables at the end of the demo."""

from __future__ import annotations

from typing import Any

from rich.table import Table

from penstock.demo.display import Display
from penstock.demo.story import COMPILED, Outcome, Served
from penstock.demo.traffic import Tally

__all__ = ["print_report", "to_dict"]


def print_report(outcome: Outcome, display: Display) -> None:
    """Print accuracy by year, traffic by phase and batch sizes by version."""
    display.table(_accuracy(outcome))
    if len(outcome.versions) > 1:
        display.console.print("  * trained on this year too", style="dim")
    display.table(_traffic(outcome))
    for note in _notes(outcome):
        display.console.print(f"  {note}", style="dim")
    display.table(_batches(outcome))
    display.console.print()
    for problem in outcome.problems:
        display.console.print(f"FAILED  {problem}", style="bold red", markup=False, soft_wrap=True)
    if not outcome.problems:
        total = sum(tally.requests for tally in outcome.phases.values())
        total += 0 if outcome.capacity is None else outcome.capacity.requests
        display.console.print(f"{total:,} requests, none failed", style="bold green")


def to_dict(outcome: Outcome) -> dict[str, Any]:
    """Return the same figures as plain data for JSON."""
    return {
        "front": "native" if outcome.native else "grpcio",
        "versions": outcome.versions,
        "accuracy": outcome.accuracy,
        "traffic": {phase: _figures(tally) for phase, tally in outcome.phases.items()},
        "batches": {
            phase: {"mean_rows": served.mean_rows, "mean_ms": served.mean_ms}
            for phase, served in outcome.served.items()
        },
        "compiled_client": None if outcome.capacity is None else outcome.capacity.to_dict(),
        "alarms": outcome.alarms,
        "alert": outcome.alert,
        "report": None if outcome.report is None else str(outcome.report),
        "problems": outcome.problems,
    }


def _notes(outcome: Outcome) -> list[str]:
    notes = [
        "latency as the client saw it, on the same cores as the server; every row compared with LightGBM's"
    ]
    if outcome.capacity is not None:
        notes.append("compiled client: one row a request, every status checked")
    return notes


def _figures(tally: Tally) -> dict[str, float]:
    return {
        "requests": tally.requests,
        "failures": tally.failures,
        "rows": tally.rows,
        "requests_per_s": tally.requests / max(tally.elapsed_s, 1e-9),
        "rows_per_s": tally.rows / max(tally.elapsed_s, 1e-9),
        "p50_ms": tally.latency_ms(50),
        "p99_ms": tally.latency_ms(99),
    }


def _table(title: str, first: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", header_style="bold")
    table.add_column(first, no_wrap=True)
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    return table


def _accuracy(outcome: Outcome) -> Table:
    table = _table("Accuracy", "year", "people", *(f"version {version}" for version in outcome.versions))
    first = min(outcome.accuracy, default=0)
    for year, by_version in outcome.accuracy.items():
        cells = [
            f"{by_version[version]:.4f}{'*' if number and year == first else ' '}"
            for number, version in enumerate(outcome.versions)
        ]
        table.add_row(str(year), f"{outcome.people[year]:,}", *cells)
    return table


def _traffic(outcome: Outcome) -> Table:
    columns = ("requests", "failed", "rows", "requests/s", "rows/s", "p50 ms", "p99 ms")
    table = _table("Requests of 1 to 300 rows, many at once, from a grpcio client", "while", *columns)
    for phase, tally in outcome.phases.items():
        figures = _figures(tally)
        counts = [
            f"{figures[key]:,.0f}" for key in ("requests", "failures", "rows", "requests_per_s", "rows_per_s")
        ]
        table.add_row(phase, *counts, f"{figures['p50_ms']:.2f}", f"{figures['p99_ms']:.2f}")
    if outcome.capacity is not None:
        load = outcome.capacity
        table.add_section()
        table.add_row(
            COMPILED,
            *(f"{count:,}" for count in (load.requests, load.failed, load.ok)),
            *(f"{load.throughput:,.0f}",) * 2,
            *(f"{1e3 * seconds:.2f}" for seconds in (load.latency.p50_s, load.latency.p99_s)),
        )
    return table


def _batches(outcome: Outcome) -> Table:
    table = _table("Rows in a batch, and time in the server", "", *outcome.served)
    bounds = sorted({bound for served in outcome.served.values() for bound in served.batches})
    for lower, bound in zip((0.0, *bounds), bounds, strict=False):
        table.add_row(_class(lower, bound), *(_share(served, bound) for served in outcome.served.values()))
    table.add_section()
    table.add_row("mean rows in a batch", *(f"{served.mean_rows:.1f}" for served in outcome.served.values()))
    table.add_row(
        "mean ms, arrival to answer", *(f"{served.mean_ms:.2f}" for served in outcome.served.values())
    )
    return table


def _class(lower: float, bound: float) -> str:
    if bound == float("inf"):
        return f"over {lower:,.0f}"
    return f"{bound:,.0f}" if bound - lower <= 1 else f"{lower + 1:,.0f} – {bound:,.0f}"


def _share(served: Served, bound: float) -> str:
    return f"{100 * served.batches.get(bound, 0) / max(sum(served.batches.values()), 1):.1f} %"
