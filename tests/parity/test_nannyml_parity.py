"""Estimates without labels are NannyML's, where the calibration is: record_nannyml.py says what those are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from quality_data import CASES, CHUNK_ROWS, case

from penstock.monitor.quality import Calibration, QualityCounts, estimate_rows, infer_target
from penstock.monitor.quality.sampling_error import nannyml_intervals, nannyml_sampling_errors

EXPECTED = json.loads(Path(__file__).with_name("nannyml_quality.json").read_text())["cases"]
TOLERANCE = {"auc": 2e-4}
"""NannyML's area takes ties of scores in the order in which they come; ours count half."""


@pytest.fixture(params=CASES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_calibrates_where_and_as_it_does(name: str) -> None:
    scores, labels, _ = case(name)
    calibration = Calibration.fit(scores, labels)
    assert calibration.applied == EXPECTED[name]["applied"]
    curve = EXPECTED[name]["curve"]
    assert calibration(np.linspace(0, 1, len(curve))) == pytest.approx(curve, abs=1e-7)


def test_estimates_and_intervals(name: str) -> None:
    scores, labels, live = case(name)
    calibration = Calibration.fit(scores, labels)
    reference = QualityCounts.of(infer_target("y", labels, {"p": scores}), labels, {"p": scores})
    errors = nannyml_sampling_errors(reference, CHUNK_ROWS)
    for index, expected in enumerate(EXPECTED[name]["chunks"]):
        chunk = live[index * CHUNK_ROWS : (index + 1) * CHUNK_ROWS]
        found = nannyml_intervals(estimate_rows(chunk, calibration), reference, CHUNK_ROWS)
        assert found.keys() == expected.keys()
        for metric, numbers in expected.items():
            tolerance = TOLERANCE.get(metric, 1e-9)
            got: dict[str, Any] = {"sampling_error": errors[metric], **found[metric].to_dict()}
            for part, number in numbers.items():
                loose = max(tolerance, 1e-3 * abs(number)) if metric == "auc" else tolerance
                assert got[part] == pytest.approx(number, abs=loose), (metric, part, index)
