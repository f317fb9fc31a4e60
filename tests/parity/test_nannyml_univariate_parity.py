"""The verdicts of NannyML, as it gave them itself: see record_nannyml_univariate.py."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from drift_data import CASES, case

from penstock.errors import ConfigError
from penstock.monitor.parity.nannyml import VERSION, univariate
from penstock.monitor.parity.nannyml_methods import CATEGORICAL, CONTINUOUS
from penstock.monitor.parity.nannyml_multivariate import domain_classifier, pca_reconstruction

RECORDED = json.loads(Path(__file__).with_name("nannyml_univariate.json").read_text())
WITH_DOMAIN = [name for name in CASES if "domain" in RECORDED["cases"][name]]


def tables(name: str) -> tuple[pa.Table, pa.Table]:
    reference, current = case(name)
    return pa.table(reference), pa.table(current)


def test_the_version_is_the_one_that_was_asked() -> None:
    assert RECORDED["version"] == VERSION
    assert set(RECORDED["cases"]) == set(CASES)


@pytest.mark.parametrize("name", CASES)
def test_verdicts_are_nannyml_s_own(name: str) -> None:
    expected = RECORDED["cases"][name]["univariate"]
    found = univariate(*tables(name), continuous=list(CONTINUOUS), categorical=list(CATEGORICAL))
    assert set(found.columns) == set(expected)
    for column, methods in expected.items():
        for method, theirs in methods.items():
            ours = [verdict for verdict in found.columns[column] if verdict.test == method]
            assert [one.score for one in ours] == pytest.approx(theirs["values"], abs=1e-9), (column, method)
            assert [one.drift for one in ours] == theirs["alerts"], (column, method)
            threshold = np.nan if theirs["threshold"] is None else theirs["threshold"]
            assert ours[0].threshold == pytest.approx(threshold, abs=1e-9, nan_ok=True), (column, method)


@pytest.mark.parametrize("name", CASES)
def test_reconstruction_is_nannyml_s_own(name: str) -> None:
    theirs = RECORDED["cases"][name]["pca"]
    ours = pca_reconstruction(*tables(name))
    assert [one.score for one in ours] == pytest.approx(theirs["values"], abs=1e-9)
    assert [one.drift for one in ours] == theirs["alerts"]
    assert ours[0].threshold == pytest.approx(theirs["threshold"], abs=1e-9)


@pytest.mark.parametrize("name", WITH_DOMAIN)
def test_the_domain_classifier_is_near_that_of_nannyml(name: str) -> None:
    theirs = RECORDED["cases"][name]["domain"]["values"]
    ours = [one.score for one in domain_classifier(*tables(name))]
    assert len(ours) == len(theirs)
    assert np.mean(ours) == pytest.approx(np.mean(theirs), abs=0.05)


def test_chunks_and_methods_are_checked() -> None:
    data = {"x": np.arange(5.0)}
    with pytest.raises(ConfigError, match="chunks: expected from 1 to the number of rows, 5, got 10"):
        univariate(data, data)
    with pytest.raises(ConfigError, match=r'continuous: .*got "psi"'):
        univariate(data, data, chunks=2, continuous=["psi"])


def test_chunks_without_a_value_do_not_alarm() -> None:
    reference = {"x": np.arange(100.0), "c": ["a", "b"] * 50}
    current = {"x": [None] * 50 + [1.0] * 50, "c": [None] * 50 + ["a"] * 50}
    found = univariate(reference, current, chunks=2, categorical=["jensen_shannon", "chi2"])
    assert not found.columns["x"][0].drift
    assert found.to_dict()["columns"]["x"][0]["score"] is None
    assert not any(one.drift for one in found.columns["c"] if one.chunk == 0)
