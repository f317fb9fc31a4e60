"""The tables, as any other tool reads them."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.dataset as ds
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from window_data import BASELINE, HOUR_S, MODEL, columns, hours, make_window, pane

import penstock as ps
from penstock.monitor.comparisons import compare_with, counterparts
from penstock.monitor.history import History
from penstock.monitor.history.profile_table import profile_schema
from penstock.monitor.history.quantiles import quantiles
from penstock.monitor.profile import Profile

BEGIN_S = datetime(2024, 5, 1, 10, tzinfo=UTC).timestamp()
DATA = columns(500, 3, shift=9.0)


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, Any]]]:
    directory = tmp_path_factory.mktemp("history")
    history = History(directory, MODEL, granularity="1 hour")
    before = make_window(BEGIN_S - HOUR_S, BEGIN_S, pane(300, 8))
    window = make_window(BEGIN_S, BEGIN_S + HOUR_S, pane(500, 3, shift=9.0), version=7)
    found = counterparts(window, BASELINE, [before], compare=("baseline", "previous"))
    spans = {"previous": found["previous"].span}
    history.append(window, compare_with(window, found, level=0.01), spans)  # type: ignore[arg-type]
    return {
        name: ds.dataset(directory / MODEL / name).to_table().to_pylist()
        for name in ("profile_metrics", "drift_metrics")
    }


def by_column(rows: list[dict[str, Any]], **wanted: Any) -> dict[str, dict[str, Any]]:
    return {row["column_name"]: row for row in rows if all(row[k] == v for k, v in wanted.items())}


def test_a_row_a_feature_a_window(tables: dict[str, list[dict[str, Any]]]) -> None:
    rows = tables["profile_metrics"]
    assert [row["column_name"] for row in rows] == ["height", "age", "state", "score"]
    assert [row["column_role"] for row in rows] == ["feature", "feature", "feature", "output"]
    assert [row["data_type"] for row in rows] == ["float64", "float32", "string", "float64"]
    for row in rows:
        assert row["window"] == {
            "start": datetime(2024, 5, 1, 10, tzinfo=UTC),
            "end": datetime(2024, 5, 1, 11, tzinfo=UTC),
        }
        assert (row["granularity"], row["model"], row["version"]) == ("1 hour", MODEL, 7)
        assert (row["slice_key"], row["slice_value"], row["complete"]) == (None, None, True)


def test_metrics_of_a_number_are_those_of_its_values(tables: dict[str, list[dict[str, Any]]]) -> None:
    row = by_column(tables["profile_metrics"])["height"]
    height = DATA["height"]
    finite = height[np.isfinite(height)]
    assert row["num_rows"] == 500
    assert row["num_nulls"] == np.isnan(height).sum()
    assert row["count"] == 500 - row["num_nulls"]
    assert row["percent_null"] == pytest.approx(row["num_nulls"] / 5)
    assert row["num_infinite"] == np.isinf(height).sum()
    assert row["avg"] == pytest.approx(finite.mean())
    assert row["stddev"] == pytest.approx(finite.std(ddof=1))
    assert (row["min"], row["max"]) == (finite.min(), finite.max())
    assert row["num_unseen"] is None
    assert row["frequent_items"] is None
    assert len(row["bin_counts"]) == len(row["bin_edges"]) + 1
    assert sum(row["bin_counts"]) == row["count"]
    assert len(row["quantiles"]) == 21
    assert row["median"] == row["quantiles"][10]
    assert row["distinct_count"] == pytest.approx(len(np.unique(finite)), rel=0.15)


def test_metrics_of_a_category_are_those_of_its_values(tables: dict[str, list[dict[str, Any]]]) -> None:
    row = by_column(tables["profile_metrics"])["state"]
    state = [text for text in DATA["state"] if text is not None]
    assert row["count"] == len(state)
    assert row["num_nulls"] == 500 - len(state)
    assert row["num_unseen"] == state.count("new\U0001f600")
    assert {item["item"]: item["count"] for item in row["frequent_items"]} == {
        text: state.count(text) for text in set(state)
    }
    counts = [item["count"] for item in row["frequent_items"]]
    assert counts == sorted(counts, reverse=True)
    assert row["distinct_count"] == pytest.approx(5, abs=0.1)
    assert row["avg"] is row["median"] is row["quantiles"] is row["bin_counts"] is None


def test_drift_of_every_comparison(tables: dict[str, list[dict[str, Any]]]) -> None:
    rows = tables["drift_metrics"]
    assert {(row["drift_type"], row["compared_with"]) for row in rows} == {
        ("BASELINE", "baseline"),
        ("CONSECUTIVE", "previous"),
    }
    report = ps.drift(BASELINE, pane(500, 3, shift=9.0), false_alarms=0.01)
    told = by_column(rows, drift_type="BASELINE")
    assert list(told) == [feature.name for feature in report]
    for feature in report:
        row = told[feature.name]
        assert row["window_cmp"] is None
        assert (row["alarm"], row["severity"], row["reason"]) == (
            feature.alarm,
            feature.severity,
            feature.reason,
        )
        assert (row["p_value"], row["effect"]) == (feature.p_value, feature.effect)
        assert {one["name"]: one["value"] for one in row["statistics"]} == pytest.approx(
            feature.statistics, nan_ok=True
        )
        assert row["population_stability_index"] == feature.statistics["psi"]
        assert row["js_distance"] == feature.statistics["js_distance"]
        assert row["l_infinity_distance"] == feature.statistics["l_infinity"]
        assert row["count_delta"] == feature.current.present - feature.reference.present
        chi2 = next(check for check in feature.checks if check.name == "chi2")
        assert row["chi_squared_test"] == {"statistic": chi2.value, "pvalue": chi2.p_value}
    assert told["height"]["alarm"]
    assert told["height"]["ks_test"]["pvalue"] < 1e-6
    assert told["height"]["avg_delta"] == pytest.approx(9, abs=1.5)
    assert told["height"]["wasserstein_distance"] == report["height"].statistics["wasserstein"]
    assert told["state"]["ks_test"] is told["state"]["wasserstein_distance"] is None
    (row, *_) = by_column(rows, drift_type="CONSECUTIVE").values()
    assert row["window_cmp"]["end"] == row["window"]["start"]


def test_both_tables_join_on_the_id_of_the_window(tables: dict[str, list[dict[str, Any]]]) -> None:
    ids = {name: {row["window_id"] for row in rows} for name, rows in tables.items()}
    assert ids["profile_metrics"] == ids["drift_metrics"]
    assert len(ids["drift_metrics"]) == 1


def of_values(values: list[float]) -> Profile:
    profiler = ps.Baseline.fit({"x": np.arange(100.0)}, bins=16).profiler()
    profiler.update({"x": np.array(values)})
    return profiler.profile()


@settings(deadline=None, max_examples=200)
@given(st.lists(st.floats(-50, 150) | st.integers(0, 99).map(float), min_size=1, max_size=60))
def test_quantiles_lie_in_the_bin_of_the_true_ones(values: list[float]) -> None:
    (feature,) = of_values(values).features
    at = np.linspace(0, 1, 21)
    found = np.array(quantiles(feature, at))
    assert found[0] >= min(values)
    assert found[-1] == max(values)
    assert np.all(np.diff(found) >= -1e-9)
    wanted = np.quantile(values, at, method="inverted_cdf")
    bounds = np.clip([min(values), *feature.edges, max(values)], min(values), max(values))
    bins = np.searchsorted(feature.edges, wanted, side="right")
    assert np.all(found >= bounds[bins] - 1e-9)
    assert np.all(found <= bounds[bins + 1] + 1e-9)


def test_quantiles_of_nothing_and_of_infinities() -> None:
    at = np.array([0.0, 0.5, 1.0])
    assert quantiles(of_values([]).features[0], at) == []
    assert quantiles(of_values([math.nan, math.inf]).features[0], at) == []
    assert quantiles(of_values([math.inf, 1.5, 1.5]).features[0], at)[0] == 1.5


def test_a_table_of_many_windows_has_all_of_them(tmp_path: Path) -> None:
    history = History(tmp_path, MODEL)
    for window in hours(30):
        history.append(window, {})
    table = ds.dataset(tmp_path / MODEL / "profile_metrics").to_table()
    assert table.num_rows == 30 * 4
    assert table.schema.names == profile_schema().names
