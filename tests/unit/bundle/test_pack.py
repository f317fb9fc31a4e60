"""Packing: what is published is complete, and what does not run is never published."""

import threading
from pathlib import Path
from typing import Any

import models
import numpy as np
import pyarrow as pa
import pytest

from penstock.bundle import Bundle, Repository
from penstock.bundle.pack import pack
from penstock.errors import BundleError, SignatureError


@pytest.fixture
def graph(tmp_path: Path) -> Path:
    return models.affine(tmp_path / "export" / "affine.onnx")


def golden_of(root: Path, name: str, version: int = 1) -> Any:
    return Bundle.open(root / name / str(version)).golden()


def test_versions_follow_one_another(tmp_path: Path, graph: Path) -> None:
    root = tmp_path / "models"
    assert pack("m", graph, repository=root) == 1
    assert pack("m", graph, repository=root, metadata={"auc": 0.9}) == 2
    (root / "m" / "7").mkdir()
    assert pack("m", graph, repository=root) == 8
    assert pack("m", graph, repository=root, version=5) == 5
    assert Repository(root).versions("m") == [1, 2, 5, 8]
    manifest = Bundle.open(root / "m" / "2").manifest
    assert manifest is not None
    assert manifest.metadata == {"auc": 0.9}
    assert manifest.version == 2
    assert set(manifest.producer) == {"penstock", "onnxruntime", "numpy", "python"}
    assert not list((root / "m").glob(".*"))


def test_a_version_never_changes(tmp_path: Path, graph: Path) -> None:
    pack("m", graph, repository=tmp_path, version=3)
    before = Bundle.open(tmp_path / "m" / "3").digest
    with pytest.raises(BundleError, match='model "m" has a version 3 already'):
        pack("m", models.affine(tmp_path / "other.onnx", bias=1), repository=tmp_path, version=3)
    assert Bundle.open(tmp_path / "m" / "3").digest == before


def test_packers_at_once_get_a_version_each(tmp_path: Path, graph: Path) -> None:
    got: list[int] = []
    threads = [
        threading.Thread(target=lambda: got.append(pack("m", graph, repository=tmp_path))) for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(got) == [1, 2, 3, 4, 5, 6]
    assert all(Bundle.open(tmp_path / "m" / str(version)).version == version for version in got)


@pytest.mark.parametrize("bad", ["truncated", "empty", "text", "operator", "bfloat16", "no data"])
def test_a_graph_that_does_not_load_is_not_published(tmp_path: Path, graph: Path, bad: str) -> None:
    path = tmp_path / "bad.onnx"
    if bad == "truncated":
        path.write_bytes(graph.read_bytes()[:-20])
    elif bad in ("empty", "text"):
        path.write_bytes(b"" if bad == "empty" else b"hello, I am not a model")
    elif bad == "no data":
        models.dense(path, external=True).with_name("bad.onnx.data").unlink()
    else:
        (models.unknown_operator if bad == "operator" else models.bfloat16)(path)
    with pytest.raises(BundleError):
        pack("m", path, repository=tmp_path / "models")
    assert not (tmp_path / "models" / "m").exists()


def test_golden_inputs_that_fail_or_do_not_fit_are_refused(tmp_path: Path) -> None:
    model = models.lookup(tmp_path / "lookup.onnx")
    with pytest.raises(BundleError, match="golden rows cannot be run"):
        pack("m", model, repository=tmp_path, golden={"x": np.array([9])})
    with pytest.raises(SignatureError, match="expected datatype INT64, got FP64"):
        pack("m", model, repository=tmp_path, golden={"x": np.array([1.5])})
    assert not (tmp_path / "m").exists()


@pytest.mark.parametrize("name", ["", "../m", ".m", "a/b", "x" * 256])
def test_impossible_names_are_refused(tmp_path: Path, graph: Path, name: str) -> None:
    with pytest.raises(BundleError, match="expected a model name"):
        pack(name, graph, repository=tmp_path / "models")
    assert not (tmp_path / "models").exists()


def test_other_impossible_arguments_are_refused(tmp_path: Path, graph: Path) -> None:
    with pytest.raises(BundleError, match="expected a version from 1"):
        pack("m", graph, repository=tmp_path, version=0)
    with pytest.raises(BundleError, match="expected JSON values"):
        pack("m", graph, repository=tmp_path, metadata={"x": object()})
    with pytest.raises(BundleError, match="expected an ONNX file"):
        pack("m", tmp_path / "missing.onnx", repository=tmp_path)


def test_golden_rows_of_every_kind(tmp_path: Path) -> None:
    inputs = {
        "a": np.array([[1, 2], [3, 4]], "f4"),
        "b": np.array([5, 6]),
        "s": np.array([["ü"], [""]], dtype=object),
    }
    pack("several", models.several(tmp_path / "several.onnx"), repository=tmp_path, golden=inputs)
    golden = golden_of(tmp_path, "several")
    assert golden.outputs["total"].tolist() == [[6, 7], [9, 10]]
    assert golden.outputs["next"].tolist() == [6, 7]
    assert golden.outputs["text"].tolist() == [["ü"], [""]]
    single = {"x": np.array([1, 2, 3], "f4")}
    pack("single", models.unbatched(tmp_path / "unbatched.onnx"), repository=tmp_path, golden=single)
    assert golden_of(tmp_path, "single").outputs["total"] == 6


def test_a_reference_table_fills_a_matrix(tmp_path: Path, graph: Path) -> None:
    columns: dict[str, Any] = {f"f{i}": np.arange(20.0) + i for i in range(4)}
    table = pa.table({"id": [str(i) for i in range(20)], **columns})
    for reference in (table, table.to_batches()[0], columns):
        version = pack("m", graph, repository=tmp_path, reference=reference)
        x = golden_of(tmp_path, "m", version).inputs["x"]
        np.testing.assert_array_equal(
            x, np.column_stack(list(columns.values()))[:16].astype("f4"), strict=True
        )


def test_a_reference_fills_inputs_by_name(tmp_path: Path) -> None:
    table = pa.table(
        {
            "b": pa.array([1, 2], pa.int32()),
            "s": ["x", "y"],
            "a": pa.array([[1.0, 2.0], [3.0, 4.0]], pa.list_(pa.float64(), 2)),
        }
    )
    model = models.several(tmp_path / "several.onnx")
    arrays = {
        "a": np.array([[1, 2], [3, 4]]) / 1,
        "b": np.array([1, 2]),
        "s": np.array(["x", "y"]),
        "more": np.zeros(2),
    }
    for reference in (table, arrays):
        version = pack("m", model, repository=tmp_path, reference=reference)
        golden = golden_of(tmp_path, "m", version)
        assert golden.outputs["total"].tolist() == [[2, 3], [5, 6]]
        assert golden.outputs["text"].tolist() == [["x"], ["y"]]


@pytest.mark.parametrize(
    "reference",
    [
        pa.table({"other": [1.0, 2.0]}),
        pa.table({"x": ["a", "b"]}),
        pa.table({f"f{i}": pa.array([], pa.float64()) for i in range(4)}),
        {"x": np.zeros((3, 5), "f4")},
        {"ragged": np.zeros(3), "rows": np.zeros(4)},
    ],
)
def test_a_reference_that_does_not_fit_gives_no_golden_rows(
    tmp_path: Path, graph: Path, reference: Any
) -> None:
    pack("m", graph, repository=tmp_path, reference=reference)
    assert golden_of(tmp_path, "m") is None


@pytest.mark.parametrize("model", [models.lightgbm, models.sklearn, models.dense])
@pytest.mark.parametrize("option", [False, True])
def test_real_exports_are_packed(tmp_path: Path, model: Any, option: bool) -> None:
    options = {"external": option} if model is models.dense else {"zipmap": option}
    features = 8 if model is models.dense else 5
    rows = np.random.default_rng(1).normal(size=(4, features)).astype("f4")
    path = model(tmp_path / "model.onnx", **options)
    pack("m", path, repository=tmp_path / "models", golden={"input": rows})
    manifest = Bundle.open(tmp_path / "models" / "m" / "1").manifest
    assert manifest is not None
    assert manifest.signature.batched
    assert [len(spec.shape) for spec in manifest.signature.outputs] == ([2, 2] if features == 8 else [1, 2])
    assert manifest.signature.outputs[1].shape == (-1, 3 if features == 8 else 2)
