"""NannyML's univariate drift: ``nannyml_drift FOLDER METHOD,…``; ten chunks, as by default."""

from __future__ import annotations

import sys
import warnings

import nannyml
import pandas as pd

from benchmarks.peers.turns import Measure, cost, serve


def make(reference: pd.DataFrame, current: pd.DataFrame) -> Measure:
    warnings.simplefilter("ignore")
    names = list(reference.columns)
    methods = sys.argv[2].split(",")

    def fit() -> nannyml.UnivariateDriftCalculator:
        calculator = nannyml.UnivariateDriftCalculator(column_names=names, continuous_methods=methods)
        return calculator.fit(reference)

    fitted = fit()

    def measure() -> dict[str, object]:
        whole = cost(lambda: fit().calculate(current))
        prepared = cost(lambda: fitted.calculate(current))
        chunks = fitted.calculate(current).filter(period="analysis").to_df()
        moved = [name for name in names if chunks[(name, methods[0], "alert")].mean() > 0.5]
        return {"whole": whole, "prepared": prepared, "moved": moved}

    return measure


if __name__ == "__main__":
    serve(nannyml.__version__, make)
