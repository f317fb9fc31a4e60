"""The ``penstock`` command: registers the subcommands and turns errors into exit codes.

Modules of commands import what they need inside the command, so that ``--help`` and a wrong
call answer at once.
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from penstock import __version__
from penstock.cli.bench import bench
from penstock.cli.demo import demo
from penstock.cli.drift import drift
from penstock.cli.fit import fit
from penstock.cli.models import models
from penstock.cli.pack import pack
from penstock.cli.score import score
from penstock.cli.serve import serve
from penstock.errors import ConfigError, PenstockError

__all__ = ["app", "main"]

DONE, FAILED, WRONG_CALL, INTERRUPTED = 0, 1, 2, 130

_EXTRAS = {
    "onnxruntime": "cpu",
    "pyspark": "spark",
    "ray": "ray",
    "lightgbm": "demo",
    "onnx": "demo",
    "onnxmltools": "demo",
    "skl2onnx": "demo",
    "sklearn": "demo",
}
"""The extra that brings a package which not every installation needs."""

app = typer.Typer(
    name="penstock",
    help="Serve machine-learning models over gRPC: fast, observable, swapped without a pause.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"penstock {__version__}")
        raise typer.Exit


@app.callback(epilog="Start with: penstock demo")
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit."),
    ] = False,
) -> None:
    """Options that come before a command."""


app.command(epilog="Example: penstock serve models --watch")(serve)
app.command(epilog="Example: penstock pack employment model.onnx --repository models")(pack)
app.command(epilog="Example: penstock score models/employment in/*.parquet -o scored --keep id")(score)
app.command(epilog="Example: penstock fit features.toml train.parquet -o transform.arrow")(fit)
app.add_typer(models, name="models")
app.command(epilog="Example: penstock bench employment --connections 16 --streams 32")(bench)
app.command(epilog="Example: penstock drift train.parquet today.parquet --html drift.html")(drift)
app.command(epilog="Example: penstock demo")(demo)


def main() -> None:
    """Run the command line; exit 0 when done, 1 when the work failed, 2 when the call was wrong."""
    try:
        app()
    except PenstockError as error:
        _fail(str(error), WRONG_CALL if isinstance(error, ConfigError) else FAILED)
    except ModuleNotFoundError as error:
        extra = _EXTRAS.get((error.name or "").partition(".")[0])
        if extra is None:
            raise
        _fail(f"{error.name} is not installed; install it with: pip install 'penstock[{extra}]'", FAILED)
    except KeyboardInterrupt:
        _fail("interrupted", INTERRUPTED)


def _fail(message: str, code: int) -> None:
    print(f"penstock: {message}", file=sys.stderr)
    sys.exit(code)
