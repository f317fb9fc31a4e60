"""Samples of rows: uniform, bounded, merged, and taken from whatever comes."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.errors import BundleError, ConfigError, SignatureError
from penstock.monitor import Baseline, Profile
from penstock.monitor.multivariate import Reservoir, RowSample
from penstock.monitor.places import Place
from penstock.transform import PrefixedText

NUMBERS = Baseline.fit({"x": np.arange(1000.0)}).profile
MIXED = Baseline.fit({"x": [1.0, 2.0, 3.0], "c": ["a", "b", "b"]}).profile


def values_of(reservoir: Reservoir) -> list[list[float]]:
    return reservoir.sample().values.tolist()


@pytest.mark.parametrize("batch", [1, 7, 64, 1000])
def test_every_row_is_as_likely(batch: int) -> None:
    drawn = np.zeros(200)
    for seed in range(1000):
        reservoir = Reservoir(NUMBERS, 10, seed)
        for begin in range(0, 200, batch):
            reservoir.update({"x": np.arange(begin, min(begin + batch, 200), dtype=np.float64)})
        found = reservoir.sample()
        assert (len(found), found.seen, found.capacity) == (10, 200, 10)
        drawn[found.values[:, 0].astype(int)] += 1
    assert drawn.sum() == 10_000
    # Counts of draws without replacement vary less than those with it: the test is on the safe side.
    assert scipy.stats.chisquare(drawn).pvalue > 1e-4
    assert scipy.stats.chisquare(drawn.reshape(10, 20).sum(axis=1)).pvalue > 1e-4


def test_it_is_all_rows_until_it_is_full() -> None:
    reservoir = Reservoir(NUMBERS, 10)
    reservoir.update({"x": np.arange(4.0)})
    reservoir.update({"x": np.arange(4.0, 10.0)})
    assert values_of(reservoir) == [[float(i)] for i in range(10)]


def test_a_reset_starts_anew() -> None:
    reservoir = Reservoir(NUMBERS, 5)
    reservoir.update({"x": np.arange(100.0)})
    assert reservoir.sample(reset=True).seen == 100
    assert reservoir.sample().seen == 0
    reservoir.update({"x": [3.0]})
    assert values_of(reservoir) == [[3.0]]


@pytest.mark.parametrize("seeds", range(3))
def test_merged_samples_are_samples_of_both(seeds: int) -> None:
    drawn = np.zeros(300)
    for seed in range(600):
        samples = []
        for begin, end in ((0, 50), (50, 300)):
            reservoir = Reservoir(NUMBERS, 30, 1000 * seeds + 2 * seed + (begin > 0))
            reservoir.update({"x": np.arange(begin, end, dtype=np.float64)})
            samples.append(reservoir.sample())
        merged = samples[0].merge(samples[1], seed)
        assert (len(merged), merged.seen) == (30, 300)
        drawn[merged.values[:, 0].astype(int)] += 1
    assert scipy.stats.chisquare(drawn.reshape(6, 50).sum(axis=1)).pvalue > 1e-4


@given(st.lists(st.integers(0, 40), min_size=2, max_size=5), st.integers(1, 30))
@settings(max_examples=40)
def test_merging_keeps_size_and_distinct_rows(parts: list[int], capacity: int) -> None:
    begin, merged = 0, None
    for seed, rows in enumerate(parts):
        reservoir = Reservoir(NUMBERS, capacity, seed)
        reservoir.update({"x": np.arange(begin, begin + rows, dtype=np.float64)})
        begin += rows
        merged = reservoir.sample() if merged is None else merged.merge(reservoir.sample())
    assert merged is not None
    assert merged.seen == begin
    assert len(merged) == min(begin, capacity)
    assert len(np.unique(merged.values)) == len(merged)


def test_samples_of_other_features_do_not_merge() -> None:
    with pytest.raises(ConfigError, match="same 1 features"):
        Reservoir(NUMBERS, 5).sample().merge(Reservoir(MIXED, 5).sample())


def test_samples_beyond_a_thousand_million_rows_merge() -> None:
    few = RowSample(names=("x",), values=np.zeros((9, 1), np.float32), seen=10**9, capacity=9)
    many = RowSample(names=("x",), values=np.ones((9, 1), np.float32), seen=10**12, capacity=9)
    assert few.merge(many).values.mean() > 0.8


HOSTILE = {
    "x": [1e308, float("inf"), float("nan"), None, -1e-320],
    "c": ["a", "", "z" * 1_000_000, None, "b"],
}


@pytest.mark.parametrize("container", ["dict", "table", "batch", "reader", "frame"])
def test_values_outside_every_expectation(container: str) -> None:
    table = pa.table({**HOSTILE, "other": [1, 2, 3, 4, 5]})
    data: Any = {
        "dict": HOSTILE,
        "table": table,
        "batch": table.to_batches()[0],
        "reader": table.to_reader(),
        "frame": table.to_pandas(),
    }[container]
    reservoir = Reservoir(MIXED, 10)
    reservoir.update(data)
    found = reservoir.sample()
    assert found.values[:, 0].tolist() == pytest.approx([np.inf, np.inf, np.nan, np.nan, 0.0], nan_ok=True)
    assert found.values[:, 1].tolist() == pytest.approx([0.0, 2.0, 2.0, np.nan, 1.0], nan_ok=True)


def test_bytes_that_are_not_utf8_are_some_other_text() -> None:
    reservoir = Reservoir(MIXED, 10)
    reservoir.update({"x": [1.0], "c": np.array([b"\xff\xfe"], object)})
    assert values_of(reservoir) == [[1.0, 2.0]]


def prefixed(texts: list[str]) -> PrefixedText:
    data = b"".join(len(text).to_bytes(4, "little") + text.encode() for text in texts)
    return PrefixedText(np.frombuffer(data, np.uint8), len(texts))


def test_it_follows_tensors() -> None:
    places = {"x": Place("input", "m", 1, False), "c": Place("input", "words", 0, True)}
    reservoir = Reservoir(MIXED, 10, places=places)
    matrix = np.array([[0.0, 1.5], [0.0, 2.5]], np.float32)
    reservoir.follow({"m": matrix, "words": prefixed(["b", "?"])}, {}, 2, None)
    assert values_of(reservoir) == [[1.5, 1.0], [2.5, 2.0]]


def test_it_follows_columns_by_name_and_frames() -> None:
    reservoir = Reservoir(MIXED, 10)
    reservoir.follow({"x": np.array([1.0]), "c": np.array(["a"], object)}, {}, 1)
    reservoir.follow(pa.table({"x": [2.0], "c": ["b"]}), {}, 1)
    assert values_of(reservoir) == [[1.0, 0.0], [2.0, 1.0]]


def test_a_batch_without_a_drawn_row_is_not_looked_at() -> None:
    reservoir = Reservoir(MIXED, 1)
    reservoir.follow({"x": np.arange(1000.0), "c": np.array(["a"] * 1000, object)}, {}, 1000)
    looked = 0
    for _ in range(50):
        try:
            reservoir.follow({}, {}, 1)
        except KeyError:
            looked += 1
    assert looked < 10
    assert reservoir.sample().seen == 1050


def test_outputs_and_labels_are_not_sampled() -> None:
    baseline = Baseline.fit({"x": [1.0], "p": [0.5], "y": [1]}, label="y", prediction="p")
    assert Reservoir(baseline.profile, 5).names == ("x",)


def test_wrong_calls_say_what_is_wrong() -> None:
    with pytest.raises(ConfigError, match="rows: expected at least 1, got 0"):
        Reservoir(NUMBERS, 0)
    with pytest.raises(ConfigError, match='features of the layout, got "y"'):
        Reservoir(NUMBERS, 5, names=["y"])
    with pytest.raises(SignatureError, match='"x"'):
        Reservoir(NUMBERS, 5).update({"y": [1.0]})


def test_bytes_give_the_sample_back() -> None:
    reservoir = Reservoir(MIXED, 4)
    reservoir.update(HOSTILE)
    sample = reservoir.sample()
    again = RowSample.from_bytes(sample.to_bytes())
    assert again.names == sample.names
    assert (again.seen, again.capacity) == (5, 4)
    np.testing.assert_array_equal(again.values, sample.values)
    empty = Reservoir(MIXED, 4).sample()
    assert len(RowSample.from_bytes(empty.to_bytes())) == 0


@pytest.mark.parametrize("cut", [0, 1, 10, -1, -4])
def test_damaged_bytes_are_refused(cut: int) -> None:
    reservoir = Reservoir(MIXED, 4)
    reservoir.update(HOSTILE)
    with pytest.raises(BundleError, match="here: "):
        RowSample.from_bytes(reservoir.sample().to_bytes()[:cut], "here")


def test_threads_lose_no_row() -> None:
    reservoir = Reservoir(NUMBERS, 50)

    def feed() -> None:
        for _ in range(200):
            reservoir.update({"x": np.arange(17.0)})

    threads = [threading.Thread(target=feed) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = reservoir.sample()
    assert (found.seen, len(found)) == (4 * 200 * 17, 50)
    assert set(found.values[:, 0].tolist()) <= set(range(17))


def test_a_layout_without_features_is_an_empty_sample() -> None:
    reservoir = Reservoir(Profile((), 0), 3)
    assert reservoir.sample().values.shape == (0, 0)
