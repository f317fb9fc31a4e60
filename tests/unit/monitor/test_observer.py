"""Observers: what a model was asked and answered, counted where it lies."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from penstock.bundle.signature import Signature, TensorSpec
from penstock.errors import SignatureError
from penstock.monitor import Baseline
from penstock.monitor.observer import Observer
from penstock.monitor.places import Place, places, tensor_columns
from penstock.transform import PrefixedText

RANDOM = np.random.default_rng(5)


def prefixed(texts: list[str]) -> PrefixedText:
    data = b"".join(len(text.encode()).to_bytes(4, "little") + text.encode() for text in texts)
    return PrefixedText(np.frombuffer(data, np.uint8), len(texts))


def matrix_case() -> tuple[Observer, Baseline, Signature]:
    columns: dict[str, Any] = {f"f{index}": RANDOM.normal(size=500) for index in range(3)}
    columns |= {"p[0]": RANDOM.random(500), "p[1]": RANDOM.random(500), "label": RANDOM.integers(0, 2, 500)}
    baseline = Baseline.fit(columns, prediction=["p[0]", "p[1]", "label"])
    signature = Signature(
        (TensorSpec("input", "FP32", (-1, 3)),),
        (TensorSpec("label", "INT64", (-1,)), TensorSpec("p", "FP32", (-1, 2))),
        batched=True,
    )
    return Observer("m", signature, baseline.profile), baseline, signature


def test_columns_of_a_matrix_are_the_features_in_their_order() -> None:
    observer, baseline, _ = matrix_case()
    assert observer.placed == ("f0", "f1", "f2", "p[0]", "p[1]", "label")
    x = RANDOM.normal(size=(64, 3)).astype(np.float32)
    p = RANDOM.random((64, 2)).astype(np.float32)
    label = RANDOM.integers(0, 2, 64)
    observer.observe({"input": x}, {"label": label, "p": p}, 64)
    counted = observer.take()
    expected = baseline.profiler()
    expected.update(
        {"f0": x[:, 0], "f1": x[:, 1], "f2": x[:, 2], "p[0]": p[:, 0], "p[1]": p[:, 1], "label": label}
    )
    assert counted == expected.profile()
    assert observer.failures == {}
    assert observer.take().rows == 0


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint16", "int64", "float16", "float32", "float64"])
@pytest.mark.parametrize("column", [False, True])
def test_numbers_of_every_type_with_one_value_a_row(dtype: str, column: bool) -> None:
    values = RANDOM.integers(0, 2, 100).astype(dtype)
    baseline = Baseline.fit({"x": values})
    names = {"float16": "FP16", "float32": "FP32", "float64": "FP64"}
    datatype = names.get(dtype, dtype.upper())
    signature = Signature(
        (TensorSpec("x", datatype, (-1, 1) if column else (-1,)),), (TensorSpec("y", "FP32", (-1,)),), True
    )
    observer = Observer("m", signature, baseline.profile)
    shaped = values[::2][:, None] if column else values[::2]
    observer.observe({"x": shaped}, {"y": np.zeros(50, np.float32)}, 50)
    expected = baseline.profiler()
    expected.update({"x": values[::2]})
    assert observer.take() == expected.profile()


@pytest.mark.parametrize("kind", ["prefixed", "objects", "arrow", "frame", "lists"])
def test_text_as_it_comes_from_the_wire_and_from_callers(kind: str) -> None:
    texts, ages = ["MA", "NY", "MA", "é"], np.array([1.0, np.nan, 3.0, 4.0], np.float32)
    baseline = Baseline.fit({"state": ["MA", "NY", "TX", "MA"], "age": ages}, prediction=None)
    signature = Signature(
        (TensorSpec("state", "BYTES", (-1,)), TensorSpec("age", "FP32", (-1,))),
        (TensorSpec("y", "FP32", (-1, 2, 2)),),
        batched=True,
    )
    observer = Observer("m", signature, baseline.profile)
    columns: Any = {
        "prefixed": {"state": prefixed(texts), "age": ages},
        "objects": {"state": np.array(texts, object), "age": ages},
        "arrow": pa.table({"state": texts, "age": ages}),
        "frame": {"state": pa.chunked_array([texts[:1], texts[1:]]), "age": ages},
        "lists": {"state": texts, "age": ages.tolist()},
    }[kind]
    observer.observe(columns, {"y": np.zeros((4, 2, 2), np.float32)}, 4)
    counted = observer.take()
    assert observer.failures == {}
    assert counted["state"].counts.tolist() == [2, 1, 0]
    assert counted["state"].unseen_top == (("é", 1),)
    assert (counted["age"].missing, counted["age"].finite) == (1, 3)


def test_a_wild_batch_is_counted_and_nothing_raises() -> None:
    baseline = Baseline.fit({"x": np.arange(100.0), "t": ["a", "b"] * 50})
    signature = Signature(
        (TensorSpec("x", "FP64", (-1,)), TensorSpec("t", "BYTES", (-1,))),
        (TensorSpec("y", "FP32", (-1,)),),
        True,
    )
    observer = Observer("m", signature, baseline.profile)
    wild = np.array([np.nan, np.inf, -np.inf, 1e308, -1e308, 5e-324])
    raw = [b"", b"x" * 1_000_000, b"\xff\xfe", b"\0", b"a", b"b"]
    data = b"".join(len(text).to_bytes(4, "little") + text for text in raw)
    texts = PrefixedText(np.frombuffer(data, np.uint8), len(raw))
    observer.observe({"x": wild, "t": texts}, {"y": np.zeros(6, np.float32)}, 6)
    counted = observer.take()
    assert (counted["x"].missing, counted["x"].infinite, counted["x"].above, counted["x"].below) == (
        1,
        2,
        2,
        2,
    )
    assert (counted["t"].unseen, counted["t"].missing) == (4, 0)
    assert max(len(text) for text, _ in counted["t"].unseen_top) < 1000


def test_what_fails_is_counted_by_part_and_said_once(caplog: pytest.LogCaptureFixture) -> None:
    class Broken:
        def follow(self, *arguments: Any) -> None:
            raise OSError("no")

    observer, _, _ = matrix_case()
    observer.followers = {"log": Broken()}
    outputs = {"label": np.zeros(2, np.int64), "p": np.zeros((2, 2), np.float32)}
    for _ in range(3):
        observer.observe({"input": np.zeros((2, 3), np.float32)}, outputs, 2)
    observer.observe({"other": np.zeros(2)}, outputs, 2)
    assert observer.failures == {"log": 4, "counts": 1}
    assert len(caplog.records) == 2
    assert observer.take().rows == 6


def test_threads_lose_nothing() -> None:
    observer, _, _ = matrix_case()
    x, p = np.zeros((10, 3), np.float32), np.zeros((10, 2), np.float32)
    rows: list[int] = []

    def work() -> None:
        for _ in range(200):
            observer.observe({"input": x}, {"label": np.zeros(10, np.int64), "p": p}, 10)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        rows.append(observer.take().rows)
    rows.append(observer.take().rows)
    assert sum(rows) == 8000


def test_full_rows_call_once_they_are_there() -> None:
    _, baseline, signature = matrix_case()
    called: list[int] = []
    observer = Observer("m", signature, baseline.profile, full_rows=20, on_full=lambda: called.append(1))
    outputs = {"label": np.zeros(10, np.int64), "p": np.zeros((10, 2), np.float32)}
    observer.observe({"input": np.zeros((10, 3), np.float32)}, outputs, 10)
    assert not called
    observer.observe({"input": np.zeros((10, 3), np.float32)}, outputs, 10)
    assert called


def test_places() -> None:
    layout = Baseline.fit({"a": [1.0, 2.0], "b": ["x", "y"], "y[1]": [0.5, 0.6]}, prediction="y[1]").profile
    inputs = (TensorSpec("b", "BYTES", (-1, 1)), TensorSpec("a", "INT64", (-1,)))
    outputs = (TensorSpec("y", "FP32", (-1, 2)),)
    assert places(layout.features, inputs, outputs) == {
        "a": Place("input", "a", 0, False),
        "b": Place("input", "b", 0, True),
        "y[1]": Place("output", "y", 1, False),
    }
    swapped = (TensorSpec("b", "FP32", (-1,)), TensorSpec("a", "BYTES", (-1,)))
    assert set(places(layout.features, swapped, outputs)) == {"y[1]"}
    assert tensor_columns(TensorSpec("image", "FP32", (-1, 3, 8, 8))) == []
    with pytest.raises(SignatureError, match="no feature of the baseline"):
        Observer(
            "m",
            Signature(swapped, (TensorSpec("w", "FP32", (-1, 3, 3)),), True),
            Baseline.fit({"z": [1.0, 2.0]}).profile,
        )
