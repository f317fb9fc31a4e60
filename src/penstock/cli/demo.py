"""``penstock demo``: the whole of it, on real data, in about a minute."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from penstock.cli.serve import Front

__all__ = ["demo"]

LOG_WIDTH = 110


def demo(
    data: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Another copy of the census data.", exists=True, dir_okay=False),
    ] = None,
    repository: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Publish here and keep it; a temporary directory otherwise."),
    ] = None,
    front: Annotated[Front, typer.Option(help="auto takes the native front where it is built.")] = Front.auto,
    report: Annotated[
        Path, typer.Option(metavar="FILE", help="Where the drift report is written.", dir_okay=False)
    ] = Path("penstock-drift.html"),
    quick: Annotated[bool, typer.Option("--quick", help="Few people and small models.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures at the end as JSON.")] = False,
) -> None:
    """Train on census data, serve it, score three years over gRPC, swap a version under load, notice drift.

    Exits 1 when any request failed or any answer was wrong. Needs the extras cpu and demo.
    """
    import asyncio
    import json

    import lightgbm  # noqa: F401 - fails here, not half-way, where the extra is missing
    import onnxmltools  # noqa: F401
    import uvloop
    from rich.console import Console

    from penstock.demo.census import find_data
    from penstock.demo.display import Display
    from penstock.demo.report import print_report, to_dict
    from penstock.demo.story import Options, run

    console = Console(stderr=as_json)
    display = Display(console if console.is_terminal else Console(stderr=as_json, width=LOG_WIDTH))
    options = Options(
        data=data or find_data(), repository=repository, front=front.value, report=report, quick=quick
    )
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        outcome = runner.run(run(options, display))
    if as_json:
        print(json.dumps(to_dict(outcome)))
    else:
        print_report(outcome, display)
    raise typer.Exit(1 if outcome.problems else 0)
