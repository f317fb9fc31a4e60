"""The Grafana dashboard shows metrics that exist, in panels that do not overlap."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import wire_models
from prometheus_client.parser import text_string_to_metric_families
from serving import ServerProcess
from tritonclient.grpc import InferenceServerClient, InferInput

from penstock import Engine
from penstock.serve.monitor_metrics import monitor_metrics

DASHBOARD = Path(__file__).parents[2] / "examples" / "grafana" / "penstock.json"
COLUMNS = 24
_DRIFT = {"model", "version", "feature", "statistic"}
MONITORING: dict[str, set[str]] = {
    "penstock_drift_score": _DRIFT,
    "penstock_drift_threshold": _DRIFT,
    "penstock_drift_rows": _DRIFT,
    "penstock_drift_state": _DRIFT,
    "penstock_monitored_rows_total": {"model", "version"},
    "penstock_window_rows": {"model", "version"},
    "penstock_alerts_firing": {"model", "kind", "severity"},
    "penstock_alerts_total": {"model", "kind"},
    "penstock_sink_sent_total": {"sink"},
    "penstock_sink_dropped_total": {"sink"},
    "penstock_sink_waiting": {"sink"},
    "penstock_monitor_failures_total": {"model", "part"},
    "penstock_prediction_log_rows_total": {"model", "result"},
    "penstock_quality": {"model", "version", "metric", "kind"},
}
"""Labels of the metrics of monitoring, by name."""


@pytest.fixture(scope="module")
def dashboard() -> dict[str, Any]:
    if not DASHBOARD.is_file():
        pytest.skip("the dashboard is not beside the tests: they run against an installed package")
    return json.loads(DASHBOARD.read_text())


@pytest.fixture(scope="module")
def exist(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """Labels of every metric, by name: those of serving as a server gives them that has answered."""
    root = tmp_path_factory.mktemp("models")
    wire_models.publish(root, "adder", 1, wire_models.adder(1))
    process = ServerProcess(root, "grpcio")
    try:
        with InferenceServerClient(process.grpc) as client:
            values = InferInput("a", [2, 3], "FP32").set_data_from_numpy(np.zeros((2, 3), np.float32))
            client.infer("adder", [values])
        text = process.get("/metrics").text
    finally:
        process.close()
    labels = {name: set(names) for name, names in MONITORING.items()}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels.setdefault(sample.name, set()).update(sample.labels)
    return labels


def test_metrics_of_monitoring_are_what_the_collector_gives(tmp_path: Path) -> None:
    with Engine(tmp_path) as engine:
        families = list(monitor_metrics(engine))
    given = {f"{family.name}_total" if family.type == "counter" else family.name for family in families}
    assert MONITORING.keys() <= given


def panels(dashboard: dict[str, Any]) -> list[dict[str, Any]]:
    found = [
        *dashboard["panels"],
        *(inner for panel in dashboard["panels"] for inner in panel.get("panels", [])),
    ]
    assert len(found) > 20
    return found


def expressions(dashboard: dict[str, Any]) -> Iterator[str]:
    for panel in panels(dashboard):
        yield from (target["expr"] for target in panel.get("targets", []))
    yield from (note["expr"] for note in dashboard["annotations"]["list"])
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            yield variable["query"]["query"]


def test_every_metric_exists(dashboard: dict[str, Any], exist: dict[str, set[str]]) -> None:
    shown = {name for text in expressions(dashboard) for name in re.findall(r"\bpenstock_\w+", text)}
    assert shown <= exist.keys()
    assert set(MONITORING) <= shown


def test_metrics_have_the_labels_that_are_selected(
    dashboard: dict[str, Any], exist: dict[str, set[str]]
) -> None:
    for text in expressions(dashboard):
        for name, selectors in re.findall(r"\b(penstock_\w+)\{(.*?)\}", text):
            assert set(re.findall(r"(\w+)(?==|!=)", selectors)) <= exist[name], text
        grouped = {label for found in re.findall(r"\bby \((.*?)\)", text) for label in found.split(", ")}
        names = re.findall(r"\bpenstock_\w+", text)
        assert all(grouped <= exist[name] for name in names), text


def test_legends_name_labels_that_are_left(dashboard: dict[str, Any]) -> None:
    for panel in panels(dashboard):
        for target in panel.get("targets", []):
            kept = {
                label
                for found in re.findall(r"\bby \((.*?)\)", target["expr"])
                for label in found.split(", ")
            }
            assert set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])) <= kept, target


def test_variables_are_defined(dashboard: dict[str, Any]) -> None:
    defined = {variable["name"] for variable in dashboard["templating"]["list"]}
    used = set(re.findall(r"\$\{?(\w+)", json.dumps(dashboard)))
    assert used - {"__rate_interval", "__all"} == defined


def test_panels_do_not_overlap(dashboard: dict[str, Any]) -> None:
    taken: dict[tuple[int, int], str] = {}
    for panel in dashboard["panels"]:
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= COLUMNS, panel["title"]
        for place in np.ndindex(at["h"], at["w"]):
            cell = (at["y"] + place[0], at["x"] + place[1])
            assert cell not in taken, (panel["title"], taken[cell])
            taken[cell] = panel["title"]


def test_panels_say_what_they_show(dashboard: dict[str, Any]) -> None:
    shown = [panel for panel in panels(dashboard) if panel["type"] != "row"]
    assert len({panel["id"] for panel in panels(dashboard)}) == len(panels(dashboard))
    for panel in shown:
        assert panel["title"]
        assert panel["description"].endswith(".")
        assert panel["targets"]
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
