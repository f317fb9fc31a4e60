"""Penstock: ``penstock_drift FOLDER {pandas,arrow} [THREADS]``."""

from __future__ import annotations

import sys

import pandas as pd
import pyarrow as pa

import penstock as ps
from benchmarks.peers.turns import Measure, cost, serve


def make(reference: pd.DataFrame, current: pd.DataFrame) -> Measure:
    before, after = reference, current
    if sys.argv[2] == "arrow":
        before, after = (pa.Table.from_pandas(side, preserve_index=False) for side in (before, after))
    threads = int(sys.argv[3]) if len(sys.argv) > 3 else None
    baseline = ps.Baseline.fit(before, threads=threads)

    def measure() -> dict[str, object]:
        whole = cost(lambda: ps.drift(before, after, threads=threads))
        prepared = cost(lambda: ps.drift(baseline, after, threads=threads))
        moved = [feature.name for feature in ps.drift(baseline, after).alarms]
        return {"whole": whole, "prepared": prepared, "moved": moved}

    return measure


if __name__ == "__main__":
    serve(ps.__version__, make)
