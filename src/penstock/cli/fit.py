"""``penstock fit``: learn a transform from data."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from penstock.cli.data import read_batches

if TYPE_CHECKING:
    from penstock.transform.fit import Fitted
    from penstock.transform.fit.recipe import Recipe

__all__ = ["fit"]

_LINE_EVERY_S = 5.0
_UPDATE_EVERY_S = 0.1


def fit(
    recipe: Annotated[
        Path,
        typer.Argument(metavar="SPEC.toml", help="Features and their steps.", exists=True, dir_okay=False),
    ],
    data: Annotated[
        list[str],
        typer.Argument(metavar="DATA", help="Parquet, Arrow or CSV: files, directories, patterns, URIs."),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="Where the transform goes.")],
    target: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="What target encodings learn; else as the file says.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was fitted as JSON.")] = False,
) -> None:
    """Learn a transform from data that need not fit in memory, and write it to one file."""
    wanted = _read_recipe(recipe)
    if not output.parent.is_dir():
        from penstock.errors import ConfigError

        raise ConfigError(f"--output: {output.parent} is not a directory")
    from penstock.transform.fit import fit_with_report
    from penstock.transform.transform import Transform

    goal = target or wanted.target
    with _shown() as progress:
        fitted = fit_with_report(
            wanted.features, _batches(wanted, goal, data), wanted.dtype, goal, progress=progress
        )
    Transform(fitted.spec).save(output)
    report = _report(fitted, output)
    if as_json:
        print(json.dumps(report))
    else:
        _print(report)


def _read_recipe(path: Path) -> Recipe:
    import tomllib

    from penstock.errors import ConfigError
    from penstock.transform.fit.recipe import parse_recipe

    try:
        plain = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from None
    return parse_recipe(plain, str(path))


def _batches(recipe: Recipe, target: str | None, inputs: list[str]) -> Callable[[], Iterator[Any]]:
    """Return what reads the columns that are needed, from the first file to the last, each time."""
    from penstock.score.location import expand
    from penstock.transform.fit.chain import columns_needed

    columns = list(dict.fromkeys(name for feature in recipe.features for name in columns_needed(feature)))
    if target is not None and target not in columns:
        columns.append(target)
    places = expand(inputs)
    return lambda: read_batches(places, lambda schema: columns)


@contextmanager
def _shown() -> Iterator[Callable[[int, int, int], None]]:
    """Show how far the work is: on a terminal in one line, otherwise in a line every few seconds."""
    from rich.console import Console

    console = Console(stderr=True)
    started = shown = time.monotonic()

    def tell(number: int, passes: int, rows: int) -> None:
        nonlocal shown
        now = time.monotonic()
        if now - shown < (_UPDATE_EVERY_S if console.is_terminal else _LINE_EVERY_S):
            return
        shown = now
        line = f"pass {number} of {passes}: {rows:,} rows, {now - started:,.0f} s"
        if status is not None:
            status.update(line)
        else:
            print(line, file=sys.stderr)

    with console.status("reading") if console.is_terminal else nullcontext() as status:
        yield tell


def _report(fitted: Fitted, output: Path) -> dict[str, Any]:
    return {
        "path": str(output),
        "digest": fitted.spec.digest,
        "rows": fitted.rows,
        "passes": fitted.passes,
        "columns": {column.name: column.type for column in fitted.spec.columns},
        "features": [
            {"feature": feature.label, "steps": [step.op for step in feature.steps], "outputs": list(names)}
            for feature, names in fitted.features
        ],
        "outputs": {one.name: {"dtype": one.dtype, "width": len(one.values)} for one in fitted.spec.outputs},
        "notes": list(fitted.notes),
    }


def _print(report: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table("feature", "steps", "outputs", box=None, header_style="bold")
    table.columns[2].justify = "right"
    for row in report["features"]:
        table.add_row(Text(row["feature"]), ", ".join(row["steps"]) or "as it is", str(len(row["outputs"])))
    Console(soft_wrap=True).print(table)
    passes = "1 pass" if report["passes"] == 1 else f"{report['passes']} passes"
    print(f"fitted on {report['rows']:,} rows in {passes}")
    for note in report["notes"]:
        print(f"note: {note}")
    for name, one in report["outputs"].items():
        print(f"output {name}: {one['width']} columns of {one['dtype']}")
    print(f"digest {report['digest']}")
    print(f"wrote {report['path']}")
