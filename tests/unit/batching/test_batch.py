"""Data through a batch: every datatype, text, empty dimensions, memory that outlives it, bad outputs."""

from __future__ import annotations

import gc
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from queued import WIDE, Line, echo, identity_of

from penstock.bundle.signature import DATATYPES, Signature, TensorSpec
from penstock.errors import InferenceError

Array = np.ndarray[Any, Any]


def text(*shape: int, words: tuple[str | bytes, ...] = ("a", "", "größe", "日本\0", "x" * 300)) -> Array:
    array = np.empty(shape, dtype=object)
    array.flat = [words[n % len(words)] for n in range(array.size)]
    return array


def values(datatype: str, *shape: int) -> Array:
    if datatype == "BYTES":
        return text(*shape)
    return np.random.default_rng(3).integers(0, 100, shape).astype(DATATYPES[datatype])


def strings(array: Array) -> list[str]:
    return [item.decode() if isinstance(item, bytes) else item for item in array.flat]


def same(got: Array, want: Array) -> None:
    assert (got.dtype, got.shape) == (want.dtype, want.shape)
    if want.dtype == object:
        assert strings(got) == strings(want)
    else:
        assert got.tobytes() == want.tobytes()


@pytest.mark.parametrize("datatype", DATATYPES)
@pytest.mark.parametrize("trailing", [(), (3,), (2, 3), (0,), (3, 0, 2)])
def test_rows_go_in_and_come_back(datatype: str, trailing: tuple[int, ...]) -> None:
    signature = identity_of(datatype, (-1, *[-1] * len(trailing)))
    line = Line(signature)
    sent = [values(datatype, rows, *trailing) for rows in (1, 4, 2)]
    futures = [line.submit(array) for array in sent]
    batch = line.next()
    assert (batch.rows, batch.requests) == (7, 3)
    same(batch.inputs(signature)["x"], np.concatenate(sent))
    echo(batch, signature)
    for array, future in zip(sent, futures, strict=True):
        same(future.result(0)["y"], array)


@pytest.mark.parametrize("datatype", DATATYPES)
@pytest.mark.parametrize("shape", [(), (3,), (0,), (2, 2)])
def test_models_without_rows(datatype: str, shape: tuple[int, ...]) -> None:
    signature = identity_of(datatype, shape, batched=False)
    line = Line(signature)
    sent = values(datatype, *shape)
    future = line.submit(sent)
    batch = line.next()
    same(batch.inputs(signature)["x"], sent)
    echo(batch, signature)
    same(future.result(0)["y"], sent)


floats = hnp.arrays(
    np.float16, hnp.array_shapes(min_dims=2, max_dims=2, max_side=4), elements=st.floats(width=16)
)


@settings(deadline=None)
@given(st.lists(floats, min_size=1, max_size=4))
def test_bits_are_kept(sent: list[Array]) -> None:
    signature = identity_of("FP16", (-1, -1))
    line = Line(signature)
    futures = [line.submit(array) for array in sent]
    while line.queue.waiting_rows:
        echo(line.next(), signature)
    for array, future in zip(sent, futures, strict=True):
        same(future.result(0)["y"], array)


@settings(deadline=None)
@given(
    st.lists(st.lists(st.text() | st.text().map(str.encode), min_size=1, max_size=5), min_size=1, max_size=4)
)
def test_text_of_any_length(sent: list[list[str | bytes]]) -> None:
    signature = identity_of("BYTES", (-1,))
    line = Line(signature)
    arrays = [np.array([*items, None], dtype=object)[:-1] for items in sent]
    futures = [line.submit(array) for array in arrays]
    echo(line.next(), signature)
    for array, future in zip(arrays, futures, strict=True):
        y = future.result(0)["y"]
        assert all(type(item) is str for item in y.flat)
        same(y, array)


def test_several_inputs_and_outputs_keep_their_rows_together() -> None:
    signature = Signature(
        (TensorSpec("a", "FP32", (-1, 2)), TensorSpec("s", "BYTES", (-1,))),
        (
            TensorSpec("s2", "BYTES", (-1, 2)),
            TensorSpec("n", "INT64", (-1,)),
            TensorSpec("a2", "FP32", (-1, 2)),
        ),
        batched=True,
    )
    line = Line(signature)
    from penstock.engine.failures import error_of
    from penstock.engine.future import InferenceFuture

    futures = []
    for n, wanted in enumerate(([0, 1, 2], [2, 0], [1], None)):
        future = InferenceFuture(1)
        inputs = {"a": np.full((n + 1, 2), n, np.float32), "s": text(n + 1, words=(f"word {n}",))}
        assert line.queue.submit(line.target, future, inputs, n + 1, outputs=wanted, error_of=error_of)
        futures.append(future)
    batch = line.next()
    inputs = batch.inputs(signature)
    doubled = np.stack([inputs["s"], inputs["s"]], axis=1)
    batch.complete(signature, {"s2": doubled, "n": np.arange(10), "a2": inputs["a"] * 2})
    assert [list(future.result(0)) for future in futures] == [
        ["s2", "n", "a2"],
        ["a2", "s2"],
        ["n"],
        ["s2", "n", "a2"],
    ]
    assert futures[1].result()["s2"].tolist() == [["word 1", "word 1"]] * 2
    assert futures[1].result()["a2"].tolist() == [[2, 2]] * 2
    assert futures[2].result()["n"].tolist() == [3, 4, 5]
    assert futures[3].result()["n"].tolist() == [6, 7, 8, 9]


# Memory


def test_inputs_are_read_only_and_outlive_the_batch() -> None:
    line = Line()
    future = line.submit(np.arange(60_000).reshape(-1, 3))
    batch = line.next()
    x = batch.inputs(WIDE)["x"]
    with pytest.raises(ValueError, match="read-only"):
        x[0, 0] = 1
    echo(batch, WIDE)
    del batch
    gc.collect()
    line.submit(np.full((20_000, 3), -1))
    line.numbers()
    assert x.tobytes() == np.arange(60_000).tobytes()
    answer = future.result(0)["y"]
    assert answer.flags.writeable
    answer[0] = 7
    assert x[0, 0] == 0


def test_the_arrays_of_a_request_live_until_its_answer() -> None:
    line = Line()
    future = line.submit(np.arange(5000).reshape(-1, 1).copy())
    gc.collect()
    junk = [np.full((5000, 1), 9) for _ in range(10)]
    assert line.numbers() == list(range(5000))
    assert future.result(0)["y"][:, 0].tolist() == list(range(5000))
    del junk


def test_outputs_of_any_layout_are_sliced_by_rows() -> None:
    line = Line()
    futures = [line.submit(np.full((2, 4), n)) for n in range(3)]
    batch = line.next()
    wide = np.arange(6 * 8).reshape(6, 8)
    strided = np.asfortranarray(wide)[:, ::-2]
    batch.complete(WIDE, {"y": strided})
    for n, future in enumerate(futures):
        assert future.result(0)["y"].tolist() == wide[2 * n : 2 * n + 2, ::-2].tolist()


# Outputs that do not fit


@pytest.mark.parametrize(
    ("outputs", "message"),
    [
        ({}, 'output "y": the model returned none'),
        ({"z": np.zeros((3, 1), np.int64)}, 'output "y": the model returned none'),
        ({"y": np.zeros((3, 1), np.int32)}, 'output "y": expected INT64, got int32'),
        ({"y": np.zeros((2, 1), np.int64)}, r'output "y": expected 3 rows, got shape \(2, 1\)'),
        ({"y": np.zeros((), np.int64)}, r'output "y": expected 3 rows, got shape \(\)'),
    ],
)
def test_outputs_that_do_not_fit_answer_nothing(outputs: dict[str, Array], message: str) -> None:
    line = Line()
    futures = [line.submit(n) for n in range(3)]
    batch = line.next()
    with pytest.raises(InferenceError, match=message):
        batch.complete(WIDE, outputs)
    assert not any(future.done() for future in futures)
    echo(batch, WIDE)
    assert [future.result(0)["y"].item() for future in futures] == [0, 1, 2]


def test_text_outputs_of_other_objects_answer_nothing() -> None:
    signature = identity_of("BYTES", (-1,))
    line = Line(signature)
    future = line.submit(text(1))
    batch = line.next()
    with pytest.raises(TypeError, match="expected str or bytes elements, got int"):
        batch.complete(signature, {"y": np.array([1], dtype=object)})
    assert not future.done()
    batch.fail(13, "inference failed", "bad text")


def test_text_inputs_of_other_objects_are_refused_before_they_queue() -> None:
    line = Line(identity_of("BYTES", (-1,)))
    for bad in (np.array([1], dtype=object), np.array(["\ud800"], dtype=object)):
        with pytest.raises((TypeError, UnicodeEncodeError)):
            line.submit(bad)
    assert line.queue.waiting_rows == 0
    assert line.target.holds == 0
