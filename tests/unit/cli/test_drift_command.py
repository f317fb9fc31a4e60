"""``penstock drift``: files in, what moved out."""

from __future__ import annotations

import datetime
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.feather
import pyarrow.parquet as pq
import pytest
import typer
import typer.testing

from penstock.cli.drift import drift
from penstock.errors import PenstockError
from penstock.monitor.baseline import Baseline

app = typer.Typer()
app.command()(drift)


def run(*arguments: object) -> typer.testing.Result:
    return typer.testing.CliRunner().invoke(app, [str(argument) for argument in arguments])


def table(seed: int, shift: float = 0.0, rows: int = 2000) -> pa.Table:
    random = np.random.default_rng(seed)
    return pa.table(
        {
            "x": random.normal(shift, 1, rows),
            "y": random.normal(size=rows),
            "c": random.choice(["a", "b"], rows),
            "day": [datetime.date(2020, 1, 1)] * rows,
        }
    )


@pytest.fixture
def files(tmp_path: Path) -> Path:
    pq.write_table(table(1), tmp_path / "before.parquet")
    pq.write_table(table(2, 0.5), tmp_path / "after.parquet")
    pq.write_table(table(3), tmp_path / "same.parquet")
    pyarrow.feather.write_feather(table(2, 0.5), tmp_path / "after.arrow", compression="uncompressed")
    pyarrow.csv.write_csv(table(2, 0.5), tmp_path / "after.csv")
    Baseline.fit(table(1).drop(["day"])).save(tmp_path / "baseline.arrow")
    return tmp_path


@pytest.mark.parametrize("reference", ["before.parquet", "baseline.arrow", "."])
@pytest.mark.parametrize("current", ["after.parquet", "after.arrow", "after.csv"])
def test_formats(files: Path, reference: str, current: str) -> None:
    done = run(files / reference, files / current, "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert (found["n_reference"], found["n_current"]) == (2000, 2000)
    assert found["alarms"] == ["x"]
    assert {feature["name"] for feature in found["features"]} == {"x", "y", "c"}
    assert all("psi" in feature["statistics"] for feature in found["features"])


def test_several_files_are_one(files: Path) -> None:
    found = json.loads(
        run(files / "before.parquet", files / "after.parquet", files / "same.parquet", "--json").stdout
    )
    assert found["n_current"] == 4000


def test_the_table_and_the_page(files: Path) -> None:
    done = run(files / "baseline.arrow", files / "after.parquet", "--html", files / "report.html")
    assert done.exit_code == 0
    assert "1 of 3 features moved" in done.stdout
    assert "mean" in done.stdout
    assert (files / "report.html").read_text().startswith("<!doctype html>")


def test_columns(files: Path) -> None:
    for reference in ("before.parquet", "baseline.arrow"):
        some = run(files / reference, files / "after.parquet", "--columns", "x,c", "--json")
        assert {feature["name"] for feature in json.loads(some.stdout)["features"]} == {"x", "c"}
        others = run(files / reference, files / "after.parquet", "--exclude", "x", "--json")
        assert {feature["name"] for feature in json.loads(others.stdout)["features"]} == {"y", "c"}
        assert json.loads(others.stdout)["alarms"] == []


def test_columns_that_are_neither_numbers_nor_text_are_left_out(files: Path) -> None:
    assert (
        "left out, neither numbers nor text: day"
        in run(files / "before.parquet", files / "after.parquet").stderr
    )


def test_fail_on_alarm(files: Path) -> None:
    assert run(files / "baseline.arrow", files / "after.parquet", "--fail-on-alarm").exit_code == 1
    assert run(files / "baseline.arrow", files / "same.parquet", "--fail-on-alarm").exit_code == 0


def test_thresholds_and_effects(files: Path) -> None:
    fixed = run(files / "baseline.arrow", files / "same.parquet", "--threshold", "psi=0.000001", "--json")
    assert len(json.loads(fixed.stdout)["alarms"]) == 3
    silent = run(files / "baseline.arrow", files / "after.parquet", "--min-effect", "0.9", "--json")
    assert json.loads(silent.stdout)["alarms"] == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["before.parquet", "nothing.parquet"], "nothing.parquet"),
        (["before.parquet", "after.parquet", "--false-alarms", "2"], "false_alarms"),
        (["before.parquet", "after.parquet", "--threshold", "psi"], "expected STATISTIC=VALUE"),
        (["before.parquet", "after.parquet", "--columns", "x", "--exclude", "y"], "got both"),
        (["before.parquet", "after.parquet", "--columns", "xx"], 'missing column "xx"'),
        (["before.parquet", "broken.parquet"], "broken.parquet"),
        (["before.parquet", "after.parquet", "--html", "no/where.html"], "not a directory"),
    ],
)
def test_wrong_calls_say_what_is_wrong(files: Path, arguments: list[str], words: str) -> None:
    (files / "broken.parquet").write_bytes(b"PAR1 and then nothing")
    done = run(*[files / one if one.endswith((".parquet", ".html")) else one for one in arguments])
    assert isinstance(done.exception, PenstockError)
    assert words in str(done.exception)


def test_a_bundle_without_a_baseline_is_said(tmp_path: Path, files: Path) -> None:
    bundle = tmp_path / "1"
    bundle.mkdir()
    (bundle / "model.onnx").write_bytes(b"")
    assert "has no baseline" in str(run(bundle, files / "after.parquet").exception)


def test_help_answers_without_loading_what_compares() -> None:
    code = "import penstock.cli.drift, sys; print('penstock.monitor' in sys.modules, 'numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False False\n"
