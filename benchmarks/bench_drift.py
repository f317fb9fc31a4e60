"""Offline drift beside Evidently, NannyML and whylogs, in one run; and the memory of the command.

``python -m benchmarks.bench_drift [--quick] [--rounds N] [--only {speed,memory}] [--markdown FILE]``. Each
peer has an environment of its own (peers/environment.py), and every side is a process that holds the same two
frames and measures itself in turn.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table

from benchmarks.bench_serving import markdown
from benchmarks.machine import describe_machine
from benchmarks.peers.environment import Environment, MissingError
from benchmarks.process import ROOT

ROWS, QUICK_ROWS, COLUMNS = 100_000, 5_000, 20
SIDES = ("reference", "current")
MOVED = ("f16", "f17", "f18", "f19")
SHIFT = 0.3
"""Standard deviations by which those columns move: every peer has to see it, and we nothing else."""

OURS = "penstock"
WIDE = 200
MILLIONS = 10
FLAT = 0.10
ROW_GROUP = 65_536

QUIET = {"DO_NOT_TRACK": "1", "NML_DISABLE_USAGE_LOGGING": "1", "WHYLOGS_NO_ANALYTICS": "True"}
"""Without these, NannyML tells its makers of every call, and waits for the network."""

EVIDENTLY = Environment("evidently", ("evidently==0.7.23", "numpy==2.4.6", "pandas==2.3.3"))
NANNYML = Environment("nannyml", ("nannyml==0.13.1", "numpy==2.4.6", "pandas==3.1.1", "statsmodels==0.15.0"))
WHYLOGS = Environment("whylogs", ("whylogs[viz]==1.6.4", "numpy==2.4.6", "pandas==2.3.3", "setuptools<81"))


@dataclass(frozen=True, slots=True)
class Side:
    """One side of the comparison, and how many times faster than it Penstock is to be."""

    label: str
    script: str
    arguments: tuple[str, ...] = ()
    environment: Environment | None = None
    """None for this interpreter."""
    limit: float | None = None

    def python(self, create: bool) -> str:
        return sys.executable if self.environment is None else str(self.environment.python(create))


SIDES_COMPARED = (
    Side(OURS, "penstock_drift", ("pandas",)),
    Side("penstock, Arrow", "penstock_drift", ("arrow",)),
    Side("penstock, one thread", "penstock_drift", ("pandas", "1")),
    Side("Evidently, DataDriftPreset", "evidently_drift", environment=EVIDENTLY, limit=200),
    Side("NannyML, univariate", "nannyml_drift", ("jensen_shannon",), NANNYML, limit=20),
    Side(
        "NannyML, its four methods",
        "nannyml_drift",
        ("jensen_shannon,kolmogorov_smirnov,wasserstein,hellinger",),
        NANNYML,
    ),
    Side("whylogs, profiles and scores", "whylogs_drift", environment=WHYLOGS, limit=50),
)


@dataclass(frozen=True, slots=True)
class Timing:
    """Medians of one side over the rounds; of its ratios to Penstock in the same round."""

    side: Side
    version: str
    whole_s: float
    cpu_s: float
    prepared_s: float | None
    ratio: float
    cpu_ratio: float
    prepared_ratio: float | None

    @property
    def verdict(self) -> str:
        """Whether the limit is kept; of both samples anew."""
        if self.side.limit is None:
            return ""
        return "met" if self.ratio >= self.side.limit else "missed"


class Turns:
    """A running side: its version, and a turn on demand."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.version = str(self._answer()["version"])

    def take(self) -> dict[str, Any]:
        assert self._process.stdin is not None
        print(file=self._process.stdin, flush=True)
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise EOFError(f"{self._process.args} ended")
        return dict(json.loads(line))


@contextmanager
def running(side: Side, python: str, folder: Path) -> Iterator[Turns]:
    """Start a side; it measures only when asked to.

    Raises
    ------
    MissingError
        When it does not start, with the last line that it says.
    """
    source = os.pathsep.join([str(ROOT), *([str(ROOT / "src")] if side.environment is None else [])])
    command = [python, "-m", f"benchmarks.peers.{side.script}", str(folder), *side.arguments]
    with (
        tempfile.TemporaryFile("w+") as log,
        subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            cwd=ROOT,
            env={**os.environ, **QUIET, "PYTHONPATH": source},
        ) as process,
    ):
        try:
            try:
                turns = Turns(process)
            except EOFError:
                log.seek(0)
                raise MissingError((log.read().strip() or "ended").splitlines()[-1]) from None
            yield turns
        finally:
            process.kill()


def save_frames(folder: Path, rows: int) -> None:
    random = np.random.default_rng(0)
    for side in SIDES:
        matrix = random.normal(size=(rows, COLUMNS))
        if side == "current":
            matrix[:, -len(MOVED) :] += SHIFT
        np.save(folder / f"{side}.npy", np.asfortranarray(matrix))


def expect_verdict(side: Side, moved: Sequence[str]) -> None:
    """Refuse to time what does not see what moved."""
    wrong = set(MOVED) - set(moved) if side.environment else set(MOVED) ^ set(moved)
    if wrong:
        raise AssertionError(f"{side.label}: expected {', '.join(MOVED)} to have moved, got {moved}")


def time_sides(quick: bool, rounds: int) -> tuple[list[Timing], dict[str, str]]:
    """Return timings, and why the sides that are missing are."""
    turns: dict[Side, list[dict[str, Any]]] = {}
    versions: dict[Side, str] = {}
    missing: dict[str, str] = {}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        save_frames(folder, QUICK_ROWS if quick else ROWS)
        sides: dict[Side, Turns] = {}
        for side in SIDES_COMPARED:
            try:
                python = side.python(create=not quick)
                sides[side] = stack.enter_context(running(side, python, folder))
            except MissingError as error:
                missing[side.label] = str(error)
            else:
                versions[side], turns[side] = sides[side].version, []
        for _ in range(rounds):
            for side, one in sides.items():
                turns[side].append(one.take())
                expect_verdict(side, turns[side][-1]["moved"])
    ours = turns[SIDES_COMPARED[0]]
    return [timing_of(side, versions[side], found, ours) for side, found in turns.items()], missing


def timing_of(
    side: Side, version: str, turns: Sequence[Mapping[str, Any]], ours: Sequence[Mapping[str, Any]]
) -> Timing:
    def median(key: str, part: int = 0) -> tuple[float, float]:
        times = [(one[key][part], own[key][part]) for one, own in zip(turns, ours, strict=True)]
        return statistics.median(one for one, _ in times), statistics.median(one / own for one, own in times)

    whole_s, ratio = median("whole")
    cpu_s, cpu_ratio = median("whole", 1)
    prepared_s, prepared_ratio = median("prepared") if turns[0]["prepared"] else (None, None)
    return Timing(side, version, whole_s, cpu_s, prepared_s, ratio, cpu_ratio, prepared_ratio)


COMMAND = """
import contextlib, io, json, sys
sys.argv = ["penstock", "drift", *sys.argv[1:], "--json"]
from penstock.cli.main import main
printed = io.StringIO()
with contextlib.redirect_stdout(printed), contextlib.suppress(SystemExit):
    main()
report = json.loads(printed.getvalue())
with open("/proc/self/status") as status:
    peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
print(json.dumps({"rows": report["n_current"], "alarms": report["alarms"], "peak_mb": peak / 1e3}))
"""


def run_command(*arguments: str) -> dict[str, Any]:
    """Run ``penstock drift`` in a process of its own; return what it found, its peak memory and seconds."""
    path = os.pathsep.join([str(ROOT / "src"), os.environ.get("PYTHONPATH", "")])
    began_s = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", COMMAND, *arguments],
        env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return {**json.loads(done.stdout), "seconds": time.perf_counter() - began_s}


def write_rows(path: Path, rows: int, columns: int, shift: float) -> Path:
    """Write normal float32 columns, the last shifted, one row group in memory at a time."""
    random = np.random.default_rng(list(path.stem.encode()))
    schema = pa.schema([(f"f{index}", pa.float32()) for index in range(columns)])
    options: dict[str, Any] = {"compression": "none", "use_dictionary": False}
    with pq.ParquetWriter(path, schema, **options) as writer:
        for first in range(0, rows, ROW_GROUP):
            n = min(ROW_GROUP, rows - first)
            values = random.standard_normal((columns, n), np.float32)
            values[-1] += np.float32(shift)
            writer.write_table(pa.table(list(values), schema=schema), row_group_size=ROW_GROUP)
    return path


def measure_memory(quick: bool) -> tuple[list[list[str]], bool]:
    """Compare a file and as many names of the same file as make ten million rows."""
    rows, columns = (20_000, COLUMNS) if quick else (1_000_000, WIDE)
    cells: list[list[str]] = []
    peaks: list[float] = []
    with tempfile.TemporaryDirectory(dir=os.environ.get("PENSTOCK_BENCH_SCRATCH")) as scratch:
        folder = Path(scratch)
        files = {side: write_rows(folder / f"{side}.parquet", rows, columns, SHIFT * (side == "current"))
                 for side in SIDES}  # fmt: skip
        for count in (1, 3 if quick else MILLIONS):
            inputs = [folder / f"{side}-{count}" for side in SIDES]
            for side, directory in zip(SIDES, inputs, strict=True):
                directory.mkdir()
                for number in range(count):
                    os.link(files[side], directory / f"{number:03}.parquet")
            told = run_command(*map(str, inputs))
            if f"f{columns - 1}" not in told["alarms"]:
                raise AssertionError(f"expected the last column to alarm, got {told['alarms']}")
            peaks.append(told["peak_mb"])
            growth = peaks[-1] / peaks[0] - 1
            cells.append(
                [
                    f"{told['rows']:,} × {columns}",
                    f"{told['seconds']:.1f}",
                    f"{2 * told['rows'] * columns / told['seconds'] / 1e6:,.0f}",
                    f"{told['peak_mb']:.0f}",
                    f"{growth:+.1%}",
                    "met" if growth <= FLAT else "missed",
                ]
            )
    # Few rows show that it works, not that memory is flat.
    return cells, quick or peaks[-1] <= (1 + FLAT) * peaks[0]


def cells_of(timings: Sequence[Timing], missing: Mapping[str, str]) -> list[list[str]]:
    rows = [
        [
            f"{timing.side.label} {timing.version}",
            f"{timing.whole_s * 1e3:,.1f}",
            f"{timing.cpu_s * 1e3:,.1f}",
            "" if timing.prepared_s is None else f"{timing.prepared_s * 1e3:,.1f}",
            f"{timing.ratio:,.1f}×",
            f"{timing.cpu_ratio:,.1f}×",
            "" if timing.prepared_ratio is None else f"{timing.prepared_ratio:,.1f}×",
            f"{timing.side.limit:.0f}× {timing.verdict}" if timing.side.limit else "",
        ]
        for timing in timings
    ]
    return rows + [[label, reason, *[""] * (len(SPEED) - 2)] for label, reason in missing.items()]


SPEED = ["", "both samples ms", "of CPU", "reference prepared ms", "ratio", "of CPU", "prepared", "at least"]
MEMORY = ["rows a side", "s", "million values/s", "peak MB", "over the first", "at most 10 %"]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench_drift", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few rows, nothing installed: does it work")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=["speed", "memory"])
    parser.add_argument("--markdown", type=Path, help="write the tables here")
    parsed = parser.parse_args(arguments)
    console = Console(width=None if sys.stdout.isatty() else 140)
    console.print(describe_machine())
    parts = [describe_machine()]
    good = True

    def show(title: str, header: list[str], cells: list[list[str]]) -> None:
        table = Table(*header, title=title)
        for row in cells:
            table.add_row(*row)
        console.print(table)
        parts.append(markdown(header, cells))

    if parsed.only != "memory":
        timings, missing = time_sides(parsed.quick, 1 if parsed.quick else parsed.rounds)
        rows = QUICK_ROWS if parsed.quick else ROWS
        show(f"Drift of {rows:,} × {COLUMNS} float64, two samples", SPEED, cells_of(timings, missing))
        good &= all(timing.verdict != "missed" for timing in timings)
    if parsed.only != "speed":
        cells, flat = measure_memory(parsed.quick)
        show("penstock drift, float32 Parquet on both sides", MEMORY, cells)
        good &= flat
    if parsed.markdown:
        parsed.markdown.write_text("\n\n".join(parts) + "\n")
    return 0 if parsed.quick or good else 1


if __name__ == "__main__":
    sys.exit(main())
