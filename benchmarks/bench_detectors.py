"""Sequential detectors beside river's, in one run: nanoseconds a value, by array and one by one.

``python -m benchmarks.bench_detectors [--quick] [--markdown FILE]``. Streams change every 5,000 values; both
sides have to find drift at the same values before anything is timed. Times are CPU time of the thread, and
medians of rounds in which both take turns. Without river (``pip install 'river==0.26.*'``) only ours are
timed.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.bench_serving import markdown
from benchmarks.machine import describe_machine
from penstock.monitor import detectors

try:
    import river
    from river import drift
except ModuleNotFoundError:
    river = None

ROUNDS = 7


@dataclass(frozen=True, slots=True)
class Case:
    """One detector, what is its equal in river, and how many times faster it is to be."""

    name: str
    errors: bool
    theirs: str | None
    limit: float | None = None
    river_values: int = 40_000


CASES = (
    Case("ADWIN", errors=False, theirs="ADWIN", limit=5),
    Case("PageHinkley", errors=False, theirs="PageHinkley", limit=20),
    Case("CUSUM", errors=False, theirs=None),
    Case("DDM", errors=True, theirs="binary.DDM", limit=20),
    Case("EDDM", errors=True, theirs="binary.EDDM"),
    Case("HDDM_A", errors=True, theirs="binary.HDDMA"),
    Case("HDDM_W", errors=True, theirs="binary.HDDMW"),
    Case("KSWIN", errors=False, theirs="KSWIN", limit=100, river_values=1_500),
)


@dataclass(frozen=True, slots=True)
class Timing:
    """Nanoseconds a value; NaN where river has no such detector or is not installed."""

    case: Case
    array_ns: float
    single_ns: float
    river_ns: float
    ratio: float


def make_stream(errors: bool, n: int) -> np.ndarray:
    """Return n values that change every 5,000."""
    rng = np.random.default_rng(7)
    pieces = np.arange(n) // 5_000
    if errors:
        return (rng.random(n) < np.array([0.1, 0.3, 0.05])[pieces % 3]).astype(float)
    return rng.normal(np.array([0.0, 1.0, 0.25])[pieces % 3], 1)


def parameters_of(case: Case) -> dict[str, Any]:
    return {"seed": 1} if case.name == "KSWIN" else {}


def make_river(case: Case) -> Any:
    """Return the same detector of river, or None."""
    if case.theirs is None or river is None:
        return None
    found = drift
    for part in case.theirs.split("."):
        found = getattr(found, part)
    return found(**parameters_of(case))


def update_each(detector: Any, values: list[float]) -> None:
    update = detector.update
    for value in values:
        update(value)


def expect_equal(case: Case, values: np.ndarray) -> None:
    """Refuse to time what does not find drift at the same values."""
    theirs = make_river(case)
    if theirs is None:
        return
    expected = []
    for index, value in enumerate(values.tolist()):
        theirs.update(value)
        if theirs.drift_detected:
            expected.append(index)
    found = detectors.DETECTORS[case.name](**parameters_of(case)).update(values)
    if not np.array_equal(found, expected):
        raise AssertionError(f"{case.name}: found drift at {found}, river at {expected}")


def cpu_ns(work: Callable[[], object], values: int) -> float:
    began = time.thread_time_ns()
    work()
    return (time.thread_time_ns() - began) / values


def time_case(case: Case, quick: bool) -> Timing:
    n = 20_000 if quick else 400_000
    values = make_stream(case.errors, n)
    short = min(case.river_values, n)
    few = values[:short].tolist()
    expect_equal(case, values[:short])
    kind = detectors.DETECTORS[case.name]
    rounds = []
    for _ in range(3 if quick else ROUNDS):
        ours, single, theirs = kind(**parameters_of(case)), kind(**parameters_of(case)), make_river(case)
        rounds.append(
            (
                cpu_ns(lambda ours=ours: ours.update(values), n),
                cpu_ns(lambda single=single: update_each(single, few), short),
                cpu_ns(lambda theirs=theirs: update_each(theirs, few), short) if theirs else float("nan"),
            )
        )
    array_ns, single_ns, river_ns = (statistics.median(column) for column in zip(*rounds, strict=True))
    ratio = statistics.median(theirs / ours for ours, _, theirs in rounds)
    return Timing(case, array_ns, single_ns, river_ns, ratio)


def verdict(timing: Timing) -> list[str]:
    if timing.case.limit is None or np.isnan(timing.ratio):
        return ["", ""]
    return [f"{timing.case.limit:.0f}×", "met" if timing.ratio >= timing.case.limit else "missed"]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench_detectors", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few values: checks that it works")
    parser.add_argument("--markdown", type=Path, help="write the table here")
    parsed = parser.parse_args(arguments)
    console = Console(width=None if sys.stdout.isatty() else 140)
    version = "river is not installed" if river is None else f"river {river.__version__}"
    header = ["detector", "array ns", "one by one ns", "river ns", "faster", "at least", ""]
    cells = [
        [
            timing.case.name,
            f"{timing.array_ns:.1f}",
            f"{timing.single_ns:.0f}",
            "" if np.isnan(timing.river_ns) else f"{timing.river_ns:,.0f}",
            "" if np.isnan(timing.ratio) else f"{timing.ratio:,.0f}×",
            *verdict(timing),
        ]
        for timing in (time_case(case, parsed.quick) for case in CASES)
    ]
    table = Table(*header, title=f"A value, one thread, default parameters; {version}")
    for row in cells:
        table.add_row(*row)
    console.print(describe_machine(), table)
    if parsed.markdown:
        parsed.markdown.write_text("\n\n".join([describe_machine(), version, markdown(header, cells)]) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
