"""Records what NannyML estimates of the cases of quality_data.py, in an environment that has it.

python -m venv /tmp/nannyml && /tmp/nannyml/bin/pip install nannyml==0.13.1 statsmodels
/tmp/nannyml/bin/python tests/parity/record_nannyml.py
"""

from __future__ import annotations

import json
import os
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from quality_data import CASES, CHUNK_ROWS, case

os.environ["NML_DISABLE_USAGE_LOGGING"] = "1"

from nannyml import CBPE

NAMES = {"roc_auc": "auc", "f1": "f1", "precision": "precision", "recall": "recall", "accuracy": "accuracy"}
PARTS = {
    "value": "value",
    "sampling_error": "sampling_error",
    "low": "lower_confidence_boundary",
    "high": "upper_confidence_boundary",
}
GRID = np.linspace(0, 1, 41)


def frame(scores: Any, labels: Any = None) -> pd.DataFrame:
    columns = {"score": scores, "guess": (scores >= 0.5).astype(int)}
    return pd.DataFrame(columns if labels is None else {**columns, "label": labels})


def recorded(name: str) -> dict[str, Any]:
    scores, labels, live = case(name)
    estimator = CBPE(
        metrics=list(NAMES), y_pred="guess", y_pred_proba="score", y_true="label",
        problem_type="classification_binary", chunk_size=CHUNK_ROWS,
    )  # fmt: skip
    estimator.fit(frame(scores, labels))
    found = estimator.estimate(frame(live)).filter(period="analysis").to_df()
    curve = estimator.calibrator.calibrate(GRID) if estimator.needs_calibration else GRID
    return {
        "applied": bool(estimator.needs_calibration),
        "curve": [round(float(value), 12) for value in curve],
        "chunks": [
            {
                ours: {part: round(float(row[(theirs, column)]), 12) for part, column in PARTS.items()}
                for theirs, ours in NAMES.items()
            }
            for _, row in found.iterrows()
        ],
    }


if __name__ == "__main__":
    result = {"nannyml": version("nannyml"), "cases": {name: recorded(name) for name in CASES}}
    Path(__file__).with_name("nannyml_quality.json").write_text(json.dumps(result, indent=1) + "\n")
