"""whylogs: a profile of each sample, and drift scores of the two."""

from __future__ import annotations

import warnings
from importlib import metadata

import pandas as pd
import whylogs
from whylogs.viz.drift.column_drift_algorithms import calculate_drift_scores

from benchmarks.peers.turns import Measure, cost, serve


def make(reference: pd.DataFrame, current: pd.DataFrame) -> Measure:
    warnings.simplefilter("ignore")
    before = whylogs.log(reference).view()

    def scores(of: object) -> dict[str, dict[str, object]]:
        after = whylogs.log(current).view()
        return calculate_drift_scores(target_view=after, reference_view=of, with_thresholds=True)

    def measure() -> dict[str, object]:
        whole = cost(lambda: scores(whylogs.log(reference).view()))
        prepared = cost(lambda: scores(before))
        moved = [name for name, one in scores(before).items() if one["drift_category"] == "DRIFT"]
        return {"whole": whole, "prepared": prepared, "moved": moved}

    return measure


if __name__ == "__main__":
    serve(metadata.version("whylogs"), make)
