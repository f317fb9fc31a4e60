"""Packing with a transform: types are settled, golden rows are raw, what does not load is not published."""

from __future__ import annotations

import datetime
import hashlib
import json
from pathlib import Path
from typing import Any

import models
import msgspec
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import transform_specs as specs

from penstock import Engine, Transform, pack
from penstock.bundle import Bundle
from penstock.engine.pipeline import Pipeline
from penstock.errors import BundleError, SignatureError, TransformError
from penstock.transform import DatePart, Feature, Impute, OneHot

PEOPLE = pa.table(
    {
        "name": ["Ada", "Bo", None, "Cy"],
        "age": pa.array([31, None, 54, 22], pa.int32()),
        "height": pa.array([1.7, 1.8, None, float("nan")], pa.float32()),
        "seen": pa.array([datetime.datetime(2020, 1, 1, 5), None, datetime.datetime(1950, 1, 1), None]),
        "city": ["öst", "", "öst", "西"],
    }
)


@pytest.fixture
def transform() -> Transform:
    """Text, a nullable integer, NaN and nulls, timestamps without a value."""
    fitted = Transform.fit(
        [
            Feature(columns=("age", "height"), steps=(Impute(),)),
            Feature(columns=("seen",), steps=(DatePart(parts=("hour",)),)),
            Feature(columns=("city",), steps=(OneHot(unknown="error"),)),
        ],
        PEOPLE.set_column(1, "age", PEOPLE["age"].cast(pa.float64())),
    )
    assert [column.type for column in fitted.columns] == ["float64", "float32", "timestamp[us]", "string"]
    return fitted


@pytest.fixture
def graph(transform: Transform, tmp_path: Path) -> Path:
    return models.identity(tmp_path / "export" / "features.onnx", shape=("rows", transform.width))


def golden_of(root: Path, version: int = 1) -> dict[str, list[Any]]:
    golden = Bundle.open(root / "m" / str(version)).golden()
    assert golden is not None
    return {name: array.tolist() for name, array in golden.inputs.items()}


@pytest.mark.parametrize("form", ["table", "batch", "frame", "arrays", "more rows"])
def test_golden_rows_are_the_first_of_the_reference(
    transform: Transform, graph: Path, tmp_path: Path, form: str
) -> None:
    reference: Any = {
        "table": lambda: PEOPLE,
        "batch": lambda: PEOPLE.to_batches()[0],
        "frame": lambda: PEOPLE.to_pandas(),
        "arrays": lambda: dict(zip(PEOPLE.column_names, PEOPLE.columns, strict=True)),
        "more rows": lambda: pa.concat_tables([PEOPLE] * 50),
    }[form]()
    pack("m", graph, repository=tmp_path / "models", transform=transform, reference=reference)
    kept = golden_of(tmp_path / "models")
    rows = 16 if form == "more rows" else 4
    assert {len(values) for values in kept.values()} == {rows}
    assert list(kept) == ["age", "height", "seen", "city"]
    assert kept["city"][:4] == ["öst", "", "öst", "西"]
    assert kept["seen"][:4] == [1_577_854_800_000_000, -(2**63), -631_152_000_000_000, -(2**63)]
    assert np.isnan(kept["age"][1])
    assert np.isnan(kept["height"][2:4]).all()
    with Engine(tmp_path / "models") as engine:
        assert engine.predict("m", PEOPLE)["y"].tobytes() == transform.transform(PEOPLE).tobytes()


def test_rows_that_no_tensor_can_hold_are_not_golden(tmp_path: Path) -> None:
    transform = Transform(specs.spec({"age": "int32"}, (), "age", "float32"))
    graph = models.identity(tmp_path / "one.onnx", shape=("rows", 1))
    pack("m", graph, repository=tmp_path, transform=transform, reference=PEOPLE)
    assert golden_of(tmp_path) == {"age": [31, 54, 22]}
    pack("m", graph, repository=tmp_path, transform=transform, reference=PEOPLE[1:2])
    assert Bundle.open(tmp_path / "m" / "2").golden() is None


@pytest.mark.parametrize(
    ("reference", "golden", "expected"),
    [
        (None, None, "float64"),
        ({"age": np.zeros(1, np.int16)}, None, "int16"),
        (None, {"age": np.zeros(1, np.float32)}, "float32"),
        (None, {"age": [1, 2]}, "int64"),
        ({"age": np.zeros(1, np.float16)}, None, "float32"),
        (PEOPLE, None, "float64"),
        (PEOPLE[2:], None, "int32"),
        (PEOPLE.to_pandas(), None, "float64"),
        (pd.DataFrame({"age": pd.array([1, None], "UInt8")}), None, "float64"),
        ({"other": [1]}, None, "float64"),
    ],
)
def test_open_columns_take_the_types_of_the_data(
    tmp_path: Path, reference: Any, golden: Any, expected: str
) -> None:
    transform = Transform(specs.spec({"age": "number"}, (), "age", "float32"))
    graph = models.identity(tmp_path / "one.onnx", shape=("rows", 1))
    pack("m", graph, repository=tmp_path, transform=transform, reference=reference, golden=golden)
    kept = Bundle.open(tmp_path / "m" / "1").transform()
    assert kept is not None
    assert [column.type for column in kept.columns] == [expected]


def test_golden_rows_may_be_given_as_any_data(transform: Transform, graph: Path, tmp_path: Path) -> None:
    golden = {
        "age": [1, None],
        "height": [2.0, 3],
        "seen": [PEOPLE["seen"][0].as_py(), None],
        "city": ["", "西"],
    }
    pack("m", graph, repository=tmp_path, transform=transform, golden=golden)
    assert golden_of(tmp_path)["seen"] == [1_577_854_800_000_000, -(2**63)]


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"golden": {"age": [1]}}, SignatureError, 'missing column "height"'),
        ({"golden": {"age": [], "height": [], "seen": [], "city": []}}, SignatureError, "at least 1 row"),
        (
            {"golden": {"age": [1], "height": [1.0], "seen": [None], "city": ["zz"]}},
            BundleError,
            'golden rows cannot be run: column "city", row 0: unknown category "zz"',
        ),
        (
            {"reference": PEOPLE.set_column(4, "city", pa.array(["öst", "zz", "", ""]))},
            BundleError,
            'golden rows cannot be run: column "city", row 1: unknown category "zz"',
        ),
        ({"reference": 5}, BundleError, "reference: expected a table"),
        ({"transform": "no.arrow"}, OSError, "no.arrow"),
        ({"transform": __file__}, TransformError, "expected the file of a transform"),
    ],
)
def test_nothing_is_published_that_does_not_run(
    transform: Transform, graph: Path, tmp_path: Path, change: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        pack("m", graph, repository=tmp_path / "models", **({"transform": transform} | change))
    assert not (tmp_path / "models" / "m").exists()


def test_a_reference_without_the_columns_gives_no_golden_rows(
    transform: Transform, graph: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for reference in (PEOPLE.drop_columns("city"), PEOPLE.set_column(4, "city", pa.array([[1]] * 4))):
        pack("m", graph, repository=tmp_path, transform=transform, reference=reference)
        assert "no golden rows" in caplog.text
        caplog.clear()
    assert Bundle.open(tmp_path / "m" / "2").golden() is None


def test_an_expression_that_does_not_compile_is_not_published(tmp_path: Path) -> None:
    made = specs.spec({"a": "float32"}, [specs.op("expression", "a", "b", text="eval(a)")], "b", "float32")
    graph = models.identity(tmp_path / "one.onnx", shape=("rows", 1))
    with pytest.raises(BundleError, match="unknown function eval"):
        pack("m", graph, repository=tmp_path / "models", transform=Transform(made))
    assert not (tmp_path / "models" / "m").exists()


def change_manifest(path: Path, **changes: Any) -> None:
    manifest = json.loads((path / "bundle.json").read_text()) | changes
    for file in manifest["files"]:
        manifest["files"][file] = hashlib.sha256((path / file).read_bytes()).hexdigest()
    (path / "bundle.json").write_text(json.dumps(manifest))


def test_a_bundle_of_another_transform_or_signature_does_not_load(
    transform: Transform, graph: Path, tmp_path: Path
) -> None:
    pack("m", graph, repository=tmp_path, transform=transform)
    path = tmp_path / "m" / "1"
    spec = transform.spec
    for columns, message in (
        (tuple(reversed(spec.columns)), "expected the transform|inputs of bundle.json"),
        ((msgspec.structs.replace(spec.columns[0], type="number"), *spec.columns[1:]), "an open number"),
        ((msgspec.structs.replace(spec.columns[0], type="int64"), *spec.columns[1:]), 'tensor "age" is FP64'),
    ):
        other = Transform(msgspec.structs.replace(spec, columns=columns))
        other.save(path / "transform.arrow")
        change_manifest(path)
        with pytest.raises(BundleError, match="expected the transform"):
            Pipeline.load(Bundle.open(path))
        change_manifest(path, transform={"file": "transform.arrow", "digest": other.digest})
        with pytest.raises(BundleError, match=message):
            Pipeline.load(Bundle.open(path))
