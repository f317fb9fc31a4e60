"""The quality part of a baseline: in one pass over batches, in its file, from ``penstock pack``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import models
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from quality_cases import BINARY, counted, drawn
from typer.testing import CliRunner

import penstock as ps
from penstock.bundle.bundle import Bundle
from penstock.cli.main import app
from penstock.errors import BundleError, ConfigError, SignatureError
from penstock.monitor import numeric
from penstock.monitor.encoding import decode_parts, encode_parts
from penstock.monitor.quality import BaselineQuality, QualityCounts, compare_quality, metrics


def table(rows: int, seed: int = 0) -> pa.Table:
    label, columns = drawn("overconfident", rows, np.random.default_rng(seed))
    return pa.table({"p": columns["p"].astype("f4"), "y": label, "x": np.arange(rows) % 7})


@pytest.fixture(scope="module")
def baseline() -> ps.Baseline:
    return ps.Baseline.fit(table(8000), label="y", prediction="p")


def test_it_knows_how_good_predictions_are(baseline: ps.Baseline) -> None:
    quality = baseline.quality
    assert quality is not None
    data = table(8000)
    assert quality.counts == QualityCounts.of(quality.target, data["y"], {"p": data["p"]})
    assert quality.metrics() == metrics(quality.counts)
    assert quality.target == BINARY
    assert {feature.name: feature.role for feature in baseline.profile} == {
        "p": "output", "y": "label", "x": "feature"
    }  # fmt: skip
    assert quality.calibration is not None
    assert quality.calibration.applied
    assert 0.5 in baseline.profile["p"].edges


def test_batches_give_the_same_as_one_table(monkeypatch: pytest.MonkeyPatch, baseline: ps.Baseline) -> None:
    data = table(8000)
    parts = [data.slice(at, 1000) for at in range(0, 8000, 1000)]
    for held in (1000, 3000, 100_000):
        monkeypatch.setattr(numeric, "HELD_ROWS", held)
        found = ps.Baseline.fit(iter(parts), label="y", prediction="p").quality
        assert found is not None
        assert baseline.quality is not None
        assert np.array_equal(found.counts.scores, baseline.quality.counts.scores)
        assert found.calibration is not None
        assert found.calibration.rows.sum() == min(held, 8000)


def test_live_counts_are_enough_to_estimate(baseline: ps.Baseline) -> None:
    quality, live = baseline.quality, table(4000, seed=1)
    assert quality is not None
    profiler = baseline.profiler()
    profiler.update(live.select(["p", "x"]))
    estimated = quality.estimate(profiler.profile())
    shown = metrics(QualityCounts.of(quality.target, live["y"], {"p": live["p"]}))
    for name in ("accuracy", "precision", "recall", "f1", "auc"):
        assert estimated[name].low <= shown[name].value <= estimated[name].high, name
    assert estimated["selection_rate"].value == shown["selection_rate"].value
    assert not compare_quality(quality.counts, QualityCounts.empty(quality.target))
    assert quality.estimate(ps.Baseline.fit({"z": [1]}).profile) == {}


def test_another_threshold(baseline: ps.Baseline) -> None:
    quality, live = baseline.quality, table(4000, seed=1)
    assert quality is not None
    moved = quality.with_threshold(0.25)
    assert quality.with_threshold(0.5) is quality
    profiler = baseline.profiler()
    profiler.update(live.select(["p", "x"]))
    estimated = moved.estimate(profiler.profile())
    assert estimated["selection_rate"].value == pytest.approx(
        (live["p"].to_numpy() >= 0.25).mean(), abs=0.005
    )
    other = BaselineQuality(counted("normal", 30))
    with pytest.raises(ConfigError, match="expected a binary probability, got regression"):
        other.with_threshold(0.3)
    assert other.estimate(baseline.profile) == {}


@pytest.mark.parametrize(
    ("columns", "prediction", "task"),
    [
        ({"p[0]": [0.2, 0.6], "p[1]": [0.8, 0.4], "y": ["a", "b"]}, "p", "binary"),
        ({"p[0]": [0.2] * 3, "p[1]": [0.8] * 3, "p[2]": [0.0] * 3, "y": [2, 0, 1]}, "p", "multiclass"),
        ({"guess": ["a", "b"], "y": ["a", "b"]}, "guess", "binary"),
        ({"guess": [1.5, 2.5], "y": [0.5, 3.0]}, ["guess"], "regression"),
        ({"p": [0.2, 0.3], "y": [None, None]}, "p", "binary"),
    ],
)
def test_any_task(columns: dict[str, Any], prediction: Any, task: str) -> None:
    baseline = ps.Baseline.fit(columns, label="y", prediction=prediction)
    assert baseline.quality is not None
    assert baseline.quality.target.task == task
    assert ps.Baseline.from_bytes(baseline.to_bytes()) == baseline


def test_a_label_alone_measures_nothing() -> None:
    assert ps.Baseline.fit(table(100), label="y").quality is None
    assert ps.Baseline.fit(table(100), prediction="p").quality is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"label": "y", "prediction": "q"}, 'prediction: expected one of the outputs p, y, x, got "q"'),
        ({"label": "z", "prediction": "p"}, 'expected a column "z"'),
        ({"label": "y", "prediction": ["p", "q"]}, 'expected a column "q"'),
        ({"label": "y", "prediction": "p", "threshold": 2.0}, "threshold: expected a probability"),
        ({"label": "y", "prediction": "x"}, '"x": expected probabilities from 0 to 1, got 0 to 6'),
    ],
)
def test_what_does_not_fit_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ps.Baseline.fit(table(100), **options)


def test_a_batch_without_the_label_is_refused() -> None:
    for batches in ([table(10), table(10).drop_columns(["y"])], [{"t": ["a"]}, {"u": ["a"]}]):
        label = "y" if isinstance(batches[0], pa.Table) else "t"
        with pytest.raises(SignatureError, match=f'"{label}"'):
            ps.Baseline.fit(iter(batches), label=label)


def test_parts_of_the_file(baseline: ps.Baseline, tmp_path: Path) -> None:
    baseline.save(tmp_path / "b.bin")
    assert ps.Baseline.load(tmp_path / "b.bin") == baseline
    parts = decode_parts(baseline.to_bytes(), "b")
    assert set(parts) == {"profile", "quality"}
    assert (
        ps.Baseline.from_bytes(encode_parts(dict(reversed(parts.items())))).to_bytes() == baseline.to_bytes()
    )
    for missing, found in ({**parts, "magic": b""}, 'the unknown part "magic"'), ({"quality": b""}, "none"):
        with pytest.raises(BundleError, match=f"b.bin: expected a baseline with a profile .*, got {found}"):
            ps.Baseline.from_bytes(encode_parts(missing), "b.bin")
    with pytest.raises(BundleError, match=r"b\.bin: expected counts of quality, got other data"):
        ps.Baseline.from_bytes(encode_parts({**parts, "quality": b"x"}), "b.bin")
    with pytest.raises(BundleError, match="expected a baseline of Penstock, got other data"):
        ps.Baseline.from_bytes(b"something else")


def test_the_first_format_is_a_profile_alone(baseline: ps.Baseline) -> None:
    old = baseline.profile.to_bytes()
    assert ps.Baseline.from_bytes(old) == ps.Baseline(baseline.profile)


@pytest.fixture
def reference(tmp_path: Path) -> Path:
    """Two numbers, whose mean a graph answers; the label is one with that chance."""
    random = np.random.default_rng(0)
    rows = random.random((3000, 2)).astype("f4")
    label = random.random(3000) < rows.mean(axis=1)
    data = pa.table({"a": rows[:, 0], "b": rows[:, 1], "y": label.astype("i8")})
    pq.write_table(data, tmp_path / "reference.parquet")
    return tmp_path / "reference.parquet"


def graph(path: Path) -> Path:
    """Answers ``y``, two columns of the inputs."""
    return models.identity(path / "m.onnx", shape=("rows", 2))


def test_pack_measures_the_answers(tmp_path: Path, reference: Path) -> None:
    def batches() -> Iterator[pa.RecordBatch]:
        renamed = pq.read_table(reference).rename_columns(["a", "b", "truth"])
        yield from renamed.to_batches(max_chunksize=700)

    ps.pack(
        "m", graph(tmp_path), repository=tmp_path / "models", reference=batches,
        label="truth", prediction="y[0]", threshold=0.25,
    )  # fmt: skip
    bundle = Bundle.open(tmp_path / "models" / "m" / "1")
    baseline = bundle.baseline()
    assert baseline is not None
    assert baseline.quality is not None
    assert baseline.quality.counts.rows == 3000
    assert (baseline.quality.target.prediction, baseline.quality.target.threshold) == (("y[0]",), 0.25)
    assert {feature.name: feature.role for feature in baseline.profile} == {
        "a": "feature", "b": "feature", "truth": "label", "y[0]": "output", "y[1]": "output"
    }  # fmt: skip
    golden = bundle.golden()
    assert golden is not None
    assert golden.inputs["x"].shape == (16, 2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"label": "z"}, r'reference: expected a column "z", got a, b, truth'),
        (
            {"label": "truth", "prediction": "q"},
            r'no quality of predictions of "truth": prediction: expected one',
        ),
        ({"label": "a"}, r'no quality of predictions of "a"'),
    ],
)
def test_pack_refuses_a_label_that_does_not_fit(
    tmp_path: Path, reference: Path, options: dict[str, Any], message: str
) -> None:
    data = pq.read_table(reference).rename_columns(["a", "b", "truth"])
    with pytest.raises(BundleError, match=message):
        ps.pack("m", graph(tmp_path), repository=tmp_path / "models", reference=data, **options)
    assert not (tmp_path / "models" / "m").exists()
    with pytest.raises(BundleError, match='expected a reference with a column "truth", got no reference'):
        ps.pack("m", graph(tmp_path), repository=tmp_path / "models", label="truth")


def test_an_output_of_the_name_of_the_label_is_refused(tmp_path: Path) -> None:
    data = {"a": np.zeros(9, "f4"), "b": np.zeros(9, "f4"), "y[0]": np.zeros(9)}
    with pytest.raises(
        BundleError, match=r'expected other names for the outputs and the label.*"y\[0\]" twice'
    ):
        ps.pack("m", graph(tmp_path), repository=tmp_path / "models", reference=data, label="y[0]")


def test_pack_from_the_command_line(tmp_path: Path, reference: Path) -> None:
    data = pq.read_table(reference).rename_columns(["a", "b", "truth"])
    pq.write_table(data, reference)
    call = ["pack", "m", str(graph(tmp_path)), "--repository", str(tmp_path / "models")]
    measured = [*call, "--reference", str(reference), "--label", "truth", "--prediction", "y[1]"]
    result = CliRunner().invoke(app, measured)
    assert result.exit_code == 0, result.output
    assert "\nquality: accuracy 0." in result.output
    result = CliRunner().invoke(app, [*measured, "--json"])
    quality = json.loads(result.output)["quality"]
    assert quality["auc"]["rows"] == 3000
    assert quality["auc"]["low"] < quality["auc"]["value"] < quality["auc"]["high"]
    result = CliRunner().invoke(app, [*call, "--label", "truth"])
    assert isinstance(result.exception, ConfigError)
    assert "expected --reference too" in str(result.exception)
    result = CliRunner().invoke(app, [*measured, "--multivariate"])
    assert result.exit_code == 0, result.output
    baseline = Bundle.open(tmp_path / "models" / "m" / "3").baseline()
    assert baseline is not None
    assert baseline.multivariate is not None
    assert baseline.quality is not None
