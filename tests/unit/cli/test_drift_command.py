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


@pytest.fixture
def scored(tmp_path: Path) -> Path:
    """A reference, and current data of ten days in which x and the truth move after the sixth."""
    for name, rows, moved in (("before", 6000, 0.0), ("after", 4000, 1.0), ("same", 4000, 0.0)):
        random = np.random.default_rng(len(name))
        late = moved * (np.arange(rows) >= rows * 0.6)
        x = random.normal(size=rows) + 0.5 * late
        p = 1 / (1 + np.exp(-2 * x))
        truth = random.uniform(size=rows) < np.where(late > 0, 0.5, p)
        seconds = 1_700_006_400 + np.arange(rows) * (10 * 86_400 / rows)
        data = {
            "time": pa.array((seconds * 1e3).astype(np.int64), pa.timestamp("ms")),
            "day": (np.arange(rows) * 10 // rows).astype(np.int32),
            "x": x,
            "z": x * 0.9 + random.normal(0, 0.3, rows),
            "p": p,
            "y": truth.astype(np.int8),
        }
        pq.write_table(pa.table(data), tmp_path / f"{name}.parquet")
    return tmp_path


def found(*arguments: object) -> dict[str, object]:
    done = run(*arguments, "--json")
    assert done.exit_code == 0, done.exception
    return dict(json.loads(done.stdout))


def test_windows_of_time(scored: Path) -> None:
    both = (scored / "before.parquet", scored / "after.parquet")
    report = found(*both, "--exclude", "day", "--time", "time")
    windows = report["windows"]
    assert (windows["by"], windows["width"], len(windows["windows"])) == ("time", 86_400, 10)
    assert windows["windows"][0]["label"] == "2023-11-15"
    assert [bool(one["alarms"]) for one in windows["windows"]] == [False] * 6 + [True] * 4
    assert set(windows["windows"][7]["features"]) == {"x", "z", "p", "y"}
    assert "shared equally by each feature and windows" in report["notes"][-1]


def test_windows_of_a_number_and_of_rows(scored: Path) -> None:
    both = (scored / "before.parquet", scored / "after.parquet")
    by_number = found(*both, "--time", "day", "--window", "2")["windows"]
    assert [one["label"] for one in by_number["windows"]] == ["0", "2", "4", "6", "8"]
    assert "day" not in by_number["windows"][0]["features"]
    by_rows = found(*both, "--exclude", "day", "--window", "1000 rows")["windows"]
    assert [one["rows"] for one in by_rows["windows"]] == [1000] * 4


def test_all_features_together(scored: Path) -> None:
    columns = ("--columns", "x,z", "--multivariate")
    moved = found(scored / "before.parquet", scored / "after.parquet", *columns)["joint"]
    assert {check["name"] for check in moved} == {"pca_reconstruction", "domain_classifier"}
    assert any(check["alarm"] for check in moved)
    same = found(scored / "before.parquet", scored / "same.parquet", *columns)["joint"]
    assert not any(check["alarm"] for check in same)


def test_quality_realised_and_estimated(scored: Path) -> None:
    options = ("--label", "y", "--prediction", "p", "--exclude", "day")
    report = found(scored / "before.parquet", scored / "after.parquet", *options)
    quality = report["quality"]
    assert (quality["label"], quality["prediction"], quality["task"]) == ("y", ["p"], "binary")
    assert quality["reference"]["auc"]["value"] > quality["realised"]["auc"]["value"] + 0.05
    assert quality["estimated"]["auc"]["value"] == pytest.approx(
        quality["reference"]["auc"]["value"], abs=0.05
    )
    assert any(check["alarm"] for check in quality["checks"])
    assert "y" in {feature["name"] for feature in report["features"]}


def test_a_saved_baseline_knows_its_parts(scored: Path) -> None:
    table = pq.read_table(scored / "before.parquet").drop(["time", "day"])
    Baseline.fit(table, label="y", prediction="p", multivariate=True).save(scored / "baseline.bin")
    unlabelled = pq.read_table(scored / "same.parquet").drop(["y"])
    pq.write_table(unlabelled, scored / "unlabelled.parquet")
    report = found(scored / "baseline.bin", scored / "unlabelled.parquet", "--multivariate")
    assert report["quality"]["realised"] is None
    assert report["quality"]["estimated"]["accuracy"]["value"] > 0.7
    assert report["quality"]["checks"] == []
    assert len(report["joint"]) == 2
    assert any('no labels in "y"' in note for note in report["notes"])
    assert report["alarms"] == []


def test_a_page_and_a_table_of_everything(scored: Path) -> None:
    everything = ("--time", "time", "--multivariate", "--label", "y", "--prediction", "p", "--exclude", "day")
    done = run(
        scored / "before.parquet", scored / "after.parquet", *everything, "--html", scored / "report.html"
    )
    assert done.exit_code == 0, done.exception
    for words in (
        "all together: domain_classifier",
        "realised",
        "quality: ",
        "4 of 10 windows alarm",
        "first 2023",
    ):
        assert words in done.stdout
    text = (scored / "report.html").read_text()
    assert "id=heat" in text
    assert "Quality: y by p" in text


def test_fail_on_alarm_looks_at_every_part(scored: Path) -> None:
    options = ("--columns", "y", "--label", "y", "--prediction", "p", "--fail-on-alarm")
    assert run(scored / "before.parquet", scored / "after.parquet", *options).exit_code == 1
    assert run(scored / "before.parquet", scored / "same.parquet", *options).exit_code == 0


@pytest.mark.parametrize("library", ["evidently", "nannyml"])
def test_verdicts_of_other_libraries(scored: Path, library: str) -> None:
    both = (scored / "before.parquet", scored / "after.parquet", "--columns", "x,z", "--parity", library)
    parity = found(*both)["parity"]
    assert parity["library"].startswith(library)
    assert set(parity["columns"]) == {"x", "z"}
    assert any(one["drift"] for one in parity["columns"]["x"])
    printed = run(*both)
    assert library in printed.stdout
    if library == "nannyml":
        together = found(*both, "--multivariate")["parity"]["together"]
        assert {len(chunks) for chunks in together.values()} == {10}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--window", "fortnight", "--time", "time"], "window: expected a width"),
        (["--window", "1d"], "expected a column of time to cut by"),
        (["--time", "nothing"], 'missing column "nothing"'),
        (["--time", "time", "--window", "5"], "expected a window such as 1d"),
        (["--label", "y"], "--label: expected --prediction too"),
        (["--prediction", "p"], "--prediction: expected --label too"),
        (["--label", "y", "--prediction", "q"], "prediction: expected one of"),
    ],
)
def test_wrong_parts_say_what_is_wrong(scored: Path, arguments: list[str], words: str) -> None:
    done = run(scored / "before.parquet", scored / "after.parquet", *arguments)
    assert isinstance(done.exception, PenstockError), done.exception
    assert words in str(done.exception)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--multivariate"], "pack it with --multivariate"),
        (["--label", "y", "--prediction", "p"], "knows of no such label"),
        (["--parity", "evidently"], "expected a reference of data"),
    ],
)
def test_a_baseline_without_the_part_is_said(scored: Path, arguments: list[str], words: str) -> None:
    table = pq.read_table(scored / "before.parquet").select(["x", "z"])
    Baseline.fit(table).save(scored / "plain.bin")
    done = run(scored / "plain.bin", scored / "after.parquet", *arguments)
    assert isinstance(done.exception, PenstockError)
    assert words in str(done.exception)
