"""Baselines: one pass over any reference, edges, categories, files."""

from __future__ import annotations

import datetime
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from penstock.errors import BundleError, ConfigError, SignatureError
from penstock.monitor import categories, numeric
from penstock.monitor.baseline import Baseline
from penstock.monitor.edges import choose_edges
from penstock.monitor.tables import tables_of


def reference() -> dict[str, Any]:
    rng = np.random.default_rng(7)
    return {
        "f": rng.normal(size=3000).astype(np.float32),
        "i": rng.integers(0, 5, 3000),
        "b": rng.random(3000) < 0.2,
        "s": rng.choice(["x", "y", "zz"], 3000, p=[0.6, 0.3, 0.1]),
    }


def test_every_kind_of_reference_gives_the_same() -> None:
    data = reference()
    table = pa.table({name: pa.array(column) for name, column in data.items()})
    wanted = Baseline.fit(table)
    batches = table.to_batches(max_chunksize=700)
    others = [
        data,
        pd.DataFrame(data, index=np.arange(3000)[::-1]),
        pl.DataFrame(data),
        pa.RecordBatchReader.from_batches(table.schema, batches),
        iter(batches),
        (table.slice(i, 500) for i in range(0, 3000, 500)),
        table.set_column(3, "s", table["s"].dictionary_encode()),
        table.to_batches()[0],
    ]
    for other in others:
        found = Baseline.fit(other)
        for feature in wanted.profile:
            profile = found.profile[feature.name]
            assert profile.edges.tolist() == feature.edges.tolist()
            assert profile.histogram.tolist() == feature.histogram.tolist()
            assert profile.categories == feature.categories
            assert profile.counts.tolist() == feature.counts.tolist()
    assert [feature.type for feature in wanted.profile] == ["float32", "int64", "bool", "string"]
    assert len(wanted.profile["f"].histogram) == 128
    assert wanted.profile["i"].edges.tolist() == [0.5, 1.5, 2.5, 3.5]
    assert wanted.profile["b"].edges.tolist() == [0.5]
    assert wanted.profile["f"].below == wanted.profile["f"].above == 0
    assert dict(zip("xy", wanted.profile["s"].counts[:2].tolist(), strict=True)) == {
        name: Counter(data["s"].tolist())[name] for name in "xy"
    }


def test_counts_are_of_all_rows_and_edges_of_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numeric, "HELD_ROWS", 1000)
    rng = np.random.default_rng(1)
    table = pa.table(
        {"x": rng.normal(size=5000), "t": rng.choice(["a", "b"], 4000).tolist() + ["late"] * 1000}
    )
    profile = Baseline.fit(iter(table.to_batches(max_chunksize=500))).profile
    x = table["x"].to_numpy()
    assert profile["x"].edges.tolist() == choose_edges(x[:1000], 128).tolist()
    assert (
        profile["x"].histogram.tolist()
        == np.bincount(np.searchsorted(profile["x"].edges, x, side="right"), minlength=128).tolist()
    )
    assert profile["x"].rows == profile.rows == 5000
    assert profile["x"].mean == pytest.approx(x.mean())
    assert profile["t"].categories == ("a", "b", "late")
    assert profile["t"].counts[2] == 1000


def test_edges_of_a_sorted_table_are_of_all_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numeric, "HELD_ROWS", 1000)
    table = pa.table({"year": np.repeat([2015, 2016, 2017, 2018], 2000), "x": np.arange(8000.0)})
    profile = Baseline.fit(table).profile
    assert profile["year"].histogram.tolist() == [2000] * 4
    assert profile["x"].histogram.max() < 300
    assert Baseline.fit(table).digest == Baseline.fit(table).digest


def test_the_most_frequent_categories_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [f"c{i:03}" for i in range(100) for _ in range(i + 1)]
    profile = Baseline.fit({"t": texts}, categories=10).profile["t"]
    assert profile.categories == tuple(f"c{i:03}" for i in range(90, 100))
    assert profile.counts.tolist() == list(range(91, 101))
    assert profile.unseen == sum(range(1, 91))
    assert profile.unseen_top[0] == ("c089", 90 - 26)
    assert 87 < profile.distinct < 113

    monkeypatch.setattr(categories, "_COUNTED_AT_LEAST", 50)
    bounded = Baseline.fit({"t": texts}, categories=5).profile["t"]
    assert bounded.counts.sum() + bounded.unseen == len(texts)
    assert len(bounded.categories) == 5
    assert 85 < bounded.distinct < 115


def test_texts_that_are_no_categories() -> None:
    column = pa.array([b"a", b"\xff", b"x" * 2000, None, b"a"], pa.binary())
    profile = Baseline.fit(pa.table({"t": column})).profile["t"]
    assert (profile.categories, profile.counts.tolist(), profile.unseen, profile.missing) == (
        ("a",),
        [2],
        2,
        1,
    )
    nulls = Baseline.fit(pa.table({"t": pa.DictionaryArray.from_arrays([0, 1, None], ["a", None])}))
    assert nulls.profile["t"].missing == 2


def test_roles() -> None:
    data = {"x": [1.0, 2.0], "y": [0, 1], "p": [0.2, 0.7], "q": [0.1, 0.1]}
    baseline = Baseline.fit(data, label="y", prediction=["p", "q"])
    assert [feature.role for feature in baseline.profile] == ["feature", "label", "output", "output"]
    profiler = baseline.profiler()
    assert profiler.names == ("x", "p", "q")
    profiler.update({"x": [1.0], "p": [0.1], "q": [3.0]})
    assert profiler.profile()["q"].above == 1
    some = Baseline.fit(data, types={"x": "float32"}, prediction="p").profile
    assert [(f.name, f.type) for f in some] == [("x", "float32"), ("p", "float64")]


@pytest.mark.parametrize(
    ("data", "match"),
    [
        (
            {"d": [datetime.date(2020, 1, 1)]},
            '"d": expected numbers, booleans or text, got date32.*leave it out',
        ),
        ({"l": [[1], [2]]}, '"l": expected numbers, booleans or text, got list'),
        ({"m": [1, "a"]}, 'column "m"'),
        ({"x": []}, "at least one row"),
        ([], "at least one row"),
        ({"x": [1], "y": [1, 2]}, "one length"),
        (np.zeros((2, 2)), "named columns"),
        (3, "named columns"),
    ],
)
def test_what_is_refused(data: Any, match: str) -> None:
    with pytest.raises(ConfigError, match=match):
        Baseline.fit(data)


def test_settings_that_are_refused() -> None:
    for settings, match in (
        ({"bins": 0}, "bins"),
        ({"label": "y"}, '"y"'),
        ({"types": {"z": "number"}}, '"z"'),
    ):
        with pytest.raises(ConfigError, match=match):
            Baseline.fit({"x": [1]}, **settings)
    with pytest.raises(SignatureError, match='missing column "x"'):
        Baseline.fit(iter([{"x": np.zeros(200_000)}, {"y": [1.0]}]))


def test_empty_columns() -> None:
    baseline = Baseline.fit(
        {"x": [None, None], "n": np.array([np.nan, np.inf]), "t": pa.nulls(2, pa.string())}
    )
    assert [(f.missing, len(f.edges), len(f.categories)) for f in baseline.profile] == [
        (2, 0, 0),
        (1, 0, 0),
        (2, 0, 0),
    ]
    profiler = baseline.profiler()
    profiler.update({"x": [1.0], "n": [2.0], "t": ["a"]})
    assert [(f.below, f.above, f.unseen) for f in profiler.profile()] == [(0, 0, 0), (0, 0, 0), (0, 0, 1)]


def test_files(tmp_path: Path) -> None:
    baseline = Baseline.fit(reference())
    path = tmp_path / "baseline.bin"
    baseline.save(path)
    loaded = Baseline.load(path)
    assert loaded == baseline
    assert loaded.digest == baseline.digest
    assert len(baseline.digest) == 64
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(BundleError, match=r"baseline\.bin: .*damaged or truncated"):
        Baseline.load(path)
    with pytest.raises(BundleError, match="cannot be read"):
        Baseline.load(tmp_path / "none")


def test_choosing_edges_leaves_the_values_as_they_are() -> None:
    values = np.random.default_rng(3).normal(size=1000)
    values[::50] = np.nan
    values[1::50] = -np.inf
    before = values.copy()
    edges = choose_edges(values, 16)
    np.testing.assert_array_equal(values, before)
    np.testing.assert_array_equal(edges, choose_edges(values[np.isfinite(values)], 16))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("holes", [False, True])
def test_a_frame_is_the_table_that_arrow_makes_of_it(dtype: type, holes: bool) -> None:
    random = np.random.default_rng(4)
    frame = pd.DataFrame(random.normal(size=(300, 3)).astype(dtype), columns=["a", "b", "c"])
    if holes:
        frame.loc[::9, "b"] = np.nan
    frame["i"], frame["s"] = random.integers(0, 9, 300), random.choice(["x", "y"], 300)
    frame["n"] = pd.array([1.5, None, 2.5] * 100, "Float64")
    frame = frame[["s", "a", "n", "b", "i", "c"]]
    for data in (frame, frame.iloc[::2], frame[["a", "c"]], frame[["s"]]):
        (found,) = tables_of(data)
        assert found.equals(pa.Table.from_pandas(data, preserve_index=False))
    assert Baseline.fit(frame).profile["b"].missing == (34 if holes else 0)
