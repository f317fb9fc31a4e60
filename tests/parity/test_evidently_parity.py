"""The verdicts of Evidently, as it gave them itself: see record_evidently.py."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from drift_data import CASES, case

from penstock.errors import ConfigError, SignatureError
from penstock.monitor.parity.evidently import VERSION, verdicts

RECORDED = json.loads(Path(__file__).with_name("evidently.json").read_text())


def tables(name: str) -> tuple[pa.Table, pa.Table]:
    reference, current = case(name)
    return pa.table(reference), pa.table(current)


def test_the_version_is_the_one_that_was_asked() -> None:
    assert RECORDED["version"] == VERSION
    assert set(RECORDED["cases"]) == set(CASES)


@pytest.mark.parametrize("name", CASES)
def test_verdicts_are_evidently_s_own(name: str) -> None:
    expected = RECORDED["cases"][name]
    found = verdicts(*tables(name))
    assert set(found.columns) == set(expected["columns"])
    for column, theirs in expected["columns"].items():
        ours = found.columns[column]
        assert (ours.test, ours.threshold, ours.drift) == (
            theirs["test"],
            theirs["threshold"],
            theirs["drift"],
        ), column
        assert ours.score == pytest.approx(theirs["score"], rel=2e-6, abs=1e-9), column
    assert found.drifted == expected["count"]
    assert found.share == pytest.approx(expected["share"])
    assert found.drift == (expected["share"] >= 0.5)


def test_tests_of_every_kind_are_among_the_cases() -> None:
    tests = {one["test"] for found in RECORDED["cases"].values() for one in found["columns"].values()}
    assert tests == {
        "K-S p_value",
        "chi-square p_value",
        "Z-test p_value",
        "Wasserstein distance (normed)",
        "Jensen-Shannon distance",
    }


def test_prose_and_unknown_types_are_left_out_with_the_reason() -> None:
    data = {
        "name": [f"text {i}" for i in range(100)],
        "small": pa.array(range(100), pa.uint8()),
        "x": np.arange(100.0),
    }
    found = verdicts(data, data)
    assert set(found.columns) == {"x"}
    assert set(found.left_out) == {"name", "small"}
    assert "prose" in found.left_out["name"]
    assert found.to_dict()["columns"]["x"][0]["drift"] is False


def test_a_column_without_values_is_refused_as_there() -> None:
    data = {"x": [1.0, 2.0]}
    with pytest.raises(ConfigError, match=r'column "x".*no value'):
        verdicts(data, {"x": [None, float("inf")]})


def test_a_missing_column_is_named() -> None:
    with pytest.raises(SignatureError, match=r'"y".*reference'):
        verdicts({"x": [1.0]}, {"x": [1.0], "y": [1.0]})
