"""Comparing data with a baseline: what is taken, what comes back, what is refused."""

from __future__ import annotations

import json
import math
import re

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from drift_profiles import current_of, profile_of, reference_of
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.errors import ConfigError, SignatureError
from penstock.monitor.baseline import Baseline
from penstock.monitor.drift import drift
from penstock.monitor.report import DriftReport
from penstock.monitor.report.page import page


def people(seed: int, rows: int, older: float = 0.0, state: str = "NH") -> pa.Table:
    random = np.random.default_rng(seed)
    return pa.table(
        {
            "age": random.normal(40 + older, 10, rows).astype(np.float32),
            "height": random.normal(170, 9, rows),
            "children": random.poisson(1.4, rows),
            "state": pa.array(random.choice(["MA", "NY", state], rows, p=[0.6, 0.3, 0.1]), pa.string()),
        }
    )


@pytest.fixture(scope="module")
def baseline() -> Baseline:
    return Baseline.fit(people(1, 8000))


def test_what_moved_alarms_and_nothing_else(baseline: Baseline) -> None:
    report = drift(baseline, people(2, 2000, older=2.0, state="RI"))
    assert {feature.name for feature in report.alarms} == {"age", "state"}
    assert (report.n_reference, report.n_current) == (8000, 2000)
    assert "mean" in report["age"].reason
    assert '"RI" ' in report["state"].reason
    assert report["age"].severity in ("low", "medium")
    assert report["height"].severity == "none"
    assert repr(report) == "DriftReport(2 of 4 features alarm; 8,000 reference rows, 2,000 current)"


def test_features_stand_in_order_of_evidence(baseline: Baseline) -> None:
    report = drift(baseline, people(2, 2000, older=2.0, state="RI"))
    assert [feature.alarm for feature in report] == [True, True, False, False]
    assert report.features[0].p_value <= report.features[1].p_value


def test_all_forms_of_data_give_the_same_report(baseline: Baseline) -> None:
    table = people(3, 3000, older=1.0)
    profiler = baseline.profiler()
    profiler.update(table)
    columns = {name: table[name].to_numpy() for name in table.column_names if name != "state"}
    forms = {
        "table": table,
        "batches": table.to_batches(max_chunksize=700),
        "iterator": iter(table.to_batches(max_chunksize=700)),
        "reader": pa.RecordBatchReader.from_batches(table.schema, table.to_batches(max_chunksize=700)),
        "frame": table.to_pandas(),
        "dict": {**columns, "state": table["state"].to_pylist()},
        "profile": profiler.profile(),
    }
    expected = drift(baseline, table).to_dict()
    for name, form in forms.items():
        found = drift(baseline, form).to_dict()
        for feature in expected["features"]:
            other = next(one for one in found["features"] if one["name"] == feature["name"])
            assert other["statistics"] == pytest.approx(feature["statistics"], rel=1e-9, abs=1e-12), name
            assert other["alarm"] == feature["alarm"], name


def test_data_as_reference_are_fitted_first() -> None:
    first, second = people(1, 3000), people(2, 3000, older=3)
    assert drift(first, second).to_dict() == drift(Baseline.fit(first), second).to_dict()
    assert [f.name for f in drift(pd.DataFrame({"x": range(100)}), {"x": [1e6] * 50}).alarms] == ["x"]


def test_merged_profiles_give_the_report_of_the_whole(baseline: Baseline) -> None:
    parts = []
    whole = people(4, 3000, older=1)
    for start in (0, 1000, 2000):
        profiler = baseline.profiler()
        profiler.update(whole.slice(start, 1000))
        parts.append(profiler.profile())
    merged = parts[2].merge(parts[0]).merge(parts[1])
    for feature in drift(baseline, merged):
        other = drift(baseline, whole)[feature.name]
        assert feature.statistics == pytest.approx(other.statistics, rel=1e-9)
        assert feature.p_value == other.p_value


def test_outputs_are_compared_and_labels_only_where_they_are_there() -> None:
    random = np.random.default_rng(0)
    table = pa.table(
        {"x": random.normal(size=2000), "p": random.random(2000), "y": random.random(2000) > 0.5}
    )
    fitted = Baseline.fit(table, label="y", prediction="p")
    live = table.drop(["y"]).set_column(1, "p", pa.array(random.random(2000) ** 3))
    report = drift(fitted, live)
    assert {feature.name for feature in report} == {"x", "p"}
    assert [(feature.name, feature.role) for feature in report.alarms] == [("p", "output")]
    assert {feature.name for feature in drift(fitted, table, columns=["y"])} == {"y"}


def test_columns_restrict_what_is_compared(baseline: Baseline) -> None:
    report = drift(baseline, {"age": np.full(100, 40.0)}, columns=["age"])
    assert [feature.name for feature in report] == ["age"]
    with pytest.raises(ConfigError, match='"agee" is not in the baseline, which has: age, height'):
        drift(baseline, {}, columns=["agee"])


def test_fixed_thresholds_decide_alone(baseline: Baseline) -> None:
    current = people(2, 2000, older=2.0, state="RI")
    strict = drift(baseline, current, thresholds={"psi": 1e-6})
    assert len(strict.alarms) == 4
    assert "psi 0.0" in strict["height"].reason
    assert drift(baseline, current, thresholds={"psi": 50, "ks": 0.9}).alarms == ()
    assert any("not controlled" in note for note in strict.notes)
    down = drift(baseline, people(5, 2000, older=-5), thresholds={"mean_shift": 10})
    assert [feature.name for feature in down.alarms] == ["age"]


def test_a_smallest_effect_silences_what_does_not_matter() -> None:
    random = np.random.default_rng(0)
    before, after = random.normal(size=200_000), random.normal(0.03, 1, size=200_000)
    assert drift({"x": before}, {"x": after}).alarms
    assert not drift({"x": before}, {"x": after}, min_effect=0.02).alarms
    assert drift({"x": before}, {"x": after + 0.1}, min_effect=0.02).alarms


@pytest.mark.parametrize("rows", [0, 1, 19])
def test_few_rows_do_not_alarm_and_say_so(baseline: Baseline, rows: int) -> None:
    report = drift(baseline, people(2, rows, older=500))
    assert not report.alarms
    assert "nothing is tested" in report.notes[0]
    assert math.isnan(report["age"].p_value)
    json.dumps(report.to_dict(), allow_nan=False)


def test_values_outside_every_expectation_are_compared() -> None:
    reference = {"x": np.arange(100.0), "c": ["a", "b"] * 50}
    nan, inf = math.nan, math.inf
    current = {
        "x": [nan, inf, -inf, 1e308, -1e308] * 20,
        "c": ["", None, "a" * 100_000, "\x00", "\U0001f600"] * 20,
    }
    report = drift(reference, current)
    assert {feature.name for feature in report.alarms} == {"x", "c"}
    assert len(report["c"].reason) < 400
    json.dumps(report.to_dict(), allow_nan=False)


def test_whole_numbers_are_named_as_what_they_are() -> None:
    random = np.random.default_rng(0)
    before = {"flag": random.random(5000) < 0.5, "level": random.integers(0, 4, 5000)}
    after = {
        "flag": random.random(5000) < 0.6,
        "level": np.where(random.random(5000) < 0.2, 2, before["level"]),
    }
    report = drift(before, after)
    assert any(re.match("(true|false): ", check.reason) for check in report["flag"].checks)
    assert "value 2: " in report["level"].reason


numbers = st.lists(st.floats(width=64) | st.none(), min_size=18, max_size=60)
texts = st.lists(st.text(max_size=5) | st.none(), min_size=18, max_size=60)


@settings(max_examples=40)
@given(numbers, numbers, texts, texts)
def test_any_values_can_be_compared_and_shown(
    x_before: list[float | None], x_after: list[float | None], c_before: list[str], c_after: list[str]
) -> None:
    kinds = pa.float64(), pa.string()
    for before, after, kind in zip((x_before, c_before), (x_after, c_after), kinds, strict=True):
        reference, current = (pa.table({"f": pa.array(values, kind)}) for values in (before, after))
        report = drift(reference, current)
        json.dumps(report.to_dict(), allow_nan=False)
        assert page(report)
        assert all(0 <= check.p_value <= 1 and 0 <= check.effect <= 1 for check in report["f"].checks)
        assert not any(check.alarm for check in drift(reference, reference)["f"].checks)


def test_texts_of_the_data_do_not_steer_a_terminal() -> None:
    report = drift({"\x1b[2Jx": ["a", "b"] * 50}, {"\x1b[2Jx": ["\x1b[2J", "b"] * 50})
    assert report.features[0].alarm
    assert "\x1b" not in report.features[0].reason


def test_the_dict_has_what_programs_read(baseline: Baseline) -> None:
    found = drift(baseline, people(2, 2000, older=2.0)).to_dict()
    assert found["n_reference"] == 8000
    assert found["n_current"] == 2000
    assert found["alarms"] == ["age"]
    first = found["features"][0]
    assert first["name"] == "age"
    assert first["alarm"] is True
    assert first["statistics"]["ks"] > first["noise"]["ks"] > 0
    assert first["checks"][0]["adjusted"] == first["p_value"] < 0.01
    assert first["reference"]["mean"] == pytest.approx(40, abs=1)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"false_alarms": 0}, "false_alarms: expected a number above 0"),
        ({"false_alarms": 1.0}, "false_alarms"),
        ({"false_alarms": math.nan}, "false_alarms"),
        ({"min_effect": -0.1}, "min_effect: expected a number from 0 to below 1, got -0.1"),
        ({"thresholds": {"pssi": 0.1}}, 'no statistic "pssi"; did you mean "psi"'),
    ],
)
def test_wrong_parameters_are_refused(baseline: Baseline, options: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        drift(baseline, people(2, 100), **options)  # type: ignore[arg-type]


def test_missing_columns_and_other_types_are_named(baseline: Baseline) -> None:
    with pytest.raises(SignatureError, match="height"):
        drift(baseline, people(2, 100).drop(["height"]))
    with pytest.raises(SignatureError, match="age"):
        drift(baseline, people(2, 100).set_column(0, "age", pa.array(["old"] * 100)))


def test_profiles_of_another_baseline_are_refused(baseline: Baseline) -> None:
    reference = reference_of(np.arange(50.0))
    current = profile_of(current_of(np.arange(50.0), reference))
    with pytest.raises(ConfigError, match='no feature "age"'):
        drift(baseline, current)


def test_reports_are_values(baseline: Baseline) -> None:
    report = drift(baseline, people(2, 2000))
    assert isinstance(report, DriftReport)
    with pytest.raises(KeyError):
        report["nothing"]
    with pytest.raises(AttributeError):
        report.n_current = 1  # type: ignore[misc]


def test_values_whose_squares_underflow_are_compared() -> None:
    values = np.random.default_rng(1).normal(size=500) * 1e-300
    report = drift({"x": values}, {"x": values + 2e-300})
    assert [feature.name for feature in report.alarms] == ["x"]
    assert math.isnan(report.features[0].statistics["wasserstein"])
