"""The baseline that packing makes of a reference."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import models
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import penstock as ps
from penstock.bundle.bundle import Bundle
from penstock.errors import BundleError
from penstock.transform import Feature, Impute, OneHot


def people(rows: int, seed: int = 0) -> pa.Table:
    random = np.random.default_rng(seed)
    age = random.normal(40, 10, rows).astype("f4")
    return pa.table(
        {
            "age": pa.array(age, mask=random.random(rows) < 0.1),
            "state": random.choice(["MA", "NY", "öst"], rows),
            "unread": random.random(rows),
        }
    )


@pytest.fixture
def packed(tmp_path: Path) -> Bundle:
    table = people(20_000)
    features = [Feature(columns=("age",), steps=(Impute(),)), Feature(columns=("state",), steps=(OneHot(),))]
    transform = ps.Transform.fit(features, table)
    graph = models.identity(tmp_path / "m.onnx", shape=("rows", transform.width))
    ps.pack("m", graph, repository=tmp_path / "models", transform=transform, reference=table)
    return Bundle.open(tmp_path / "models" / "m" / "1")


def test_raw_columns_and_outputs_are_counted(packed: Bundle) -> None:
    baseline = packed.baseline()
    assert baseline is not None
    assert packed.manifest is not None
    assert packed.manifest.baseline is not None
    assert packed.manifest.baseline.digest == baseline.digest
    roles = {feature.name: feature.role for feature in baseline.profile}
    assert roles == {"age": "feature", "state": "feature", **{f"y[{i}]": "output" for i in range(4)}}
    table = people(20_000)
    assert baseline.profile["age"].missing == table["age"].null_count
    assert baseline.profile["state"].categories == ("MA", "NY", "öst")
    assert baseline.profile["y[1]"].mean == pytest.approx(
        (np.asarray(table["state"].to_pylist()) == "MA").mean()
    )
    assert baseline == ps.Baseline.load(packed.path / packed.manifest.baseline.file)


def test_live_data_are_compared_with_it(packed: Bundle) -> None:
    baseline = packed.baseline()
    columns = ["age", "state"]
    assert baseline is not None
    assert not ps.drift(baseline, people(5_000, seed=1), columns=columns).alarms
    moved = people(5_000, seed=2).set_column(1, "state", pa.array(["MA"] * 5_000))
    assert [feature.name for feature in ps.drift(baseline, moved, columns=columns).alarms] == ["state"]


def test_a_reference_that_does_not_fit_in_memory(tmp_path: Path) -> None:
    def batches() -> Iterator[pa.RecordBatch]:
        for seed in range(10):
            rows = np.random.default_rng(seed).normal(size=(3000, 4)).astype("f4")
            yield pa.record_batch({f"x{i}": rows[:, i] for i in range(4)})

    graph = models.affine(tmp_path / "m.onnx")
    ps.pack("m", graph, repository=tmp_path / "models", reference=batches)
    bundle = Bundle.open(tmp_path / "models" / "m" / "1")
    baseline, golden = bundle.baseline(), bundle.golden()
    assert baseline is not None
    assert golden is not None
    assert baseline.profile.rows == 30_000
    assert [feature.name for feature in baseline.profile] == ["x0", "x1", "x2", "x3", "y[0]", "y[1]"]
    with pytest.raises(BundleError, match="expected at least one row"):
        ps.pack("m", graph, repository=tmp_path / "models", reference=lambda: iter(()))


@pytest.mark.parametrize(
    "reference",
    [pa.table({"other": ["a"]}), {"x": np.zeros((20, 3), "f4")}, pa.table({"x0": [1.0], "x1": [2.0]})],
)
def test_a_reference_that_does_not_fit_leaves_none(
    tmp_path: Path, reference: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        ps.pack("m", models.affine(tmp_path / "m.onnx"), repository=tmp_path / "models", reference=reference)
    assert Bundle.open(tmp_path / "models" / "m" / "1").baseline() is None
    assert "no baseline" in caplog.text


def test_a_damaged_baseline_is_refused(packed: Bundle) -> None:
    file = packed.path / "baseline.bin"
    data = bytearray(file.read_bytes())
    data[-9] ^= 1
    file.write_bytes(data)
    with pytest.raises(BundleError, match=r"baseline.bin.*damaged"):
        packed.baseline()
    with pytest.raises(BundleError, match=r"baseline.bin: the file is damaged"):
        Bundle.open(packed.path)


def test_drift_from_the_command_line(packed: Bundle, tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from penstock.cli.main import app

    live = tmp_path / "live.parquet"
    pq.write_table(people(5_000, seed=3), live)
    result = CliRunner().invoke(app, ["drift", str(packed.path), str(live)])
    assert result.exit_code == 0, result.output
    assert "0 of 2 features moved" in result.output
