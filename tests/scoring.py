"""Input files for batch scoring, and what must come out of them."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import models
import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.dataset
import pyarrow.parquet as pq

FEATURES = [f"x{index}" for index in range(4)]

Rows = Counter[tuple[int, tuple[float, ...]]]


def publish(root: Path) -> Path:
    """Publish the affine model; return its directory of versions."""
    return models.publish(root, "affine", 1, models.affine).parent


def make_table(rows: int, first: int = 0) -> pa.Table:
    """Return rows with an id, four float features and a few columns of other types."""
    ids = np.arange(first, first + rows)
    x = np.random.default_rng(first).integers(-50, 50, size=(rows, 4)).astype("f4")
    columns: dict[str, Any] = {"id": pa.array(ids, pa.int64())}
    columns |= {name: pa.array(x[:, index]) for index, name in enumerate(FEATURES)}
    words = pa.array([None if i % 7 == 0 else f"word {i % 5}" for i in ids], pa.string())
    columns["word"] = words.dictionary_encode()
    columns["when"] = pa.array(ids * 1_000_003, pa.timestamp("us", "UTC"))
    columns["parts"] = pa.array([list(range(i % 3)) for i in ids.tolist()], pa.list_(pa.int16()))
    return pa.table(columns).replace_schema_metadata({"origin": "tests"})


def expected(*tables: pa.Table) -> Rows:
    """Return the multiset of (id, scores) that the affine model gives."""
    found: Rows = Counter()
    for table in tables:
        x = np.stack([table[name].to_numpy() for name in FEATURES], axis=1)
        scores = models.affine_of(x)
        found.update(zip(table["id"].to_pylist(), map(tuple, scores.tolist()), strict=True))
    return found


def read_output(out: Path, format: str = "parquet") -> pa.Table:
    """Read every file of an output, as people do: the directory as a data set."""
    return pyarrow.dataset.dataset(out, format=format).to_table()


def found(out: Path, format: str = "parquet") -> Rows:
    """Return the multiset of (id, scores) in an output."""
    table = read_output(out, format)
    return Counter(zip(table["id"].to_pylist(), map(tuple, table["y"].to_pylist()), strict=True))


def manifest(out: Path) -> Any:
    return json.loads((out / "_manifest.json").read_text())


def write(path: Path, table: pa.Table, row_group: int = 1000, **options: Any) -> Path:
    """Write a table in the format that the name of the file says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        pq.write_table(table, path, row_group_size=row_group, **options)
    elif path.suffix == ".csv":
        pyarrow.csv.write_csv(table.select(["id", *FEATURES]), path)
    else:
        make = pa.ipc.new_stream if path.suffix == ".arrows" else pa.ipc.new_file
        with pa.OSFile(str(path), "wb") as sink, make(sink, table.schema) as writer:
            for batch in table.to_batches(max_chunksize=row_group):
                writer.write_batch(batch)
    return path
