"""Records what Evidently says of the cases of drift_data.py, in an environment that has it.

python -m venv /tmp/evidently && /tmp/evidently/bin/pip install "evidently==0.7.23" "pandas<3"
/tmp/evidently/bin/python tests/parity/record_evidently.py
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

os.environ["DO_NOT_TRACK"] = "1"

import evidently
import pandas as pd
from drift_data import CASES, case
from evidently import Report
from evidently.presets import DataDriftPreset


def recorded(name: str) -> dict[str, Any]:
    reference, current = (pd.DataFrame(columns) for columns in case(name))
    snapshot = Report([DataDriftPreset()], include_tests=True).run(current, reference)
    found = snapshot.dict()
    columns = {}
    for metric in found["metrics"][1:]:
        config = metric["config"]
        columns[config["column"]] = {
            "test": config["method"],
            "score": float(metric["value"]),
            "threshold": float(config["threshold"]),
        }
    for test in found["tests"]:
        if "column" in test["metric_config"]["params"]:
            columns[test["metric_config"]["params"]["column"]]["drift"] = test["status"].endswith("FAIL")
    count = found["metrics"][0]["value"]
    return {"count": count["count"], "share": count["share"], "columns": columns}


def main() -> None:
    path = Path(__file__).with_name("evidently.json")
    verdicts = {"version": evidently.__version__, "cases": {name: recorded(name) for name in CASES}}
    path.write_text(json.dumps(verdicts, indent=1) + "\n")


if __name__ == "__main__":
    main()
