"""Monitoring: nanoseconds a value of the accumulators, beside numpy's histogram and a copy of the same bytes.

``python -m benchmarks.bench_monitor [--quick] [--markdown FILE]``. Row-major float32 matrices of 30 features
on the 128 quantile bins of a baseline, one thread, CPU time of that thread; counts are compared with numpy's
before anything is timed.
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
import pyarrow as pa
from rich.console import Console
from rich.table import Table

from benchmarks.bench_serving import markdown
from benchmarks.machine import describe_machine
from penstock.errors import UnsupportedError
from penstock.monitor.baseline import Baseline
from penstock.monitor.profiler import Profiler

FEATURES = 30
SIZES = ((64, 5.0), (4096, 3.0))
"""Rows of a batch, and the nanoseconds a value that they may take."""
BATCHES_BYTES = 1 << 20
"""Different batches in turn: more than the inner cache holds."""


@dataclass(frozen=True, slots=True)
class Timing:
    """Nanoseconds a value; medians."""

    rows: int
    vectors: str
    accumulator_ns: float
    histogram_ns: float
    copy_ns: float
    limit_ns: float

    @property
    def met(self) -> bool:
        """Whether the limit is kept."""
        return self.accumulator_ns <= self.limit_ns


def value_ns(work: Callable[[Any], object], batches: list[np.ndarray[Any, Any]], budget_s: float) -> float:
    """Return the median time a value of work on each batch in turn."""
    values = sum(batch.size for batch in batches)
    times = []
    ends = time.perf_counter() + budget_s
    while len(times) < 5 or time.perf_counter() < ends:
        began = time.thread_time()
        for batch in batches:
            work(batch)
        times.append(1e9 * (time.thread_time() - began) / values)
    return statistics.median(times)


def make_batches(rows: int) -> list[np.ndarray[Any, Any]]:
    rng = np.random.default_rng(rows)
    count = max(2, BATCHES_BYTES // (rows * FEATURES * 4))
    return [rng.normal(size=(rows, FEATURES)).astype(np.float32) for _ in range(count)]


def make_baseline() -> Baseline:
    rng = np.random.default_rng(0)
    return Baseline.fit(
        pa.table({f"f{i}": rng.normal(size=50_000).astype(np.float32) for i in range(FEATURES)})
    )


def numpy_histograms(baseline: Baseline) -> Callable[[np.ndarray[Any, Any]], list[np.ndarray[Any, Any]]]:
    """Return the same bins by numpy.histogram, the only part of the work that it does."""
    edges = [
        np.concatenate([[-np.inf], feature.edges, [np.inf]]).astype(np.float32)
        for feature in baseline.profile
    ]

    def work(batch: np.ndarray[Any, Any]) -> list[np.ndarray[Any, Any]]:
        return [np.histogram(batch[:, i], own)[0] for i, own in enumerate(edges)]

    return work


def check(baseline: Baseline, batches: list[np.ndarray[Any, Any]], vectors: str) -> None:
    profiler = Profiler(baseline, vectors=vectors)
    for batch in batches:
        profiler.update(batch)
    rows = np.concatenate(batches).astype(np.float64)
    for i, feature in enumerate(profiler.profile()):
        bins = np.searchsorted(feature.edges, rows[:, i], side="right")
        wanted = np.bincount(bins, minlength=len(feature.edges) + 1)
        if not np.array_equal(feature.histogram, wanted) or not np.isclose(feature.mean, rows[:, i].mean()):
            raise AssertionError(f"{feature.name}: the counts are not those of numpy")


def time_accumulators(quick: bool) -> list[Timing]:
    budget_s = 0.05 if quick else 1.0
    baseline = make_baseline()
    histograms = numpy_histograms(baseline)
    timings = []
    for rows, limit_ns in SIZES:
        batches = make_batches(rows)
        target = np.empty_like(batches[0])
        histogram_ns = value_ns(histograms, batches[: 2 if quick else None], budget_s)
        copy_ns = value_ns(lambda batch, target=target: np.copyto(target, batch), batches, budget_s)
        for vectors in ("avx512", "avx2", "none"):
            try:
                profiler = Profiler(baseline, vectors=vectors)
            except UnsupportedError:
                continue
            check(baseline, batches, vectors)
            own_ns = value_ns(profiler.update, batches, budget_s)
            timings.append(Timing(rows, vectors, own_ns, histogram_ns, copy_ns, limit_ns))
    return timings


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench_monitor", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="short: checks that it works")
    parser.add_argument("--markdown", type=Path, help="write the table here")
    parsed = parser.parse_args(arguments)
    timings = time_accumulators(parsed.quick)
    header = ["rows", "vectors", "ns a value", "at most", "", "numpy.histogram ns", "copy ns"]
    cells = [
        [
            f"{timing.rows:,}",
            timing.vectors,
            f"{timing.accumulator_ns:.2f}",
            f"{timing.limit_ns:.0f}",
            "met" if timing.met else "missed",
            f"{timing.histogram_ns:.1f}",
            f"{timing.copy_ns:.2f}",
        ]
        for timing in timings
    ]
    table = Table(*header, title=f"Accumulators: {FEATURES} float32 features, 128 bins")
    for row in cells:
        table.add_row(*row)
    Console(width=None if sys.stdout.isatty() else 140).print(describe_machine(), table)
    if parsed.markdown:
        parsed.markdown.write_text("\n\n".join([describe_machine(), markdown(header, cells)]) + "\n")
    best = [next(timing for timing in timings if timing.rows == rows) for rows, _ in SIZES]
    return 0 if parsed.quick or all(timing.met for timing in best) else 1


if __name__ == "__main__":
    sys.exit(main())
