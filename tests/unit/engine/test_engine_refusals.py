"""What an engine counts of columns that it refuses, whichever way they come."""

from __future__ import annotations

import concurrent.futures
from collections.abc import Callable
from pathlib import Path
from typing import Any

import models
import numpy as np
import pyarrow as pa
import pytest

from penstock.engine.engine import Engine
from penstock.errors import ModelNotFoundError, SignatureError
from penstock.transform._columns import Binder

Start = Callable[..., Engine]
GOOD = {"a": np.zeros((2, 2), np.float32), "b": np.zeros(2, np.int64), "s": np.array([["x"], ["y"]], object)}

REFUSED: list[tuple[str, Any, str, str]] = [
    ("missing", {"a": GOOD["a"], "s": GOOD["s"]}, "b", "missing"),
    ("unknown", GOOD | {"z": 1}, "other", "unknown"),
    ("datatype", GOOD | {"b": np.zeros(2, np.float32)}, "b", "datatype"),
    ("shape", GOOD | {"a": np.zeros((2, 3), np.float32)}, "a", "shape"),
    ("no rows", GOOD | {"a": np.zeros((0, 2), np.float32)}, "a", "shape"),
    ("rows", GOOD | {"b": np.zeros(3, np.int64)}, "b", "rows"),
    ("range", GOOD | {"b": [1, 2**70]}, "b", "datatype"),
    ("lists of different lengths", GOOD | {"a": [[1.0], [1.0, 2.0]]}, "a", "shape"),
    ("text", GOOD | {"s": [[b"\xff"], [b""]]}, "s", "text"),
    ("not text", GOOD | {"s": [[1], [2]]}, "s", "datatype"),
    ("masked", GOOD | {"a": np.ma.zeros((2, 2))}, "a", "unsupported"),
    ("one array", np.zeros((2, 2), np.float32), "", "contents"),
    (
        "nulls",
        pa.table({"a": pa.array([[1.0, 2.0]], pa.list_(pa.float32(), 2)), "b": pa.array([None], pa.int64())}),
        "b",
        "missing",
    ),
]


@pytest.mark.parametrize(
    ("columns", "name", "reason"), [row[1:] for row in REFUSED], ids=[r[0] for r in REFUSED]
)
def test_columns_that_do_not_fit(
    repository: Path, engine: Start, columns: Any, name: str, reason: str
) -> None:
    models.publish(repository, "several", 1, models.several)
    opened = engine()
    with pytest.raises(SignatureError):
        opened.predict("several", columns)
    (found,) = opened.statistics()
    assert (found.refusals, found.requests) == ({(name, reason): 1}, {})
    with pytest.raises(SignatureError):
        opened.submit("several", columns)
    (found,) = opened.statistics()
    assert (found.refusals, found.requests) == ({(name, reason): 2}, {"INVALID_ARGUMENT": 1})


def test_outputs_that_there_are_not(repository: Path, engine: Start) -> None:
    models.publish(repository, "several", 1, models.several)
    opened = engine()
    for ask in (opened.predict, opened.submit):
        with pytest.raises(SignatureError):
            ask("several", GOOD, outputs=["nothing"])
    assert opened.statistics()[0].refusals == {("", "output"): 2}


def test_what_was_refused_before_it_came(repository: Path, engine: Start) -> None:
    models.publish(repository, "several", 1, models.several)
    opened = engine()
    error = SignatureError("no", name="b", reason="range")
    opened.count_refusal("several", None, error)
    opened.count_refusal("several", 7, error)
    opened.count_refusal("nothing", None, error)
    (found,) = opened.statistics()
    assert (found.refusals, found.requests) == ({("b", "range"): 1}, {"INVALID_ARGUMENT": 1})
    with pytest.raises(ModelNotFoundError):
        opened.signature("nothing")


@pytest.mark.parametrize(
    ("data", "wanted", "reason"),
    [
        ({}, "number", "missing"),
        ({"x": ["a"]}, "number", "datatype"),
        ({"x": np.array(["a"])}, "float32", "datatype"),
        ({"x": [1]}, "string", "datatype"),
        ({"x": ["\ud800"]}, "string", "text"),
    ],
)
def test_raw_columns_of_a_transform(data: dict[str, Any], wanted: str, reason: str) -> None:
    with pytest.raises(SignatureError) as caught:
        Binder(["x"], [wanted]).bind(data)
    assert (caught.value.name, caught.value.reason) == ("x", reason)


def affine_rows(value: float) -> dict[str, Any]:
    return {"x": np.full((1, 4), value, np.float32)}


def test_a_rule_refuses_one_request_of_a_batch(repository: Path, engine: Start) -> None:
    models.publish(repository, "m", 1, models.affine)
    opened = engine(m={"monitor": {"rules": {"x[1]": {"max": 5, "refuse": True}, "x[0]": {"min": 1}}}})
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        futures = list(
            pool.map(lambda n: opened.submit("m", affine_rows(9 if n % 7 == 3 else n % 4)), range(200))
        )
    for n, future in enumerate(futures):
        if n % 7 == 3:
            with pytest.raises(SignatureError, match=r'^column "x\[1\]", row 0: expected at most 5, got 9$'):
                future.result(30)
        else:
            assert future.result(30)["y"].shape == (1, 2)
    with pytest.raises(SignatureError, match="row 0: expected at most 5, got 9"):
        opened.predict("m", affine_rows(9))
    (found,) = opened.statistics()
    assert found.requests == {"OK": 171, "INVALID_ARGUMENT": 29}
    assert found.refusals == {("x", "rule"): 30}


def test_a_rule_that_does_not_refuse_lets_everything_through(repository: Path, engine: Start) -> None:
    models.publish(repository, "m", 1, models.affine)
    opened = engine(m={"monitor": {"rules": {"x[1]": {"max": 5}}}})
    assert opened.submit("m", affine_rows(9)).result(30)["y"].shape == (1, 2)
    assert opened.predict("m", affine_rows(9))["y"].shape == (1, 2)
    assert opened.statistics()[0].refusals == {}
