"""The documents keep their word: their examples run, their tables match the code."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from serving import wait_until

from penstock.batching import REFUSAL_REASONS
from penstock.config import (
    Config,
    FeedbackConfig,
    LimitsConfig,
    LogConfig,
    ModelConfig,
    ModelMonitorConfig,
    MonitorConfig,
    RuleConfig,
    ServerConfig,
    SinkConfig,
    TlsConfig,
    parse_config,
)
from penstock.monitor.sinks.encoding import decode
from penstock.serve.metrics import EngineCollector
from penstock.transform.steps import STEPS

ROOT = Path(__file__).parents[2]
TIMEOUT_S = 90


def read(name: str) -> str:
    path = ROOT / name
    if not path.is_file():
        pytest.skip(f"{name} is not beside the tests: they run against an installed package")
    return path.read_text()


def blocks(name: str, *languages: str) -> list[tuple[str, str]]:
    """Return the fenced blocks of a document in these languages, in order."""
    found = re.findall(r"^```(\w+)\n(.*?)^```$", read(name), re.MULTILINE | re.DOTALL)
    return [(language, text) for language, text in found if language in languages]


class Reader:
    """Does what a document says, in an empty directory."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.address = ""
        self.server: subprocess.Popen[str] | None = None

    def follow(self, document: str) -> list[str]:
        """Run every block; return what each one printed."""
        return [
            self.python(text) if language == "python" else self.shell(text)
            for language, text in blocks(document, "python", "sh")
        ]

    def python(self, text: str) -> str:
        return self._run([sys.executable, "-c", self._adapt(text)])

    def shell(self, text: str) -> str:
        printed = ""
        for line in text.splitlines():
            program, *arguments = shlex.split(self._adapt(line), comments=True)
            assert program == "penstock", line
            if arguments[0] == "serve":
                self._serve(arguments)
            else:
                talks = arguments[0] == "bench" or (
                    arguments[0] == "models" and "--repository" not in arguments
                )
                address = ["--address", self.address] if talks else []
                printed += self._run([sys.executable, "-m", "penstock", *arguments, *address])
        return printed

    def close(self) -> None:
        if self.server is not None:
            self.server.send_signal(signal.SIGTERM)
            assert self.server.wait(TIMEOUT_S) == 0

    def _adapt(self, text: str) -> str:
        return text.replace("127.0.0.1:8001", self.address) if self.address else text

    def _run(self, command: list[str]) -> str:
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, timeout=TIMEOUT_S)
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def _serve(self, arguments: list[str]) -> None:
        ports = ["--grpc", "127.0.0.1:0", "--http", "127.0.0.1:0"]
        printed = self.folder / "server.out"
        with printed.open("w") as stdout, (self.folder / "server.err").open("w") as stderr:
            self.server = subprocess.Popen(
                [sys.executable, "-m", "penstock", *arguments, *ports],
                cwd=self.folder, stdout=stdout, stderr=stderr, text=True,
            )  # fmt: skip
        ready = wait_until(
            lambda: re.search(r"ready grpc=(\S+)", printed.read_text()), TIMEOUT_S, "the server"
        )
        self.address = ready[1]


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    reader = Reader(tmp_path)
    yield reader
    reader.close()


def test_readme_runs_as_written(reader: Reader) -> None:
    _ = pytest.importorskip("penstock.load._load", reason="the load generator is not built")
    printed = reader.follow("README.md")
    assert "packed flats version 1" in printed[1]
    assert "[0 1]" in printed[3]
    assert "READY" in printed[4]
    assert printed[6] == "200\n"
    assert json.loads(printed[-3])["runs"][0]["failed"] == 0
    assert "packed flats version 2" in printed[-2]
    assert "0 of 2 features moved" in printed[-1]


def test_bundles_guide_runs_as_written(reader: Reader) -> None:
    printed = reader.follow("docs/bundles.md")
    assert printed[0] == "1\n"
    assert "owner=risk" in printed[1]


def test_batch_scoring_guide_runs_as_written(reader: Reader) -> None:
    printed = reader.follow("docs/batch-scoring.md")
    assert "scored 10,000 rows in 1 files" in printed[1]
    assert printed[2] == "10000 ()\n['id', 'score']\n"


def test_serving_guide_runs_as_written(reader: Reader) -> None:
    make_model, *_ = [text for _, text in blocks("README.md", "python")]
    reader.python(make_model)
    reader.shell("penstock pack flats model.onnx --transform transform.arrow\npenstock serve models")
    assert "1 ['label', 'probabilities']" in reader.follow("docs/serving.md")[-1]


def test_transforms_guide_runs_as_written(reader: Reader) -> None:
    (recipe,) = [text for _, text in blocks("docs/transforms.md", "toml")]
    (reader.folder / "features.toml").write_text(recipe)
    printed = reader.follow("docs/transforms.md")
    assert any("city_Ahlen" in text and "(1, 6)" in text for text in printed)
    by_hand, by_command = (
        (reader.folder / name).read_bytes() for name in ("people.arrow", "transform.arrow")
    )
    assert by_hand == by_command


def test_monitoring_guide_runs_as_written(reader: Reader) -> None:
    make_model, *_ = [text for _, text in blocks("README.md", "python")]
    reader.python(make_model)
    flats = pa.table({"rooms": [1.0, 4.0] * 20, "city": ["Ulm", "Bonn"] * 20})
    pq.write_table(flats, reader.folder / "flats.parquet")
    printed = reader.follow("docs/monitoring.md")
    assert "{1: 40} DriftReport(0 of 5 features alarm; 40 reference rows, 40 current) ()" in printed[1]
    assert printed[3].startswith("age ")
    assert (reader.folder / "report.html").is_file()


def test_quality_guide_runs_as_written(reader: Reader) -> None:
    (printed,) = reader.follow("docs/quality.md")
    assert "\nrealised  Metric(value=0.5" in printed
    assert "\nauc: 0.732 → 0.5" in printed


def test_multivariate_guide_runs_as_written(reader: Reader) -> None:
    (printed,) = reader.follow("docs/multivariate.md")
    ((_, text),) = blocks("docs/multivariate.md", "text")
    assert printed == text


def test_alarms_guide_runs_as_written(reader: Reader) -> None:
    (printed,) = reader.follow("docs/alarms.md")
    assert printed == "74 1 of 1 feature moved: age (mean 40.05 → 41.8 (+0.18 σ))\n"


def test_alerts_guide_runs_as_written(reader: Reader) -> None:
    webhook, own = reader.follow("docs/alerts.md")
    assert webhook.startswith("firing 1 of 16 features moved: SCHL\nSinkStatus(sent=1, failed_attempts=0,")
    assert own == "train employment with data since 1767600000\n"
    ((_, message),) = blocks("docs/alerts.md", "json")
    assert decode(message.encode()).to_dict() == json.loads(message)


def test_data_quality_guide_runs_as_written(reader: Reader) -> None:
    (printed,) = reader.follow("docs/data-quality.md")
    assert f"prints `{printed.strip()}`." in read("docs/data-quality.md")


def test_data_quality_guide_has_every_reason() -> None:
    table = read("docs/data-quality.md").partition("| reason |")[2].partition("\n\n")[0]
    assert sorted(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == sorted(REFUSAL_REASONS)


def test_prediction_log_guide_runs_as_written(reader: Reader) -> None:
    log, labels = reader.follow("docs/prediction-log.md")
    assert log.endswith("order-17 2026-03-01 14:15:03+00:00 [0.8, 0.3]\n")
    assert labels == ("1 1 1\n[{'id': 'order-17', 'label': 1.0, 'probabilities[1]': 0.8, 'MAR': '1'}]\n")


def test_transforms_guide_lists_every_step_and_key() -> None:
    text = read("docs/transforms.md").partition("\n### Steps\n")[2].partition("\n### ")[0]
    rows = dict(re.findall(r"^\| `(\w+)` \|.+?(?<!\\)\| (.*?) \| [^|]+ \|$", text, re.MULTILINE))
    assert set(rows) == set(STEPS)
    for op, step in STEPS.items():
        for field in msgspec.structs.fields(step):
            given = field.default not in (msgspec.NODEFAULT, None, ()) and str(field.default) != "nan"
            shown_default = f" = {json.dumps(field.default)}" if given else ""
            assert f"`{field.name}{shown_default}" in rows[op], (op, field.name)


def test_every_toml_example_is_a_valid_configuration() -> None:
    import tomllib

    for document in (
        "docs/monitoring.md",
        "docs/configuration.md",
        "docs/serving.md",
        "docs/alerts.md",
        "docs/alarms.md",
        "docs/quality.md",
        "docs/prediction-log.md",
        "docs/data-quality.md",
    ):
        for _, text in blocks(document, "toml"):
            assert parse_config(tomllib.loads(text), document)


SECTIONS = {
    "server": ServerConfig,
    "server.tls": TlsConfig,
    "server.limits": LimitsConfig,
    "monitor": MonitorConfig,
    "monitor.sinks.NAME": SinkConfig,
    "models.NAME": ModelConfig,
    "models.NAME.monitor": ModelMonitorConfig,
    "models.NAME.monitor.rules.COLUMN": RuleConfig,
    "models.NAME.monitor.log": LogConfig,
    "models.NAME.monitor.feedback": FeedbackConfig,
}
TABLES = {section.split(".")[-1].lower() for section in SECTIONS} | {"sinks", "rules"} - {"name", "column"}
"""Keys that are tables of their own."""
UNITS = {"_s": "seconds", "_ms": "milliseconds", "_bytes": "bytes", "_rows": "rows", "_threads": "threads"}


def documented(section: str) -> dict[str, tuple[str, str, str]]:
    """Return default, unit and meaning of the keys in a section of the configuration page."""
    text = read("docs/configuration.md").partition(f"\n## [{section}]\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \| (.+?) \| (.+?) \| (.+) \|$", text, re.MULTILINE)
    return {key: (default.strip("`"), unit, meaning) for key, default, unit, meaning in rows}


@pytest.mark.parametrize("section", SECTIONS)
def test_configuration_page_lists_every_key_with_its_default_and_unit(section: str) -> None:
    told = documented(section)
    fields = [field for field in msgspec.structs.fields(SECTIONS[section]) if field.name not in TABLES]
    assert list(told) == [field.name for field in fields]
    for field in fields:
        default, unit, meaning = told[field.name]
        assert default == shown(field), field.name
        assert meaning.endswith("."), field.name
        for suffix, expected in UNITS.items():
            if field.name.endswith(suffix):
                assert unit == expected, field.name


def shown(field: Any) -> str:
    """Return a default as the page writes it."""
    default = field.default
    if default is msgspec.NODEFAULT:
        if field.default_factory is msgspec.NODEFAULT:
            return "required"
        default = field.default_factory()
    return "none" if default is None else json.dumps(default)


def test_configuration_page_has_every_section() -> None:
    nested = {"server": ServerConfig, "monitor": MonitorConfig, "models": ModelConfig}
    assert {field.name for field in msgspec.structs.fields(Config)} == set(nested)
    assert set(re.findall(r"^## \[(.+)\]$", read("docs/configuration.md"), re.MULTILINE)) == set(SECTIONS)


def test_metrics_of_the_serving_guide_exist(repository: Path) -> None:
    from penstock import Engine

    with Engine(repository) as engine:
        families = list(EngineCollector(lambda: engine).collect())
    exist = {f"{family.name}_total" if family.type == "counter" else family.name for family in families}
    told = set(re.findall(r"`(penstock_\w+)`", read("docs/serving.md")))
    assert told
    assert told <= exist


def test_readme_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", read("README.md")):
        assert (ROOT / target).exists(), target


def test_no_registry_is_named() -> None:
    """Where packages come from is the installation's business."""
    names = ["Makefile", ".ci/run", *(f"scripts/{entry}" for entry in os.listdir(ROOT / "scripts"))]
    for name in names:
        if (ROOT / name).is_file():
            assert not re.search(r"https?://|index-url|pypi\.org", read(name)), name
