"""The dashboard in a real browser, over a real server whose traffic moves."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import browser
import models
import numpy as np
import pytest
import tritonclient.grpc as triton
from serving import ServerProcess, wait_until

import penstock

pytest.importorskip("selenium", reason="selenium is not installed")

from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement

BROWSER, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(
    not (BROWSER and DRIVER), reason="chromium and chromedriver are not installed"
)

HOSTILE = "<img src=x onerror=document.title=1>"
COLUMNS = ("age", "income", HOSTILE, "hours")
WINDOW_ROWS, QUIET, MOVED = 400, 4, 2
WIDE, NARROW = (1400, 900), (420, 900)


def rows_of(count: int, seed: int, shift: float = 0.0) -> np.ndarray[Any, Any]:
    rows = np.random.default_rng(seed).normal(size=(count, 4)).astype(np.float32)
    rows[:, 1] += shift
    return rows


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server with a model whose income moved in its last two windows, and one without a baseline."""
    root = tmp_path_factory.mktemp("dashboard")
    repository = root / "models"
    repository.mkdir()
    rows = rows_of(5000, 0)
    reference = {name: rows[:, index] for index, name in enumerate(COLUMNS)}
    penstock.pack("watched", models.affine(root / "m.onnx"), repository=repository, reference=reference)
    models.publish(repository, "plain", 1, models.affine)
    settings = {"watched": {"monitor": {"window_rows": WINDOW_ROWS, "window_s": 86_400 * 7}}}
    process = ServerProcess(repository, "grpcio", models=settings)
    try:
        for window in range(QUIET + MOVED):
            send(process, rows_of(WINDOW_ROWS, window + 1, shift=1.0 if window >= QUIET else 0.0))
            wait_until(lambda closed=window + 1: drift_of(process)["windows"] == closed, what="a window")
        send(process, rows_of(100, 99))
        wait_until(lambda: drift_of(process)["open"], what="the open window")
        yield process
    finally:
        process.close()


def send(process: ServerProcess, rows: np.ndarray[Any, Any]) -> None:
    with triton.InferenceServerClient(process.grpc) as client:
        for part in np.array_split(rows, 4):
            tensor = triton.InferInput("x", part.shape, "FP32")
            tensor.set_data_from_numpy(part)
            client.infer("watched", [tensor])


def drift_of(process: ServerProcess) -> Any:
    found = {model["name"]: model for model in process.get("/api/overview").json()["models"]}
    return found["watched"]["drift"]


class Page:
    """What a reader sees and does."""

    def __init__(self, driver: Chrome) -> None:
        self.driver = driver

    def open(self, process: ServerProcess, path: str = "/") -> None:
        self.driver.get(f"http://{process.http}{path}")
        wait_until(lambda: self.read("body[data-state=shown]"), what="the page")

    def read(self, css: str, what: str = "textContent") -> list[str]:
        """Return a property or attribute of every element that fits, read at once."""
        script = (
            "return [...document.querySelectorAll(arguments[0])]"
            ".map(e => String(e.getAttribute(arguments[1]) ?? e[arguments[1]] ?? ''))"
        )
        found: list[str] = self.driver.execute_script(script, css, what)
        return found

    def one(self, css: str) -> WebElement:
        """Return an element to act on, once it is there."""
        return wait_until(lambda: self.driver.find_elements(By.CSS_SELECTOR, css), what=css)[0]

    def wait_for(self, text: str, css: str) -> None:
        """Wait until an element that fits has a text."""
        wait_until(lambda: any(text in found for found in self.read(css)), what=f'"{text}" in {css}')

    def gone(self, css: str) -> None:
        """Wait until nothing fits."""
        wait_until(lambda: not self.read(css), what=f"the end of {css}")

    def resize(self, width: int, height: int) -> None:
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)

    def scheme(self, name: str) -> None:
        features = [{"name": "prefers-color-scheme", "value": name}]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})

    def background(self) -> str:
        return self.driver.execute_script("return getComputedStyle(document.body).backgroundColor")

    def errors(self) -> list[str]:
        """Return what the console said since the last call."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def hosts(self) -> set[str]:
        """Return whom the page asked for anything since the last call."""
        events = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        asked = [event["params"] for event in events if event["method"] == "Network.requestWillBeSent"]
        urls = [urlsplit(one["request"]["url"]) for one in asked]
        return {url.netloc for url in urls if url.scheme != "data"}


@pytest.fixture(scope="module")
def driver() -> Iterator[Chrome]:
    options = ChromeOptions()
    options.binary_location = str(BROWSER)
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = Chrome(options=options, service=Service(str(DRIVER), env=browser.environment()))
    yield driver
    driver.quit()


@pytest.fixture
def page(driver: Chrome) -> Iterator[Page]:
    """A page in a clean browser; it must have said nothing on the console when the test ends."""
    page = Page(driver)
    page.resize(*WIDE)
    page.scheme("light")
    page.errors()
    yield page
    errors = page.errors()
    driver.get("about:blank")
    assert errors == []


@pytest.fixture
def keep(page: Page, tmp_path: Path) -> Callable[[str], None]:
    """Take a picture of the page; kept in PENSTOCK_SCREENSHOTS where that is set."""
    folder = Path(os.environ.get("PENSTOCK_SCREENSHOTS", tmp_path))

    def take(name: str) -> None:
        path = folder / f"{name}.png"
        assert page.driver.save_screenshot(str(path))
        assert path.stat().st_size > 20_000

    return take


def test_it_tells_at_a_glance(page: Page, process: ServerProcess, keep: Callable[[str], None]) -> None:
    page.hosts()
    page.open(process)
    assert page.read("#headline") == ["1 alert in watched"]
    assert page.driver.title == "(1) Penstock"
    page.wait_for("income", "#firing .alert h3")
    assert page.read("#firing .alert li")
    page.wait_for("2 of 2", "#facts dd")
    plain, watched = page.read("#deployments tbody tr")
    assert "not monitored" in plain
    assert "moved" in watched
    assert page.read("#deployments tr[aria-selected=true]", "data-model") == ["watched"]
    wait_until(lambda: len(page.read("#charts .plot path.s0")) == 5, what="the charts")
    assert page.read("#charts .plot", "aria-label")[0].startswith("Requests per second")
    keep("glance")
    assert page.hosts() == {process.http}


def test_the_heat_map_opens_by_click_and_by_keyboard(
    page: Page, process: ServerProcess, keep: Callable[[str], None]
) -> None:
    page.open(process, "/dashboard")
    names = page.read("#drift .names button", "data-feature")
    assert set(names) == {*COLUMNS, "y[0]", "y[1]"}
    assert "income" in names[:3]  # with the outputs that follow it
    (said,) = page.read("#drift .cells", "aria-label")
    assert said.startswith(f"6 features in {QUIET + MOVED + 1} windows")
    assert len([shape for shape in page.read("#drift .cells path[class^=l]", "d") if shape]) >= 2
    cells = page.one("#drift .cells")
    cells.send_keys(Keys.ARROW_DOWN)
    for _ in range(names.index("income")):
        cells.send_keys(Keys.ARROW_DOWN)
    cells.send_keys(Keys.ARROW_LEFT)
    page.wait_for("income, ", "#drift [role=status]")
    page.wait_for("high alarm", "#drift [role=status]")
    keep("heat-map")
    cells.send_keys(Keys.ENTER)
    page.wait_for("income", "#feature-title")
    assert page.read("#feature .chart path.c")
    page.wait_for("mean", "#feature .reason")
    page.wait_for("cramer_von_mises", "#feature .panel td.up")
    assert len(page.read("#feature .charts figure")) >= 2
    assert "feature=income" in page.driver.current_url
    keep("feature")
    for _ in range(MOVED):
        shown = page.driver.current_url
        page.one("#feature [data-place=earlier]").click()
        wait_until(lambda shown=shown: page.driver.current_url != shown, what="the window before")
    page.wait_for("no alarm", "#feature .reason")
    shared = page.driver.current_url
    page.driver.switch_to.active_element.send_keys(Keys.ESCAPE)
    page.gone("#feature[open]")
    wait_until(lambda: "feature=" not in page.driver.current_url, what="the address")
    page.driver.get("about:blank")
    page.driver.get(shared)
    page.wait_for("no alarm", "#feature[open] .reason")


def test_an_alert_leads_to_its_feature(page: Page, process: ServerProcess) -> None:
    page.open(process)
    page.one("#firing button[data-feature=income]").click()
    page.wait_for("income", "#feature-title")
    page.one("#feature [data-close]").click()
    page.gone("#feature[open]")


def test_colours_names_and_times_can_be_chosen(page: Page, process: ServerProcess) -> None:
    page.open(process)
    page.one("#view option[value=evidence]").click()
    page.wait_for("corrected p-value", "#drift .legend")
    assert page.read("#drift .cells .marks", "d") != [""]
    page.one("#find").send_keys("inc")
    page.wait_for("1 of 6 features", "#matching")
    page.one("#find").send_keys(" nothing")
    page.wait_for("0 of 6 features", "#matching")
    page.one("#spans [data-span='3600']").click()
    page.wait_for("1 h", "#spans [aria-pressed=true]")
    assert "span=3600" in page.driver.current_url


def test_text_of_the_data_stays_text(page: Page, process: ServerProcess) -> None:
    page.open(process)
    page.one("#find").send_keys("<img")
    page.wait_for("1 of 6 features", "#matching")
    page.one("#drift .names button").click()
    page.wait_for(HOSTILE, "#feature-title")
    assert not page.read("img")
    assert page.driver.title == "(1) Penstock"


def test_a_model_without_a_baseline_says_what_to_do(page: Page, process: ServerProcess) -> None:
    page.open(process)
    page.one("#deployments tr[data-model=plain]").click()
    page.wait_for("penstock pack plain model.onnx --reference", "#drift")
    assert page.read("#drift-title") == ["Drift of plain"]
    assert page.read("#drift-controls", "hidden") == [""]


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_it_fits_and_follows_the_system(
    page: Page, process: ServerProcess, size: tuple[int, int], keep: Callable[[str], None]
) -> None:
    page.resize(*size)
    page.open(process)
    light = page.background()
    page.scheme("dark")
    wait_until(lambda: page.background() != light, what="the dark scheme")
    assert page.driver.execute_script("return document.documentElement.scrollWidth") <= size[0]
    keep(f"dark-{size[0]}")
    page.one("#theme").click()
    wait_until(lambda: page.background() == light, what="the light scheme")
    page.driver.execute_script("localStorage.clear()")


def test_it_stops_when_paused(page: Page, process: ServerProcess) -> None:
    page.open(process)
    page.one("#pause").click()
    page.wait_for("paused", "#updated")
    page.one("#pause").click()
    page.wait_for("updated", "#updated")


def test_a_server_that_ends_is_said(driver: Chrome, repository: Path) -> None:
    page = Page(driver)
    process = ServerProcess(repository, "grpcio")
    try:
        page.open(process)
        assert page.read("#headline") == ["No model is deployed"]
        page.wait_for("penstock pack", "#deployments")
        assert process.stop() == 0
        page.wait_for("No answer from the server since", "#trouble")
    finally:
        process.close()
        driver.get("about:blank")
        page.errors()
