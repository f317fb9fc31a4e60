"""Records what NannyML says of the cases of drift_data.py, in an environment that has it.

python -m venv /tmp/nannyml && /tmp/nannyml/bin/pip install nannyml==0.13.1 "pandas<3"
/tmp/nannyml/bin/python -W ignore tests/parity/record_nannyml_univariate.py
"""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import Any

os.environ["NML_DISABLE_USAGE_LOGGING"] = "1"

import nannyml
import pandas as pd
from drift_data import CASES, case

CONTINUOUS = ["jensen_shannon", "kolmogorov_smirnov", "wasserstein", "hellinger"]
CATEGORICAL = ["jensen_shannon", "chi2", "l_infinity", "hellinger"]
DOMAIN_CASES = ("few rows, nothing moved", "few rows, all moved", "many rows, all moved")


def number(value: Any) -> float | None:
    return None if value is None or math.isnan(value) else float(f"{value:.12g}")


def frames(name: str) -> tuple[Any, Any]:
    reference, current = (pd.DataFrame(columns) for columns in case(name))
    for frame in (reference, current):
        for column in frame:
            if not pd.api.types.is_numeric_dtype(frame[column]):  # what is missing has to be NaN, not None
                frame[column] = frame[column].astype(object).where(frame[column].notna(), float("nan"))
    return reference, current


def univariate(reference: Any, current: Any) -> dict[str, Any]:
    calculator = nannyml.UnivariateDriftCalculator(
        column_names=list(current), continuous_methods=CONTINUOUS, categorical_methods=CATEGORICAL
    ).fit(reference)
    found = calculator.calculate(current).filter(period="analysis").to_df()
    columns: dict[str, Any] = {}
    for column, method, what in found.columns:
        if column != "chunk" and what == "value":
            part = found[column][method]
            upper = part["upper_threshold"].iloc[0]
            columns.setdefault(column, {})[method] = {
                "values": [number(value) for value in part["value"]],
                "alerts": [bool(value) for value in part["alert"]],
                "threshold": number(upper),
            }
    return columns


def together(calculator: Any, reference: Any, current: Any, name: str) -> dict[str, Any]:
    calculator.fit(reference.copy())
    found = calculator.calculate(current.copy()).filter(period="analysis").to_df()[name]
    return {
        "values": [number(value) for value in found["value"]],
        "alerts": [bool(value) for value in found["alert"]],
        "threshold": number(found["upper_threshold"].iloc[0]),
    }


def recorded(name: str) -> dict[str, Any]:
    reference, current = frames(name)
    found: dict[str, Any] = {"univariate": univariate(reference, current)}
    columns = list(current)
    pca = nannyml.DataReconstructionDriftCalculator(column_names=columns)
    found["pca"] = together(pca, reference, current, "reconstruction_error")
    if name in DOMAIN_CASES:
        domain = nannyml.DomainClassifierCalculator(feature_column_names=columns)
        found["domain"] = together(domain, reference, current, "domain_classifier_auroc")
    return found


def main() -> None:
    path = Path(__file__).with_name("nannyml_univariate.json")
    verdicts = {"version": nannyml.__version__, "cases": {name: recorded(name) for name in CASES}}
    path.write_text(json.dumps(verdicts) + "\n")


if __name__ == "__main__":
    main()
