"""``penstock drift``: what moved between a reference and data."""

from __future__ import annotations

import json
import sys
import time as clock
from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from penstock.cli.data import read_batches

if TYPE_CHECKING:
    from penstock.monitor.baseline import Baseline

__all__ = ["drift"]

_LINE_EVERY_S = 5.0
_MARK = b"penstock profile"


class Library(StrEnum):
    """Whose verdicts to give too."""

    EVIDENTLY = "evidently"
    NANNYML = "nannyml"


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
    time: Annotated[
        str, typer.Option(metavar="COLUMN", help="Compare windows by this column of time or numbers too.")
    ] = "",
    window: Annotated[
        str,
        typer.Option(
            metavar="WIDTH", help="Of a window: 1d (of time where left out), 6h, 30min, '5000 rows', 1."
        ),
    ] = "",
    multivariate: Annotated[
        bool, typer.Option("--multivariate", help="Check all features together too.")
    ] = False,
    label: Annotated[
        str, typer.Option(metavar="COLUMN", help="What was true: measure the quality of predictions.")
    ] = "",
    prediction: Annotated[
        str, typer.Option(metavar="COLUMN", help="What was predicted: a column, or NAME of NAME[0] ….")
    ] = "",
    parity: Annotated[
        Library | None,
        typer.Option(help="Give the verdicts of another library too; reads the data into memory."),
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
        raise _wrong("--columns and --exclude: expected one of them, got both")
    if html is not None and not html.parent.is_dir():
        raise _wrong(f"--html: {html.parent} is not a directory")
    if prediction and not label:
        raise _wrong("--prediction: expected --label too, the column of what was true")
    chosen = _names(columns)
    left = [*_names(exclude), *([time] if time else [])]
    extra = [name for name in (time, label) if name]

    from penstock.cli.drift_output import printed
    from penstock.monitor.offline import compare_files

    baseline = _baseline(reference, chosen, left, label=label, prediction=prediction, joint=multivariate)
    found = _names_in([*current])
    compared = _compared(baseline, found, chosen, left)
    wanted = _wanted(baseline, found, time, window, multivariate, label)
    target = baseline.quality.target.columns if baseline.quality is not None else ()
    read = [*compared, *extra, *(name for name in target if name in found)]
    report = compare_files(
        baseline,
        _shown(_batches([*current], list(dict.fromkeys(read))), "current"),
        wanted,
        columns=compared,
        false_alarms=false_alarms,
        min_effect=min_effect,
        thresholds=thresholds,
    )
    verdicts = None
    if parity is not None:
        verdicts = _verdicts(parity, reference, [*current], compared, multivariate)
    if html is not None:
        report.to_html(html)
    if as_json:
        print(json.dumps({**report.to_dict(), **({} if verdicts is None else {"parity": verdicts})}))
    else:
        printed(report, verdicts)
        if html is not None:
            print(f"wrote {html}")
    raise typer.Exit(1 if fail_on_alarm and report.alarming else 0)


def _wrong(message: str) -> Exception:
    from penstock.errors import ConfigError

    return ConfigError(message)


def _thresholds(entries: Sequence[str]) -> dict[str, float]:
    thresholds = {}
    for entry in entries:
        name, _, value = entry.partition("=")
        try:
            thresholds[name] = float(value)
        except ValueError:
            raise _wrong(f"--threshold: expected STATISTIC=VALUE, got {entry!r}") from None
    return thresholds


def _names(entries: list[str] | None) -> list[str]:
    return [name for names in entries or [] for name in names.split(",") if name]


def _wanted(
    baseline: Baseline, found: Sequence[str], time: str, window: str, multivariate: bool, label: str
) -> Any:
    from penstock.monitor.offline import Wanted
    from penstock.monitor.timeline import Cut

    if multivariate and baseline.multivariate is None:
        raise _wrong("--multivariate: the baseline has no sample of rows; pack it with --multivariate")
    if label and (baseline.quality is None or baseline.quality.target.label != label):
        raise _wrong(
            f"--label: expected a reference of data, or a baseline packed with --label {label}; "
            "this one knows of no such label"
        )
    cut = Cut.parse(window or "1d") if time or window else None
    target = None if baseline.quality is None else baseline.quality.target
    return Wanted(
        cut=cut,
        time=time,
        multivariate=multivariate,
        quality=target is not None and set(target.prediction) <= set(found),
        labelled=target is not None and target.label in found,
    )


def _baseline(
    text: str, columns: list[str], exclude: list[str], *, label: str, prediction: str, joint: bool
) -> Baseline:
    from penstock.monitor.baseline import Baseline

    kept = _saved(Path(text))
    if kept is not None:
        return Baseline.load(kept)
    if label and not prediction:
        raise _wrong("--label: expected --prediction too, the column of what was predicted")
    names = columns and _with_target([text], columns, label, prediction)
    batches = _shown(_batches([text], names, exclude), "reference")
    return Baseline.fit(batches, label=label or None, prediction=prediction or None, multivariate=joint)


def _with_target(inputs: list[str], columns: list[str], label: str, prediction: str) -> list[str]:
    if not label:
        return columns
    from penstock.monitor.quality import prediction_columns

    found = prediction_columns(prediction, _names_in(inputs))
    return list(dict.fromkeys([*columns, label, *found]))


def _saved(path: Path) -> Path | None:
    """Return the file of a baseline: the path itself or that of a bundle; None where it is data."""
    if path.is_file():
        return path if _is_baseline(path) else None
    if not path.is_dir():
        return None
    for found in sorted(path.glob("baseline.*")):
        if _is_baseline(found):
            return found
    if any((path / name).is_file() for name in ("bundle.json", "model.onnx")):
        raise _wrong(f"{path}: this bundle has no baseline; pack it with --reference, or name data")
    return None


def _is_baseline(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(_MARK)) == _MARK


def _compared(baseline: Baseline, found: Sequence[str], columns: list[str], exclude: list[str]) -> list[str]:
    """Return what to compare: features, and the outputs and labels that the data have."""
    if columns:
        return columns
    return [
        feature.name
        for feature in baseline.profile
        if feature.name not in exclude and (feature.role == "feature" or feature.name in found)
    ]


def _names_in(inputs: list[str]) -> list[str]:
    import pyarrow as pa

    from penstock.errors import SignatureError
    from penstock.score.location import expand
    from penstock.score.source import opened, recognise

    place = next(iter(expand(inputs)))
    try:
        with opened(place, recognise(place)) as reader:
            return list(reader.schema.names)
    except (pa.ArrowException, OSError, SignatureError) as error:
        raise SignatureError(f"{place.name}: cannot be read: {error}") from None


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


def _verdicts(
    library: Library, reference: str, current: list[str], columns: list[str], multivariate: bool
) -> dict[str, Any]:
    if _saved(Path(reference)) is not None:
        raise _wrong("--parity: expected a reference of data, got a baseline; other libraries need the rows")
    import pyarrow as pa

    before, after = (
        pa.Table.from_batches(list(_batches(inputs, columns))) for inputs in ([reference], current)
    )
    if library is Library.EVIDENTLY:
        from penstock.monitor.parity.evidently import verdicts

        return verdicts(before, after).to_dict()
    from penstock.monitor.parity.nannyml import univariate
    from penstock.monitor.parity.nannyml_multivariate import domain_classifier, pca_reconstruction

    found = univariate(before, after).to_dict()
    if multivariate:
        checks = (pca_reconstruction(before, after), domain_classifier(before, after))
        found["together"] = {check[0].test: [verdict.to_dict() for verdict in check] for check in checks}
    return found


def _shown(batches: Iterable[Any], what: str) -> Iterator[Any]:
    """Pass batches on; show how far the work is, on a terminal in place, otherwise every few seconds."""
    from contextlib import nullcontext

    from rich.console import Console

    console = Console(stderr=True)
    started = shown = clock.monotonic()
    rows = 0
    with console.status(f"{what}: reading") if console.is_terminal else nullcontext() as status:
        for batch in batches:
            yield batch
            rows += batch.num_rows
            now = clock.monotonic()
            line = f"{what}: {rows:,} rows, {now - started:,.0f} s"
            if status is not None:
                status.update(line)
            elif now - shown >= _LINE_EVERY_S:
                shown = now
                print(line, file=sys.stderr, flush=True)
