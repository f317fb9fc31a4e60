"""Evidently's DataDriftPreset; it takes both samples anew each time."""

from __future__ import annotations

import warnings

import evidently
import pandas as pd
from evidently import Report
from evidently.presets import DataDriftPreset

from benchmarks.peers.turns import Measure, cost, serve


def make(reference: pd.DataFrame, current: pd.DataFrame) -> Measure:
    warnings.simplefilter("ignore")
    snapshots = []

    def run() -> None:
        snapshots[:] = [Report([DataDriftPreset()]).run(current, reference)]

    def measure() -> dict[str, object]:
        whole = cost(run)
        found = [one for one in snapshots[0].dict()["metrics"] if "column" in one["config"]]
        moved = [one["config"]["column"] for one in found if one["value"] >= one["config"]["threshold"]]
        return {"whole": whole, "prepared": None, "moved": moved}

    return measure


if __name__ == "__main__":
    serve(evidently.__version__, make)
