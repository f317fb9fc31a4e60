"""``penstock drift``: what moved between a reference and data."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from penstock.cli.data import read_batches

if TYPE_CHECKING:
    from penstock.monitor.baseline import Baseline
    from penstock.monitor.report import DriftReport

__all__ = ["drift"]

_LINE_EVERY_S = 5.0
_MARK = b"penstock profile"


def drift(
    reference: Annotated[
        str,
        typer.Argument(metavar="REFERENCE", help="A bundle, a saved baseline, or data: file, pattern, URI."),
    ],
    current: Annotated[
        list[str],
        typer.Argument(
            metavar="CURRENT...", help="Parquet, Arrow or CSV: files, directories, patterns, URIs."
        ),
    ],
    false_alarms: Annotated[
        float,
        typer.Option(metavar="P", help="The chance that anything alarms when nothing moved."),
    ] = 0.01,
    min_effect: Annotated[
        float,
        typer.Option(
            metavar="SHARE", help="The smallest change in the share of rows that may alarm, 0 to 1."
        ),
    ] = 0.0,
    threshold: Annotated[
        list[str] | None,
        typer.Option(metavar="STATISTIC=VALUE", help="Alarm by fixed thresholds instead. Repeatable."),
    ] = None,
    columns: Annotated[
        list[str] | None, typer.Option(metavar="COLUMN,...", help="Compare these only. Repeatable.")
    ] = None,
    exclude: Annotated[
        list[str] | None, typer.Option(metavar="COLUMN,...", help="Compare all but these. Repeatable.")
    ] = None,
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write a report that opens offline.", dir_okay=False)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was found as JSON.")] = False,
    fail_on_alarm: Annotated[
        bool, typer.Option("--fail-on-alarm", help="Exit 1 when anything alarms.")
    ] = False,
) -> None:
    """Compare data with a reference, feature by feature, at a stated chance of a false alarm.

    Exits 0 when compared, whether anything alarms or not; 1 when the data cannot be read, or with
    --fail-on-alarm when anything alarms; 2 when the call is wrong.
    """
    thresholds = _thresholds(threshold or [])
    if columns and exclude:
        from penstock.errors import ConfigError

        raise ConfigError("--columns and --exclude: expected one of them, got both")
    if html is not None and not html.parent.is_dir():
        from penstock.errors import ConfigError

        raise ConfigError(f"--html: {html.parent} is not a directory")
    from penstock.monitor.drift import drift as compare

    baseline = _baseline(reference, _names(columns), _names(exclude))
    wanted = _wanted(baseline, [*current], _names(columns), _names(exclude))
    report = compare(
        baseline,
        _shown(_batches([*current], wanted), "current"),
        false_alarms=false_alarms,
        min_effect=min_effect,
        thresholds=thresholds,
        columns=wanted,
    )
    if html is not None:
        report.to_html(html)
    if as_json:
        print(json.dumps(report.to_dict()))
    else:
        _print(report, html)
    raise typer.Exit(1 if fail_on_alarm and report.alarms else 0)


def _thresholds(entries: Sequence[str]) -> dict[str, float]:
    from penstock.errors import ConfigError

    thresholds = {}
    for entry in entries:
        name, _, value = entry.partition("=")
        try:
            thresholds[name] = float(value)
        except ValueError:
            raise ConfigError(f"--threshold: expected STATISTIC=VALUE, got {entry!r}") from None
    return thresholds


def _names(entries: list[str] | None) -> list[str]:
    return [name for names in entries or [] for name in names.split(",") if name]


def _baseline(text: str, columns: list[str], exclude: list[str]) -> Baseline:
    from penstock.monitor.baseline import Baseline

    kept = _saved(Path(text))
    if kept is not None:
        return Baseline.load(kept)
    return Baseline.fit(_shown(_batches([text], columns, exclude), "reference"))


def _saved(path: Path) -> Path | None:
    """Return the file of a baseline: the path itself or that of a bundle; None where it is data."""
    from penstock.errors import ConfigError

    if path.is_file():
        return path if _is_profile(path) else None
    if not path.is_dir():
        return None
    for found in sorted(path.glob("baseline.*")):
        if _is_profile(found):
            return found
    if any((path / name).is_file() for name in ("bundle.json", "model.onnx")):
        raise ConfigError(f"{path}: this bundle has no baseline; pack it with --reference, or name data")
    return None


def _is_profile(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(_MARK)) == _MARK


def _wanted(baseline: Baseline, current: list[str], columns: list[str], exclude: list[str]) -> list[str]:
    """Return what to compare: features, and the outputs that the data have."""
    if columns:
        return columns
    outputs = {feature.name for feature in baseline.profile if feature.role == "output"}
    absent = outputs - set(_names_in(current)) if outputs else outputs
    return [
        feature.name
        for feature in baseline.profile
        if feature.role != "label" and feature.name not in exclude and feature.name not in absent
    ]


def _names_in(inputs: list[str]) -> list[str]:
    from penstock.score.location import expand
    from penstock.score.source import opened, recognise

    place = next(iter(expand(inputs)))
    with opened(place, recognise(place)) as reader:
        return list(reader.schema.names)


def _batches(inputs: list[str], columns: list[str], exclude: Sequence[str] = ()) -> Iterator[Any]:
    """Yield the record batches of files; all columns that can be compared where none is named."""
    from penstock.score.location import expand

    return read_batches(expand(inputs), lambda schema: columns or _comparable(schema, exclude))


def _comparable(schema: Any, exclude: Sequence[str]) -> list[str]:
    """Return the columns of numbers and text; say which others are left out."""
    import pyarrow.types as is_

    kept: list[str] = []
    left: list[str] = []
    for field in schema:
        kind = field.type.value_type if is_.is_dictionary(field.type) else field.type
        plain = is_.is_integer(kind) or is_.is_floating(kind) or is_.is_boolean(kind) or is_.is_null(kind)
        text = is_.is_string(kind) or is_.is_large_string(kind) or is_.is_string_view(kind)
        if field.name in exclude:
            continue
        (kept if plain or text else left).append(field.name)
    if left:
        print(f"left out, neither numbers nor text: {', '.join(left)}", file=sys.stderr)
    return kept


def _shown(batches: Iterable[Any], what: str) -> Iterator[Any]:
    """Pass batches on; show how far the work is, on a terminal in place, otherwise every few seconds."""
    from contextlib import nullcontext

    from rich.console import Console

    console = Console(stderr=True)
    started = shown = time.monotonic()
    rows = 0
    with console.status(f"{what}: reading") if console.is_terminal else nullcontext() as status:
        for batch in batches:
            yield batch
            rows += batch.num_rows
            now = time.monotonic()
            line = f"{what}: {rows:,} rows, {now - started:,.0f} s"
            if status is not None:
                status.update(line)
            elif now - shown >= _LINE_EVERY_S:
                shown = now
                print(line, file=sys.stderr, flush=True)


def _print(report: DriftReport, html: Path | None) -> None:
    from rich.console import Console

    console = Console(width=None if sys.stdout.isatty() else 140)
    console.print(report.to_table())
    console.print(
        f"{len(report.alarms)} of {len(report)} features moved; {report.n_reference:,} reference rows, "
        f"{report.n_current:,} current",
        highlight=False,
    )
    for note in report.notes:
        console.print(f"note: {note}", highlight=False, markup=False)
    if html is not None:
        print(f"wrote {html}")
