"""The page and the table: they hold what was found, need no network, and take any text."""

from __future__ import annotations

import dataclasses
import html.parser
import io
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import browser
import numpy as np
import pyarrow as pa
import pytest
from rich.console import Console

from penstock.errors import OutputError
from penstock.monitor import Baseline
from penstock.monitor.drift import drift
from penstock.monitor.offline import Wanted, compare_files
from penstock.monitor.report import DriftReport
from penstock.monitor.report.page import page
from penstock.monitor.report.picture import BARS, picture
from penstock.monitor.timeline import Cut

HOSTILE = "</script><img src=x onerror=alert(1)>\u2028&amp;\"'"


def report_of(features: int, rows: int = 3000) -> DriftReport:
    random = np.random.default_rng(0)
    before: dict[str, object] = {f"number_{i:03}": random.normal(size=rows) for i in range(features)}
    after = {name: random.normal(0.02, 1, size=rows) for name in before}
    before[HOSTILE] = ["a", "b", HOSTILE] * (rows // 3)
    after[HOSTILE] = np.array(["a", "b", "@ROWS@"] * (rows // 3), dtype=object)
    before["state"] = [f"state {i}" for i in random.integers(0, 300, rows)]
    after["state"] = [f"state {i}" for i in random.integers(0, 320, rows)]
    return drift(before, after)


@pytest.fixture(scope="module")
def report() -> DriftReport:
    return report_of(6)


class Elements(html.parser.HTMLParser):
    """Collects what a page is made of."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def test_the_page_needs_no_network(report: DriftReport) -> None:
    text = page(report)
    assert not re.findall(r"(?:https?:)?//[\w.-]+\.\w+", text)
    assert "url(" not in text
    assert "@import" not in text
    for tag, attributes in Elements(text).found:
        assert tag not in {"link", "img", "iframe", "object", "embed", "base"}
        assert not {"src", "href", "srcset", "action"} & set(attributes), (tag, attributes)
    assert "default-src 'none'" in text


def test_no_text_of_the_data_becomes_markup(report: DriftReport) -> None:
    text = page(report)
    tags = [tag for tag, _ in Elements(text).found]
    assert tags.count("script") == 3
    assert "onerror" not in {name for _, attributes in Elements(text).found for name in attributes}
    data = json.loads(re.search(r"id=data>(.*?)</script>", text, re.DOTALL).group(1))  # type: ignore[union-attr]
    assert HOSTILE in {one["n"] for one in data}
    assert "@ROWS@" in text


def test_every_feature_has_a_row_that_opens_by_keyboard(report: DriftReport) -> None:
    found = Elements(page(report)).found
    rows = [attributes for tag, attributes in found if tag == "tr" and attributes.get("class") == "f"]
    openers = [attributes for tag, attributes in found if tag == "button" and "aria-expanded" in attributes]
    assert len(rows) == len(openers) == len(report)
    assert [row["data-alarm"] for row in rows] == [str(int(feature.alarm)) for feature in report]


def test_200_features_stay_under_two_megabytes(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    report_of(200, rows=600).to_html(path)
    assert path.stat().st_size < 2_000_000


def test_a_page_that_cannot_be_written_is_said(report: DriftReport, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot be written"):
        report.to_html(tmp_path / "no" / "report.html")


def test_a_page_of_nothing(tmp_path: Path) -> None:
    report = drift({"x": np.arange(50.0), "c": ["a"] * 50}, {"x": np.zeros(0), "c": []})
    report.to_html(tmp_path / "report.html")
    assert "Nothing moved" in (tmp_path / "report.html").read_text()


@pytest.mark.skipif(shutil.which("chromium") is None, reason="chromium is not installed")
def test_a_browser_draws_the_page(tmp_path: Path, report: DriftReport) -> None:
    path = tmp_path / "report.html"
    report.to_html(path)
    done = subprocess.run(
        ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom", path.as_uri()],
        capture_output=True,
        text=True,
        timeout=100,
        check=True,
        env=browser.environment(),
    )
    found = Elements(done.stdout).found
    assert any(attributes.get("aria-expanded") == "true" for _, attributes in found)
    assert any(attributes.get("class") == "chart" for _, attributes in found)
    assert f"{len(report)} of {len(report)} shown" in done.stdout


def test_pictures_hold_all_rows(report: DriftReport) -> None:
    for feature in report:
        drawn = picture(feature.reference, feature.current)
        assert drawn is not None
        assert len(drawn.labels) == len(drawn.before) == len(drawn.after) <= BARS + 2
        assert sum(drawn.before) == pytest.approx(1, abs=1e-3)
        assert sum(drawn.after) == pytest.approx(1, abs=1e-3)


def test_pictures_are_not_stretched_by_outliers() -> None:
    random = np.random.default_rng(0)
    after = random.normal(size=2000)
    after[::10] = -1e6
    feature = drift({"x": random.normal(size=2000)}, {"x": after})["x"]
    drawn = picture(feature.reference, feature.current)
    assert drawn is not None
    assert max(drawn.before) < 0.2
    assert drawn.after[0] == pytest.approx(0.1, abs=0.02)


def test_the_table_names_every_feature(report: DriftReport) -> None:
    console = Console(width=160, record=True, file=io.StringIO())
    console.print(report.to_table())
    text = console.export_text()
    assert all(f"number_{i:03}" in text for i in range(6))
    assert "what moved" in text


def report_over_time(features: int, windows: int) -> DriftReport:
    random = np.random.default_rng(0)
    rows = 20 * windows
    before = {f"number_{i:03}": random.normal(100, 20, size=2000) for i in range(features)}
    after: dict[str, object] = {name: random.normal(100, 20, size=rows) for name in before}
    before[HOSTILE] = random.normal(size=2000)
    after[HOSTILE] = np.where(np.arange(rows) > rows / 2, 9.0, random.normal(size=rows))
    before["@DATA@"] = before["@TIME@"] = random.choice(["a", "b"], 2000)
    after["@DATA@"] = after["@TIME@"] = [None, "a", "b", "c"] * (rows // 4)
    random_labels = random.integers(0, 2, 2000)
    before["y"], before["p"] = random_labels, random.uniform(size=2000)
    after["y"], after["p"] = np.arange(rows) % 2, random.uniform(size=rows)
    baseline = Baseline.fit(before, label="y", prediction="p", multivariate=True)
    batches = pa.table({"t": np.arange(rows, dtype=float), **after}).to_batches()
    wanted = Wanted(cut=Cut.parse("20"), time="t", multivariate=True, quality=True)
    return compare_files(baseline, batches, wanted, columns=[*before])


def parts_of(text: str) -> tuple[list[Any], dict[str, Any]]:
    found = [
        re.search(f"id={name}>(.*?)</script>", text, re.DOTALL).group(1)  # type: ignore[union-attr]
        for name in ("data", "time")
    ]
    return json.loads(found[0]), json.loads(found[1])


@pytest.fixture(scope="module")
def over_time() -> DriftReport:
    return report_over_time(3, 12)


def test_a_page_over_time_has_every_part(over_time: DriftReport) -> None:
    text = page(over_time)
    data, time = parts_of(text)
    assert len(data) == len(time["f"]) == len(over_time)
    assert [feature.name for feature in over_time] == [one["n"] for one in data]
    assert over_time.windows is not None
    assert time["w"] == [span.label for span in over_time.windows.spans]
    assert all(len(line["h"]) == 12 for line in time["f"])
    worst = [one["n"] for one in data].index(HOSTILE)
    assert "3" in time["f"][worst]["h"][7:]
    assert {"accuracy", "auc", "brier"} == set(time["q"])
    for words in ("All features together", "Quality: y by p", "Did quality drop", "windows of t alarm"):
        assert words in text
    assert "onerror" not in {name for _, attributes in Elements(text).found for name in attributes}
    assert not re.findall(r"(?:https?:)?//[\w.-]+\.\w+", text)


def test_a_page_without_windows_says_nothing_of_them(report: DriftReport) -> None:
    assert parts_of(page(report))[1] is None
    assert "over time" not in re.sub(r"<script.*", "", page(report), flags=re.DOTALL)


def test_200_features_in_200_windows_stay_under_two_megabytes(tmp_path: Path) -> None:
    report = report_over_time(196, 5)
    assert report.windows is not None
    windows = dataclasses.replace(report.windows, spans=report.windows.spans * 40)
    path = tmp_path / "report.html"
    dataclasses.replace(report, windows=windows).to_html(path)
    assert path.stat().st_size < 2_000_000


@pytest.mark.skipif(shutil.which("chromium") is None, reason="chromium is not installed")
def test_a_browser_draws_the_page_over_time(tmp_path: Path, over_time: DriftReport) -> None:
    path = tmp_path / "report.html"
    over_time.to_html(path)
    done = subprocess.run(
        ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom", path.as_uri()],
        capture_output=True,
        text=True,
        timeout=100,
        check=True,
        env=browser.environment(),
    )
    found = Elements(done.stdout).found
    lines = [attributes for tag, attributes in found if tag == "svg" and attributes.get("class") == "over"]
    assert len(lines) >= len(over_time) + 3  # one in each row, one a metric
    canvas = next(attributes for tag, attributes in found if tag == "canvas")
    assert int(canvas["width"] or 0) > 300
