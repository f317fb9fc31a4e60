"""``penstock score``: files in, scored files out."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from penstock.score.progress import Progress
    from penstock.score.report import Report

__all__ = ["score"]

LOG_INTERVAL_S = 5.0


class OnError(StrEnum):
    """What happens when an input cannot be scored."""

    stop = "stop"
    skip = "skip"


class OutputFormat(StrEnum):
    """What is written."""

    parquet = "parquet"
    arrow = "arrow"


def score(
    model: Annotated[Path, typer.Argument(help="Directory of a bundle, or of a model with its versions.")],
    inputs: Annotated[
        list[str],
        typer.Argument(metavar="INPUT...", help="Parquet, Arrow and CSV files, globs, directories, URIs."),
    ],
    out: Annotated[
        str, typer.Option("--out", "-o", metavar="OUT", help="Directory or URI for the output of this run.")
    ],
    keep: Annotated[
        list[str] | None,
        typer.Option(metavar="COLUMN,...", help="Columns to carry along, unchanged. Repeatable."),
    ] = None,
    columns: Annotated[
        list[str] | None,
        typer.Option(metavar="INPUT=COLUMN,...", help="Columns that fill an input of the model. Repeatable."),
    ] = None,
    output: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME[i]=COLUMN",
            help="Output to write; [i] takes one column of a matrix, =COLUMN names it. Repeatable.",
        ),
    ] = None,
    on_error: Annotated[
        OnError, typer.Option(help="Stop at the first bad input, or skip it and say so at the end.")
    ] = OnError.stop,
    output_format: Annotated[
        OutputFormat, typer.Option("--format", help="Of the output.")
    ] = OutputFormat.parquet,
    compression: Annotated[str, typer.Option(help="zstd, snappy, gzip, lz4, brotli or none.")] = "zstd",
    batch_rows: Annotated[
        int | None, typer.Option(min=1, help="Rows of one run of the model; chosen by their width otherwise.")
    ] = None,
    unit_rows: Annotated[int, typer.Option(min=1, help="Rows of one output file, about.")] = 2**20,
    threads: Annotated[
        int | None, typer.Option(min=1, help="Runs of the model at a time; one a core otherwise.")
    ] = None,
    version: Annotated[int | None, typer.Option(metavar="N", min=1, help="The highest by default.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    digests: Annotated[
        bool | None,
        typer.Option("--digests/--no-digests", help="SHA-256 of every input; by default of local files."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was done as JSON.")] = False,
) -> None:
    """Score files. Run the same command again to go on where it was stopped.

    Exits 1 when an input could not be scored or the output not be written, 2 when the call is wrong: OUT
    belongs to another run, an input has changed since.
    """
    mapping = _mapping(columns or [])
    from penstock.score.memory import settle_allocator

    # Both before numpy and pyarrow are imported: these start threads, and read the variable.
    settle_allocator()
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    from penstock.score.score import score as run

    with _shown() as progress:
        report = run(
            model,
            inputs,
            out,
            keep=[name for names in keep or [] for name in names.split(",")],
            columns=mapping,
            outputs=output or None,
            on_error=on_error.value,
            format=output_format.value,
            compression=compression,
            batch_rows=batch_rows,
            unit_rows=unit_rows,
            threads=threads,
            version=version,
            device=device,
            digests=digests,
            progress=progress,
        )
    if as_json:
        print(json.dumps(report.to_dict()))
    else:
        _print(report)
    raise typer.Exit(1 if report.failed else 0)


def _mapping(entries: list[str]) -> dict[str, list[str]]:
    from penstock.errors import ConfigError

    mapping: dict[str, list[str]] = {}
    for entry in entries:
        name, equals, columns = entry.partition("=")
        if not (name and equals and columns):
            raise ConfigError(f"--columns: expected INPUT=COLUMN,…, got {entry!r}")
        mapping[name] = columns.split(",")
    return mapping


def _print(report: Report) -> None:
    for failure in report.failed:
        print(f"failed: {failure}", file=sys.stderr)
    before = report.rows - report.rows_scored
    kept = f" ({before:,} of them before)" if before else ""
    print(f"scored {report.rows:,} rows in {report.units:,} files{kept}: {report.out}")
    print(f"{report.seconds:,.1f} s, {report.rate:,.0f} rows/s")
    if report.failed:
        print(f"{len(report.failed)} failed: the output is not complete", file=sys.stderr)


@contextlib.contextmanager
def _shown() -> Iterator[Callable[[Progress], None]]:
    """Show a bar on a terminal, a line every few seconds elsewhere; yield what takes the progress."""
    from rich.console import Console

    console = Console(stderr=True)
    if console.is_terminal:
        with _bar(console) as take:
            yield take
        return
    said_s = time.monotonic()

    def say(progress: Progress) -> None:
        nonlocal said_s
        if time.monotonic() - said_s >= LOG_INTERVAL_S:
            said_s = time.monotonic()
            print(line(progress), file=sys.stderr, flush=True)

    yield say


@contextlib.contextmanager
def _bar(console: Any) -> Iterator[Callable[[Progress], None]]:
    from rich.progress import BarColumn, Progress, TextColumn

    bar = Progress(
        TextColumn("[cyan]score"),
        BarColumn(),
        TextColumn("{task.fields[line]}"),
        console=console,
        transient=True,
    )
    with bar:
        task = bar.add_task("score", total=None, line="")

        def take(progress: Any) -> None:
            done = progress.rows_before + progress.rows
            bar.update(task, total=progress.rows_in_all, completed=done, line=line(progress))

        yield take


def line(progress: Progress) -> str:
    """Return how far a run is, in one line.

    Examples
    --------
    >>> from penstock.score.progress import Progress
    >>> line(Progress(rows=50, rows_before=0, rows_in_all=200, units=1, failed=0, seconds=2.0))
    '50 of 200 rows, 25 rows/s, 0:00:06 left'
    """
    done = progress.rows_before + progress.rows
    parts = [
        f"{done:,} rows" if progress.rows_in_all is None else f"{done:,} of {progress.rows_in_all:,} rows"
    ]
    parts.append(f"{progress.rate:,.0f} rows/s")
    if progress.left_s is not None:
        minutes, seconds = divmod(round(progress.left_s), 60)
        parts.append(f"{minutes // 60}:{minutes % 60:02}:{seconds:02} left")
    if progress.failed:
        parts.append(f"{progress.failed} failed")
    return ", ".join(parts)
