"""Batch scoring in a local Spark, where pyspark and Java are."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from scoring import FEATURES, expected, make_table, publish, write

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.skipif(importlib.util.find_spec("pyspark") is None, reason="pyspark is not installed"),
    pytest.mark.skipif(shutil.which("java") is None, reason="Java is not installed"),
]

PROGRAM = """
import json, sys
from pyspark.sql import SparkSession
from penstock.score.spark import output_schema, score_function
model, path, columns = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
builder = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false")
builder = builder.config("spark.driver.host", "127.0.0.1").config("spark.driver.bindAddress", "127.0.0.1")
spark = builder.config("spark.sql.shuffle.partitions", "2").getOrCreate()
frame = spark.read.parquet(path).repartition(3)
choice = {"keep": ["id", "word", "when"], "columns": {"x": columns}, "outputs": ["y", "y[1]=second"]}
schema = output_schema(model, frame.schema, **choice)
scored = frame.mapInArrow(score_function(model, batch_rows=100, **choice), schema)
rows = [row.asDict() for row in scored.collect()]
print(json.dumps({"schema": json.loads(scored.schema.json()), "rows": rows}, default=str))
spark.stop()
"""


def test_map_in_arrow(tmp_path: Path) -> None:
    model = publish(tmp_path / "models")
    table = make_table(1_000)
    path = write(tmp_path / "in.parquet", table)
    environment = os.environ | {"SPARK_LOCAL_IP": "127.0.0.1", "PYSPARK_PYTHON": sys.executable}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(model), str(path), json.dumps(FEATURES)],
        capture_output=True, text=True, timeout=240, env=environment, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4000:]
    outcome = json.loads(done.stdout.splitlines()[-1])
    assert [field["name"] for field in outcome["schema"]["fields"]] == ["id", "word", "when", "y", "second"]
    rows = sorted(outcome["rows"], key=lambda row: row["id"])
    assert {(row["id"], tuple(row["y"])) for row in rows} == set(expected(table))
    assert all(row["second"] == row["y"][1] for row in rows)
    assert [row["word"] for row in rows] == table["word"].to_pylist()
