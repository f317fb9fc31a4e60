"""Pipelines: warming, golden rows, slices, and graphs whose rows are not what they seem."""

import itertools
import json
import logging
import shutil
from pathlib import Path
from typing import Any

import models
import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.bundle import Bundle
from penstock.bundle.bundle import sha256_of
from penstock.bundle.golden import Golden
from penstock.bundle.pack import pack
from penstock.engine.pipeline import Pipeline
from penstock.engine.warmup import batch_sizes
from penstock.errors import BundleError, InferenceError


def load(root: Path, build: Any, max_batch_rows: int = 8, **options: Any) -> Pipeline:
    path = models.publish(root, "m", 1, build, **options)
    return Pipeline.load(Bundle.open(path), "cpu", max_batch_rows)


def test_a_loaded_pipeline_says_what_it_is(tmp_path: Path) -> None:
    path = models.publish(tmp_path, "m", 4, models.affine)
    bundle = Bundle.open(path)
    pipeline = Pipeline.load(bundle, "cpu", max_batch_rows=6)
    assert (pipeline.name, pipeline.version, pipeline.digest) == ("m", 4, bundle.digest)
    assert pipeline.device == "cpu"
    assert [rows for rows, _ in pipeline.warm_costs] == [1, 2, 4, 6]
    assert all(seconds > 0 for _, seconds in pipeline.warm_costs)
    pipeline = Pipeline.load(bundle, "cpu", max_batch_rows=6, warm_rows=[4, 5, 99])
    assert [rows for rows, _ in pipeline.warm_costs] == [1, 2, 4, 5]
    pipeline.close()
    pipeline.close()
    with pytest.raises(InferenceError, match="closed"):
        pipeline.run({"x": np.zeros((1, 4), "f4")})


@given(st.integers(1, 70_000))
def test_batch_sizes_rise_to_the_largest(largest: int) -> None:
    sizes = batch_sizes(largest)
    assert sizes[0] == 1
    assert sizes[-1] == largest
    assert all(a < b <= 2 * a for a, b in itertools.pairwise(sizes))


@pytest.mark.parametrize("max_batch_rows", [1, 2, 3, 7, 100])
def test_slices_come_back_whole(tmp_path: Path, max_batch_rows: int) -> None:
    pipeline = load(tmp_path, models.several, max_batch_rows)
    for rows in (1, 2, 7, 23):
        inputs = {
            "a": np.random.default_rng(rows).integers(0, 9, (rows, 2)).astype("f4"),
            "b": np.arange(rows),
            "s": np.array([[str(i)] for i in range(rows)], dtype=object),
        }
        answer = pipeline.run(inputs)
        assert list(answer) == ["total", "next", "text"]
        np.testing.assert_array_equal(answer["total"], inputs["a"] + np.arange(rows)[:, None])
        np.testing.assert_array_equal(answer["next"], np.arange(rows) + 1)
        np.testing.assert_array_equal(answer["text"], inputs["s"])


@pytest.mark.parametrize("zipmap", [False, True])
def test_lightgbm_batches_though_its_label_declares_one_row(tmp_path: Path, zipmap: bool) -> None:
    pipeline = load(tmp_path, models.lightgbm, 4, zipmap=zipmap)
    assert pipeline.signature.batched
    assert [spec.shape for spec in pipeline.signature.outputs] == [(-1,), (-1, 2)]
    x, _ = models.training_data(50)
    whole = pipeline.run({"input": x})
    for row in (0, 17, 49):
        alone = pipeline.run({"input": x[row : row + 1]})
        assert whole["label"][row] == alone["label"][0]
        np.testing.assert_array_equal(whole["probabilities"][row], alone["probabilities"][0])


@pytest.mark.parametrize("build", [models.unbatched, models.two_symbols])
def test_models_without_rows_are_run_as_they_are(tmp_path: Path, build: Any) -> None:
    pipeline = load(tmp_path, build)
    assert not pipeline.signature.batched
    assert [rows for rows, _ in pipeline.warm_costs] == [1]
    if build is models.unbatched:
        answer = pipeline.run({"x": np.array([1, 2, 3], "f4")})
        assert (answer["y"].tolist(), answer["total"].shape, float(answer["total"])) == ([2, 4, 6], (), 6)
    else:
        assert pipeline.run({"x": np.ones(2, "f4"), "z": np.ones(9, "f4")})["y"].shape == (2, 9)


def test_a_graph_whose_outputs_do_not_follow_the_rows_is_not_batched(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pipeline = load(tmp_path, models.mean_of_rows)
    assert not pipeline.signature.batched
    assert pipeline.signature.outputs[0].shape == ()
    assert "requests are not batched" in caplog.text
    assert pipeline.run({"x": np.ones((5, 2), "f4")})["y"] == 1


def test_zeros_that_fail_are_only_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    pipeline = load(tmp_path, models.never_zero)
    assert pipeline.warm_costs == []
    assert pipeline.signature.batched
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert pipeline.run({"x": np.array([1, 4])})["y"].tolist() == [10, 40]
    with pytest.raises(InferenceError):
        pipeline.run({"x": np.array([99])})


def test_golden_rows_warm_what_zeros_cannot(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    model = models.never_zero(tmp_path / "export.onnx")
    pack("m", model, repository=tmp_path, golden={"x": np.array([1, 2, 3])})
    pipeline = Pipeline.load(Bundle.open(tmp_path / "m" / "1"), "cpu", 8)
    assert [rows for rows, _ in pipeline.warm_costs] == [1, 2, 4, 8]
    assert not caplog.records


@pytest.fixture
def packed(tmp_path: Path) -> Path:
    golden = {"x": np.arange(40, dtype="f4").reshape(10, 4)}
    pack("m", models.affine(tmp_path / "export.onnx"), repository=tmp_path, golden=golden)
    return tmp_path / "m" / "1"


def rewrite(packed: Path, **fields: Any) -> Bundle:
    """Change a manifest and its digests, as a faulty tool would."""
    data = json.loads((packed / "bundle.json").read_bytes()) | fields
    data["files"] = {file: sha256_of(packed / file) for file in data["files"]}
    (packed / "bundle.json").write_text(json.dumps(data))
    return Bundle.open(packed)


def test_golden_rows_that_agree_within_the_tolerance_load(packed: Path) -> None:
    golden = Bundle.open(packed).golden()
    assert golden is not None
    msgspec.structs.replace(golden, outputs={"y": golden.outputs["y"] * (1 + 5e-5)}).save(
        packed / "golden.npz"
    )
    Pipeline.load(rewrite(packed), "cpu", 4)


def test_golden_rows_that_disagree_are_named(packed: Path) -> None:
    golden = Bundle.open(packed).golden()
    assert golden is not None
    golden.outputs["y"][7, 1] += 1
    golden.save(packed / "golden.npz")
    message = r'output "y", row 7, column \[1\]: expected 601.0, got 600.0'
    with pytest.raises(BundleError, match=message):
        Pipeline.load(rewrite(packed), "cpu", 4)


def test_golden_rows_that_do_not_run_are_refused(tmp_path: Path) -> None:
    pack("m", models.lookup(tmp_path / "e.onnx"), repository=tmp_path, golden={"x": np.array([1])})
    packed = tmp_path / "m" / "1"
    Golden({"x": np.array([9])}, {"y": np.array([1], "f4")}, 0.0, 0.0).save(packed / "golden.npz")
    with pytest.raises(BundleError, match="golden rows cannot be run"):
        Pipeline.load(rewrite(packed), "cpu", 4)


def test_golden_rows_for_other_inputs_are_refused(packed: Path) -> None:
    for inputs in (
        {"z": np.zeros((2, 4), "f4")},
        {"x": np.zeros((2, 5), "f4")},
        {"x": np.zeros((0, 4), "f4")},
    ):
        Golden(inputs, {"y": np.zeros((2, 2), "f4")}, 0.0, 0.0).save(packed / "golden.npz")
        with pytest.raises(BundleError, match="golden rows"):
            Pipeline.load(rewrite(packed), "cpu", 4)


@pytest.mark.parametrize(
    ("build", "options", "message"),
    [
        (models.identity, {}, 'expected the inputs|"x" is FP32'),
        (models.several, {}, "expected the inputs"),
        (models.affine, {"features": 5}, r"\[-1,4\] in bundle.json, FP32 \[-1,5\] in the graph"),
        (models.affine, {"dim": 1}, r"in bundle.json, FP32 \[1,4\] in the graph"),
        (models.unknown_operator, {}, "does not load"),
    ],
)
def test_a_graph_that_does_not_fit_its_manifest_is_refused(
    packed: Path, build: Any, options: dict[str, Any], message: str
) -> None:
    build(packed / "model.onnx", **options)
    with pytest.raises(BundleError, match=message):
        Pipeline.load(rewrite(packed), "cpu", 4)


def test_damage_is_found_before_the_graph_is_opened(packed: Path) -> None:
    (packed / "model.onnx").write_bytes(b"garbage")
    bundle = Bundle.open(packed, verify=False)
    with pytest.raises(BundleError, match="the file is damaged"):
        Pipeline.load(bundle, "cpu")


def test_a_manifest_may_say_that_rows_do_not_batch(packed: Path) -> None:
    signature = json.loads((packed / "bundle.json").read_bytes())["signature"] | {"batched": False}
    pipeline = Pipeline.load(rewrite(packed, signature=signature), "cpu", 4)
    assert not pipeline.signature.batched
    x = np.ones((9, 4), "f4")
    np.testing.assert_array_equal(pipeline.run({"x": x})["y"], models.affine_of(x))


def test_a_version_that_vanishes_is_a_bundle_error(packed: Path) -> None:
    bundle = Bundle.open(packed)
    shutil.rmtree(packed)
    with pytest.raises(BundleError):
        Pipeline.load(bundle, "cpu")


def test_a_batch_of_no_rows_at_all_is_refused(packed: Path) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        Pipeline.load(Bundle.open(packed), "cpu", 0)
