"""The dashboard's data: from a real engine whose model is monitored, over HTTP, and the page itself."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import models
import numpy as np
import pytest
from prometheus_client import CollectorRegistry
from serving import ServerProcess, wait_until

import penstock
from penstock.config import parse_config
from penstock.engine.engine import Engine
from penstock.engine.failures import CODE_NAMES
from penstock.engine.statistics import Histogram, PipelineStatistics
from penstock.monitor.alerts import Alert
from penstock.monitor.drift import drift
from penstock.monitor.history.closed import ClosedWindow
from penstock.monitor.window import Window
from penstock.serve.dashboard import Dashboard
from penstock.serve.dashboard.alerts import MOST_ALERTS, MOST_FINDINGS, alert_list
from penstock.serve.dashboard.document import SCRIPTS, document
from penstock.serve.dashboard.heat_map import MOST_CELLS, MOST_WINDOWS, heat_map
from penstock.serve.dashboard.samples import SPANS, Samples
from penstock.serve.dashboard.traffic import now, quantile, traffic
from penstock.serve.http import make_app

START_S = 1_800_000_000.0  # on the hour
HOUR_S = 3600.0
HOSTILE = "</script><img src=x onerror=alert(1)>"
MONITOR = {"window_s": HOUR_S, "compare": ["baseline", "previous"], "watch": False}


def rows_of(count: int, seed: int, shift: float = 0.0) -> np.ndarray[Any, Any]:
    rows = np.random.default_rng(seed).normal(size=(count, 4)).astype(np.float32)
    rows[:, 2] += shift
    return rows


@pytest.fixture
def packed(repository: Path, tmp_path: Path) -> Path:
    """Version 1 and 2 of a model with a baseline, and a model without one."""
    rows = rows_of(5000, 0)
    columns = ("age", "a/b & c", HOSTILE, "hours")
    reference = {name: rows[:, index] for index, name in enumerate(columns)}
    graph = models.affine(tmp_path / "m.onnx")
    for _ in range(2):
        penstock.pack("watched", graph, repository=repository, reference=reference)
    models.publish(repository, "plain", 1, models.affine)
    return repository


@pytest.fixture
def engine(packed: Path) -> Iterator[Engine]:
    """Six closed hours, the last two moved, version 2 from the fourth on, and an open one.

    The monitor's own thread sleeps.
    """
    config = parse_config(
        {"monitor": {"interval_s": HOUR_S}, "models": {"watched": {"version": 1, "monitor": MONITOR}}}
    )
    with Engine(packed, config=config) as engine:
        monitor = engine.monitor("watched")
        for hour in range(7):
            begin_s = START_S + hour * HOUR_S
            if hour == 3:
                engine.load("watched", 2)
            monitor.tick(begin_s + 1)
            engine.predict("watched", {"x": rows_of(500, hour + 1, shift=1.5 if hour >= 4 else 0.0)})
            monitor.tick(begin_s + 2)
        yield engine


@pytest.fixture
def client(engine: Engine) -> Client:
    return Client(Dashboard(lambda: engine))


class Client:
    """Asks the application in this process."""

    def __init__(self, dashboard: Dashboard) -> None:
        self.app = make_app(CollectorRegistry(), list, dashboard.routes)

    def ask(self, path: str, method: str = "GET", **query: Any) -> httpx.Response:
        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(self.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://penstock") as client:
                return await client.request(method, path, params=query or None)

        return asyncio.run(ask())


def get(client: Client, path: str, **query: Any) -> Any:
    answer = client.ask(path, **query)
    assert answer.status_code == 200, answer.text
    return answer.json()


# What the page asks


def test_overview_shows_every_deployment(client: Client) -> None:
    found = get(client, "/api/overview")
    assert found["ready"] is True
    by_name = {model["name"]: model for model in found["models"]}
    watched = by_name["watched"]
    assert list(by_name) == ["plain", "watched"]
    assert by_name["plain"]["drift"] is None
    assert watched["active"] == 2
    assert [one["version"] for one in watched["versions"]] == [2, 1]
    assert [one["state"] for one in watched["versions"]] == ["READY", "UNAVAILABLE"]
    assert watched["loads"] == 2
    state = watched["drift"]
    assert (state["baseline_rows"], state["features"], state["worst"]) == (5000, 6, 3)
    assert HOSTILE in state["moved"]
    assert state["open"]["rows"] == 500
    assert found["n_firing"] == len(found["alerts"]) == 1
    assert found["alerts"][0]["model"] == "watched"


def test_heat_map_has_a_cell_for_each_feature_and_window(client: Client) -> None:
    found = get(client, "/api/models/watched/drift")
    assert [one["version"] for one in found["windows"]] == [1, 1, 1, 2, 2, 2, 2]
    assert found["windows"][-1]["id"] == "open"
    assert found["versions"] == [1, 2]
    assert found["comparisons"] == ["baseline", "previous"]
    moved = found["features"][0]
    assert moved["name"] in (HOSTILE, "y[0]", "y[1]")  # what moved, and the outputs that follow it
    rows = {row["name"]: row for row in found["features"]}
    assert rows[HOSTILE]["alarm"] == [0, 0, 0, 0, 3, 3, 3]
    assert rows["age"]["alarm"] == [0] * 7
    assert rows[HOSTILE]["effect"][-1] > 0.3 > rows["age"]["effect"][-1]
    assert rows[HOSTILE]["evidence"][4] > 20
    assert rows["y[0]"]["role"] == "output"


def test_heat_map_can_be_narrowed(client: Client) -> None:
    found = get(client, "/api/models/watched/drift", find="B & C", windows=2, version=2, compare="previous")
    assert [row["name"] for row in found["features"]] == ["a/b & c"]
    assert (found["n_matching"], found["n_features"], len(found["windows"])) == (1, 6, 2)
    assert get(client, "/api/models/watched/drift", compare="hour")["features"] == []


def test_a_feature_has_its_histograms_and_its_past(client: Client) -> None:
    found = get(client, "/api/models/watched/feature", name=HOSTILE)
    assert found["alarm"] is True
    assert found["severity"] == "high"
    assert "mean" in found["reason"]
    detail = found["detail"]
    assert len(detail["p"]["b"]) == len(detail["p"]["a"]) == len(detail["p"]["l"])
    assert sum(detail["p"]["a"]) == pytest.approx(1, abs=1e-3)
    assert {name for name, *_ in detail["s"]} >= {"psi", "ks", "wasserstein"}
    assert any(check[-1] for check in detail["c"])
    assert found["history"]["alarm"] == [0, 0, 0, 0, 3, 3, 3]
    assert len(found["history"]["mean"]) == len(found["windows"]) == 7
    first = get(client, "/api/models/watched/feature", name=HOSTILE, window=found["windows"][0])
    assert first["alarm"] is False
    assert first["window"]["begin_s"] == pytest.approx(START_S)
    opened = get(client, "/api/models/watched/feature", name=HOSTILE, window="open")
    assert opened["n_current"] == 500


def test_alerts_are_listed(client: Client) -> None:
    (alert,) = get(client, "/api/models/watched/alerts")["alerts"]
    assert alert["firing"] is True
    assert alert["severity"] == "high"
    assert alert["next_steps"]
    assert HOSTILE in {found["subject"] for found in alert["findings"]}


def test_traffic_is_what_the_engine_counted(engine: Engine) -> None:
    dashboard = Dashboard(lambda: engine)
    dashboard.look(START_S)
    for seed in range(20):
        engine.submit("plain", {"x": rows_of(3, seed)}).result(timeout=20)
    dashboard.look(START_S + 2)
    found = get(Client(dashboard), "/api/models/plain/traffic", span_s=300)
    assert found["steps"]["at_s"] == [START_S + 2]
    assert found["steps"]["requests_per_s"] == [10]
    assert found["steps"]["rows_per_s"] == [30]
    assert found["steps"]["failures_per_s"] == [0]
    assert found["total"]["codes"] == {"OK": 20}
    assert found["total"]["rows_by_version"] == {"1": 60}
    assert 0 < found["total"]["p50_s"] <= found["total"]["p99_s"]
    assert sum(found["total"]["batch_rows"]["counts"]) == sum(found["total"]["limits"].values()) > 0
    assert get(Client(dashboard), "/api/overview")["models"][0]["now"]["rows_per_s"] == 30


def test_the_report_is_a_page_of_its_own(client: Client) -> None:
    answer = client.ask("/api/models/watched/report.html")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "sandbox" in answer.headers["content-security-policy"]
    assert HOSTILE not in answer.text


# What it gets where there is nothing


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("/api/models/none/traffic", 404, "not in the repository"),
        ("/api/models/plain/drift", 404, "--reference"),
        ("/api/models/watched/feature?name=none", 404, "no window"),
        ("/api/models/watched/feature?name=age&window=9-9-9", 404, "no window"),
        ("/api/models/watched/drift?windows=x", 400, "windows"),
        ("/api/models/watched/drift?windows=99999999999", 400, "windows"),
        ("/api/models/watched/traffic?span_s=7", 400, "span_s"),
        ("/api/nothing", 404, "nothing here"),
    ],
)
def test_what_cannot_be_answered_is_said(client: Client, path: str, status: int, said: str) -> None:
    answer = client.ask(path)
    assert answer.status_code == status
    assert said in answer.json()["error"]


def test_only_get_is_answered(client: Client) -> None:
    for path in ("/", "/dashboard", "/api/overview", "/api/models/watched/drift"):
        assert client.ask(path, "POST").status_code == 405, path
        assert client.ask(path, "DELETE").status_code == 405, path
        assert client.ask(path, "HEAD").status_code == 200, path


def test_data_wait_for_the_models_and_the_page_does_not() -> None:
    client = Client(Dashboard(lambda: None))
    assert client.ask("/").status_code == 200
    for path in ("/api/overview", "/api/models/m/traffic", "/api/nothing"):
        answer = client.ask(path)
        assert (answer.status_code, answer.json()) == (503, {"error": "models are loading"})


def test_a_model_that_learns_its_baseline_says_so(repository: Path) -> None:
    models.publish(repository, "m", 1, models.affine)
    config = parse_config(
        {"monitor": {"interval_s": HOUR_S}, "models": {"m": {"monitor": {"baseline_rows": 1000}}}}
    )
    with Engine(repository, config=config) as engine:
        engine.predict("m", {"x": rows_of(300, 1)})
        engine.monitor("m").tick(START_S)
        client = Client(Dashboard(lambda: engine))
        state = get(client, "/api/overview")["models"][0]["drift"]
        assert (state["baseline_rows"], state["learning_rows"], state["features"]) == (0, 700, None)
        assert get(client, "/api/models/m/drift")["features"] == []


def test_an_engine_of_nothing(repository: Path) -> None:
    with Engine(repository) as engine:
        found = get(Client(Dashboard(lambda: engine)), "/api/overview")
    assert (found["models"], found["alerts"], found["n_models"]) == ([], [], 0)


# The page


def test_the_page_stands_alone_under_a_strict_policy(client: Client) -> None:
    answers = [client.ask("/"), client.ask("/dashboard")]
    assert answers[0].content == answers[1].content
    headers, text = answers[0].headers, answers[0].text
    assert headers["content-type"] == "text/html; charset=utf-8"
    assert headers["x-content-type-options"] == "nosniff"
    policy = dict(part.split(" ", 1) for part in headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"
    assert "unsafe" not in headers["content-security-policy"]
    assert not re.findall(r"(?:https?:)?//[\w.-]+\.\w+", text)
    assert "url(" not in text
    assert "@import" not in text
    assert not re.search(r"<[^>]* (?:on\w+|style)=", text)
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b", text)
    assert len(answers[0].content) < 200_000


def test_every_script_is_in_the_page() -> None:
    folder = Path(penstock.__file__).parent / "serve" / "dashboard" / "page"
    assert {path.name for path in folder.glob("*.js")} == set(SCRIPTS)
    assert b"@SCRIPT@" not in document().body
    assert b"@STYLE@" not in document().body


def test_no_answer_is_kept_or_shared(client: Client) -> None:
    headers = client.ask("/api/overview").headers
    assert headers["cache-control"] == "no-store"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert "access-control-allow-origin" not in headers


# Bounds


def test_a_heat_map_is_bounded() -> None:
    random = np.random.default_rng(0)
    names = [f"feature {index}" for index in range(300)]
    before = {name: random.normal(size=200) for name in names}
    report = drift(before, {name: random.normal(size=100) for name in names})
    profile = penstock.Baseline.fit(before).profile
    closed = [
        ClosedWindow(
            Window(model="m", version=1, begin_s=60.0 * i, end_s=60.0 * i + 60, profile=profile),
            {"baseline": report},
        )
        for i in range(MOST_WINDOWS + 100)
    ]
    found = heat_map(closed, windows=10**6)
    assert len(found["windows"]) == MOST_WINDOWS
    assert len(found["features"]) * len(found["windows"]) <= MOST_CELLS
    assert found["n_features"] == 300
    assert len(json.dumps(found)) < 1_500_000


def test_few_rows_are_no_quiet_cells(client: Client, engine: Engine) -> None:
    monitor = engine.monitor("watched")
    monitor.tick(START_S + 7 * HOUR_S + 1)
    engine.predict("watched", {"x": rows_of(5, 99)})
    monitor.tick(START_S + 7 * HOUR_S + 2)
    monitor.tick(START_S + 8 * HOUR_S + 1)
    found = get(client, "/api/models/watched/drift")
    assert all(row["alarm"][7] is None and row["effect"][7] is None for row in found["features"])


def alert(name: str, at_s: float, **more: Any) -> Alert:
    settings: dict[str, Any] = {
        "model": "m", "version": 1, "kind": "drift", "severity": "low", "state": "firing",
        "since_s": at_s, "title": name, "findings": (),
    }  # fmt: skip
    return Alert(id=name, at_s=at_s, **(settings | more))


def test_alerts_stand_once_those_that_fire_first() -> None:
    messages = [
        alert("old", 1.0),
        alert("old", 2.0, state="resolved"),
        alert("low", 3.0),
        alert("high", 4.0, severity="high"),
        alert("newer", 5.0, state="resolved"),
    ]
    firing = [messages[2], messages[3], alert("from before the restart", 0.5)]
    found = alert_list(firing, messages)
    order = [(one["title"], one["firing"]) for one in found]
    assert order == [
        ("high", True), ("low", True), ("from before the restart", True), ("newer", False), ("old", False),
    ]  # fmt: skip
    assert len(alert_list((), [alert(str(i), float(i)) for i in range(1000)])) == MOST_ALERTS


def test_an_alert_of_many_findings_is_cut(engine: Engine) -> None:
    (fired,) = engine.monitor("watched").firing()
    many = alert("many", 1.0, findings=fired.findings * 100)
    (found,) = alert_list([many], ())
    assert len(found["findings"]) == MOST_FINDINGS
    assert found["n_findings"] == 100 * len(fired.findings)


# Samples


def counters(ok: int, version: int = 1, failed: int = 0) -> PipelineStatistics:
    """Counters of as many requests and batches, of two rows each."""
    request_s = Histogram((0.001, 0.01), (ok, 0, 0), 0.0)
    return PipelineStatistics(
        model="m", version=version, active=True, requests={"OK": ok, CODE_NAMES[8]: failed}, rows=2 * ok,
        batches=ok, batch_reasons={"all": ok}, queue_rows=0, last_inference_ms=0, queue_s=request_s,
        execution_s=request_s, batch_rows=Histogram((1.0, 2.0), (0, ok, 0), 0.0), request_s=request_s,
        base_cost_s=0.0, row_cost_s=0.0, refusals={},
    )  # fmt: skip


def test_spans_end_now_and_stay_within_their_length() -> None:
    samples = Samples()
    for step in range(2000):
        samples.look([counters(10 * step)], START_S + 2 * step)
    for span_s, step_s in SPANS.items():
        spell = samples.spell("m", span_s)
        assert spell is not None
        assert spell.at_s[-1] == START_S + 2 * 1999
        assert len(spell.at_s) <= span_s // step_s + 1
        assert spell.seconds[:-1] == pytest.approx(step_s)
        assert spell.counts[:, 0] / spell.seconds == pytest.approx(10)


def test_a_swap_loses_no_rate() -> None:
    samples = Samples()
    samples.look([counters(100)], START_S)
    samples.look([counters(110), counters(5, version=2)], START_S + 2)
    samples.look([counters(20, version=2)], START_S + 4)
    samples.look([counters(2, version=2)], START_S + 6)  # loaded anew
    spell = samples.spell("m", 300)
    assert spell is not None
    assert spell.counts[:, 1].tolist() == [15, 15, 2]
    assert spell.rows_by_version == {1: 20, 2: 44}


def test_a_clock_that_is_set_back_begins_anew() -> None:
    samples = Samples()
    for at_s in (0.0, 2.0, -500.0):
        samples.look([counters(5)], START_S + at_s)
    assert samples.spell("m", 300) is None
    samples.look([counters(7)], START_S - 498)
    spell = samples.spell("m", 86_400)
    assert spell is not None
    assert spell.counts[:, 1].tolist() == [2]


def test_what_rests_keeps_no_memory() -> None:
    samples = Samples()
    for step in range(10):
        samples.look([counters(5)], START_S + 2 * step)
    ring = samples._rings[300]
    assert len({id(look.counts["m", 1]) for look in ring}) == 1


def test_nothing_to_show_yet() -> None:
    samples = Samples()
    assert traffic(samples, "m", 300)["steps"] is None
    assert now(samples, "m") == {}
    samples.look([], START_S)
    samples.look([], START_S + 2)
    assert now(samples, "m") == {}
    assert traffic(samples, "m", 300)["steps"] is None
    samples.look([counters(0)], START_S + 4)
    samples.look([counters(0)], START_S + 6)
    found = now(samples, "m")
    assert (found["requests_per_s"], found["p99_s"], found["batch_rows"]) == (0, None, None)


def test_failures_are_those_that_are_not_ok() -> None:
    samples = Samples()
    samples.look([counters(0)], START_S)
    samples.look([counters(3, failed=1)], START_S + 2)
    found = now(samples, "m")
    assert (found["requests_per_s"], found["failures_per_s"]) == (2, 0.5)


def test_quantiles_are_within_their_bucket() -> None:
    random = np.random.default_rng(0)
    values = np.exp(random.normal(-6, 1, 20_000))
    bounds = tuple(float(bound) for bound in 10 ** np.arange(-5, 1.01, 0.25))
    counts = np.bincount(np.searchsorted(bounds, values), minlength=len(bounds) + 1)
    for share in (0.01, 0.5, 0.95, 0.99):
        found = float(quantile(bounds, counts, share))
        assert found == pytest.approx(np.quantile(values, share), rel=0.1)
    assert np.isnan(quantile(bounds, counts * 0, 0.5))


# The server


def test_a_server_that_monitors_nothing_loads_nothing_of_it() -> None:
    program = (
        "import sys, penstock.serve.server\n"
        "from penstock.serve.dashboard.document import document\n"
        "document()\n"
        "print([name for name in sys.modules if name.startswith('penstock.monitor')])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("shown", [True, False])
def test_the_server_shows_it_where_it_is_asked_for(packed: Path, shown: bool) -> None:
    process = ServerProcess(packed, "grpcio", dashboard=shown)
    try:
        assert process.get("/healthz").status_code == 200
        found = [process.get(path).status_code for path in ("/", "/dashboard", "/api/overview")]
        assert found == ([200] * 3 if shown else [404] * 3)
        if shown:
            wait_until(lambda: process.get("/api/models/plain/traffic").json()["steps"], what="a rate")
    finally:
        process.close()
