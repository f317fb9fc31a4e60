"""What all scripts of peers do: load the two frames, say what they are, then measure once for every line."""

from __future__ import annotations

import contextlib
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

__all__ = ["COLUMNS", "SIDES", "Measure", "cost", "serve"]

COLUMNS = 20
SIDES = ("reference", "current")
AT_LEAST_S = 0.3

Cost = tuple[float, float]
"""Seconds on the clock, and of CPU in all threads of the process."""

Measure = Callable[[], dict[str, Any]]
"""Returns the cost of ``whole``, of ``prepared`` or None where no reference can be, and what ``moved``."""


def cost(work: Callable[[], object]) -> Cost:
    """Return the medians of some work; what is quick is repeated for a third of a second."""
    times: list[Cost] = []
    while sum(clock_s for clock_s, _ in times) < AT_LEAST_S:
        began_s, cpu_s = time.perf_counter(), time.process_time()
        work()
        times.append((time.perf_counter() - began_s, time.process_time() - cpu_s))
    clock, cpu = (statistics.median(column) for column in zip(*times, strict=True))
    return clock, cpu


def serve(version: str, make: Callable[[pd.DataFrame, pd.DataFrame], Measure]) -> None:
    """Answer every line of the standard input with what one turn measured, in JSON."""
    answers = sys.stdout
    with contextlib.redirect_stdout(sys.stderr):  # packages print what they like
        measure = make(*(_frame(Path(sys.argv[1], f"{side}.npy")) for side in SIDES))
        for answer in _answers(version, measure):
            print(json.dumps(answer), file=answers, flush=True)


def _answers(version: str, measure: Measure) -> Iterable[dict[str, Any]]:
    measure()
    yield {"version": version}
    for _ in sys.stdin:
        yield measure()


def _frame(path: Path) -> pd.DataFrame:
    matrix = np.load(path)
    return pd.DataFrame({f"f{index}": matrix[:, index] for index in range(matrix.shape[1])})
