"""What the demo shows: steps and progress bars on a terminal, plain lines in a log."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

__all__ = ["Display"]

LABEL_WIDTH = 12


class Display:
    """Prints the story of a run.

    Parameters
    ----------
    console : Console
    """

    def __init__(self, console: Console) -> None:
        self.console = console

    def title(self, text: str) -> None:
        """Print a headline."""
        self.console.print(Text(text, style="bold"))

    def step(self, label: str, text: str) -> None:
        """Print one thing that was done."""
        line = Text.assemble((f"  {label:<{LABEL_WIDTH}}", "cyan"), text)
        self.console.print(line, soft_wrap=True)

    def table(self, table: Table) -> None:
        """Print a table."""
        self.console.print()
        self.console.print(table)

    @contextlib.contextmanager
    def progress(self, label: str, total: int | None) -> Iterator[Callable[[int], None]]:
        """Show a bar while the block runs, on a terminal only; yield what advances it."""
        if not self.console.is_terminal:
            yield lambda rows: None
            return
        bar = Progress(
            TextColumn(f"  [cyan]{label:<{LABEL_WIDTH}}"),
            BarColumn(),
            TextColumn("{task.completed:,.0f} rows"),
            TextColumn("{task.fields[rate]:,.0f} rows/s"),
            TimeElapsedColumn(),
            console=self.console,
            transient=True,
        )
        with bar:
            task = bar.add_task(label, total=total, rate=0.0)
            began_s, done = time.perf_counter(), 0

            def advance(rows: int) -> None:
                nonlocal done
                done += rows
                bar.update(task, advance=rows, rate=done / (time.perf_counter() - began_s))

            yield advance
