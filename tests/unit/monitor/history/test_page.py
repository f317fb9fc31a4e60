"""The page about windows keeps its word."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from penstock.config import parse_config
from penstock.monitor.history.drift_table import drift_schema
from penstock.monitor.history.parquet_files import FOLD_AT
from penstock.monitor.history.profile_table import profile_schema
from penstock.monitor.seasons import DAYS, WEEKS

PAGE = Path(__file__).parents[4] / "docs" / "windows.md"


@pytest.fixture(scope="module")
def page() -> str:
    if not PAGE.is_file():
        pytest.skip("docs/windows.md is not beside the tests: they run against an installed package")
    return PAGE.read_text()


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("name", ["profile_metrics", "drift_metrics"])
def test_it_lists_every_column(page: str, name: str) -> None:
    schema = {"profile_metrics": profile_schema, "drift_metrics": drift_schema}[name]()
    section = page.partition(f"\n### `{name}`\n")[2].partition("\n### ")[0]
    told = re.findall(r"^\| (`.+?) \|", section, re.MULTILINE)
    assert sorted(re.findall(r"`(\w+)`", " ".join(told))) == sorted(schema.names)


def test_its_numbers_are_those_of_the_code(page: str) -> None:
    assert f"| {DAYS} days |" in page
    assert f"| {WEEKS} weeks |" in page
    assert re.search(rf"when they\s+are {FOLD_AT}\.", page)


def test_its_example_runs(page: str, tmp_path: Path) -> None:
    (text,) = blocks(page, "python")
    done = subprocess.run([sys.executable, "-c", text], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "[False, True, True]\n[500, 500, 500]\n"


def test_its_configuration_is_valid(page: str) -> None:
    (text,) = blocks(page, "toml")
    assert parse_config(tomllib.loads(text), "docs/windows.md")
