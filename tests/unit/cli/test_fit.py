from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as csv
import pyarrow.ipc as ipc
import pyarrow.parquet as pq
import pytest

from penstock.cli import main as cli
from penstock.transform import Feature, Impute, OneHot, StandardScale, Target, Transform

RECIPE = """
[[features]]
columns = ["age", "income"]
steps = [{ op = "impute", strategy = "median" }, { op = "standard_scale" }]

[[features]]
columns = ["city"]
steps = [{ op = "one_hot", unknown = "ignore" }]
"""
FEATURES = [
    Feature(columns=("age", "income"), steps=(Impute(strategy="median"), StandardScale())),
    Feature(columns=("city",), steps=(OneHot(unknown="ignore"),)),
]
TABLE = pa.table(
    {
        "age": [1.5, None, 3.5, 40.5] * 50,
        "income": np.arange(200.0) + 0.5,
        "city": ["Bonn", "Ulm", None, "Ulm"] * 50,
        "paid": [0, 1, 1, 0] * 50,
    }
)

Fit = Callable[..., int]


@pytest.fixture
def fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fit:
    """Run the command in a directory that holds the recipe and the data; return the exit code."""
    monkeypatch.chdir(tmp_path)
    Path("features.toml").write_text(RECIPE)
    pq.write_table(TABLE, "train.parquet")

    def run(*arguments: str) -> int:
        monkeypatch.setattr("sys.argv", ["penstock", "fit", *arguments])
        try:
            cli.main()
        except SystemExit as end:
            return int(end.code or 0)
        return 0

    return run


def test_it_prints_what_was_fitted(fit: Fit, capsys: pytest.CaptureFixture[str]) -> None:
    assert fit("features.toml", "train.parquet", "-o", "transform.arrow") == 0
    expected = Transform.fit(FEATURES, TABLE)
    assert Transform.load("transform.arrow") == expected
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].split() == ["feature", "steps", "outputs"]
    assert printed[1].split() == ["age,", "income", "impute,", "standard_scale", "2"]
    assert printed[2].split() == ["city", "one_hot", "3"]
    assert printed[3:] == [
        "fitted on 200 rows in 1 pass",
        "output features: 5 columns of float32",
        f"digest {expected.digest}",
        "wrote transform.arrow",
    ]


def test_it_prints_json(fit: Fit, capsys: pytest.CaptureFixture[str]) -> None:
    assert fit("features.toml", "train.parquet", "-o", "transform.arrow", "--json") == 0
    report: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert report == {
        "path": "transform.arrow",
        "digest": Transform.fit(FEATURES, TABLE).digest,
        "rows": 200,
        "passes": 1,
        "columns": {"age": "float64", "income": "float64", "city": "string"},
        "features": [
            {"feature": "age, income", "steps": ["impute", "standard_scale"], "outputs": ["age", "income"]},
            {"feature": "city", "steps": ["one_hot"], "outputs": ["city_Bonn", "city_Ulm", "city_missing"]},
        ],
        "outputs": {"features": {"dtype": "float32", "width": 5}},
        "notes": [],
    }


def write(kind: str, table: pa.Table, path: str) -> None:
    if kind == "csv":
        csv.write_csv(table, path)
    elif kind == "parquet":
        pq.write_table(table, path, row_group_size=17)
    else:
        make = ipc.new_file if kind == "arrow" else ipc.new_stream
        with make(path, table.schema) as writer:
            writer.write_table(table, max_chunksize=13)


@pytest.mark.parametrize("kind", ["parquet", "arrow", "arrows", "csv"])
def test_formats_and_patterns_give_the_same(fit: Fit, kind: str) -> None:
    Path("parts").mkdir()
    for number, start in enumerate((0, 80, 160)):
        write(kind, TABLE.slice(start, 80), f"parts/{number}.{kind}")
    expected = Transform.fit(FEATURES, TABLE)
    for data in (["parts"], [f"parts/*.{kind}"], [f"parts/{number}.{kind}" for number in range(3)]):
        assert fit("features.toml", *data, "-o", "t.arrow") == 0
        assert Transform.load("t.arrow") == expected


def test_several_passes_over_files(fit: Fit, capsys: pytest.CaptureFixture[str]) -> None:
    Path("two.toml").write_text(
        RECIPE.replace('{ op = "standard_scale" }', '{ op = "standard_scale" }, { op = "pca" }')
    )
    assert fit("two.toml", "train.parquet", "train.parquet", "-o", "t.arrow") == 0
    assert "fitted on 200 rows in 2 passes" in capsys.readouterr().out


def test_the_target_comes_from_the_call_or_the_file(fit: Fit) -> None:
    body = '[[features]]\ncolumns = ["city"]\nsteps = [{ op = "target" }]\n'
    Path("without.toml").write_text(body)
    Path("with.toml").write_text('target = "paid"\ndtype = { features = "float64" }\n' + body)
    features = [Feature(columns=("city",), steps=(Target(),))]
    assert fit("without.toml", "train.parquet", "-o", "a.arrow", "--target", "paid") == 0
    assert Transform.load("a.arrow") == Transform.fit(features, TABLE, target="paid")
    assert fit("with.toml", "train.parquet", "-o", "b.arrow") == 0
    assert Transform.load("b.arrow") == Transform.fit(features, TABLE, target="paid", dtype="float64")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("columns", "colums"), 'unknown key "colums" in features[0]; did you mean "columns"?'),
        (("strategy", "stratgy"), 'features[0].steps[0] (impute); did you mean "strategy"?'),
        (("one_hot", "onehot"), 'unknown step "onehot" in features[1].steps[0].op; did you mean "one_hot"?'),
        (("[[features]]", "[[features]"), "not valid TOML"),
    ],
)
def test_a_wrong_recipe_is_a_wrong_call(
    fit: Fit, change: tuple[str, str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("features.toml").write_text(RECIPE.replace(*change))
    assert fit("features.toml", "train.parquet", "-o", "t.arrow") == 2
    assert words in capsys.readouterr().err
    assert not Path("t.arrow").exists()


def test_other_wrong_calls(fit: Fit, capsys: pytest.CaptureFixture[str]) -> None:
    assert fit("features.toml", "nothing/*.parquet", "-o", "t.arrow") == 2
    assert "got nothing" in capsys.readouterr().err
    assert fit("features.toml", "train.parquet", "-o", "no/t.arrow") == 2
    assert "--output: no is not a directory" in capsys.readouterr().err
    assert fit("missing.toml", "train.parquet", "-o", "t.arrow") == 2
    assert fit("features.toml", "train.parquet") == 2


def test_work_that_fails(fit: Fit, capsys: pytest.CaptureFixture[str]) -> None:
    pq.write_table(TABLE.drop_columns("city"), "less.parquet")
    Path("torn.parquet").write_bytes(Path("train.parquet").read_bytes()[:-9])
    Path("text.csv").write_text("age,income,city\n1,x,Bonn\n")
    for data, words in [
        ("less.parquet", 'less.parquet: missing column "city"; the file has: age, income, paid'),
        ("torn.parquet", "torn.parquet: cannot be read"),
        ("text.csv", "feature 'age, income': "),
    ]:
        assert fit("features.toml", data, "-o", "t.arrow") == 1
        errors = capsys.readouterr().err
        assert words in errors
        assert "Traceback" not in errors
        assert not Path("t.arrow").exists()


def test_progress_is_a_line_every_few_seconds_in_a_log(
    fit: Fit, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import importlib

    command = importlib.import_module("penstock.cli.fit")
    assert fit("features.toml", "train.parquet", "-o", "t.arrow") == 0
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(command, "_LINE_EVERY_S", 0.0)
    assert fit("features.toml", "train.parquet", "-o", "t.arrow") == 0
    assert "pass 1 of 1: 200 rows, 0 s\n" in capsys.readouterr().err
