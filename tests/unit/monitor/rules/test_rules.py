"""Rules against a slow reading of the same values, over types and layouts; what they refuse, in words."""

from __future__ import annotations

import concurrent.futures
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.bundle.signature import DATATYPES, Signature, TensorSpec
from penstock.config.monitor import RuleConfig
from penstock.errors import SignatureError
from penstock.monitor import Baseline
from penstock.monitor.rules import RuleCounts, Rules
from penstock.transform import PrefixedText

ANSWER = TensorSpec("y", "FP32", (-1,))


def signature(*inputs: TensorSpec) -> Signature:
    return Signature(inputs, (ANSWER,), batched=True)


def column_rules(datatype: str, **rule: Any) -> Rules:
    return Rules({"x": RuleConfig(**rule)}, signature(TensorSpec("x", datatype, (-1,))))


def counted(rules: Rules, columns: Any, rows: int) -> dict[str, int]:
    rules.follow(columns, {}, rows)
    found = rules.take()
    assert found.rows == rows
    return {key: count for (_, key), count in found.broken.items()}


def prefixed(values: list[bytes]) -> PrefixedText:
    data = b"".join(len(value).to_bytes(4, "little") + value for value in values)
    return PrefixedText(np.frombuffer(data, np.uint8), len(values))


def broken_numbers(values: list[float], rule: dict[str, Any]) -> dict[str, int]:
    """Slow and obvious."""
    found = dict.fromkeys(("required", "min", "max", "allowed"), 0)
    for value in values:
        if math.isnan(value):
            found["required"] += rule["required"]
            continue
        found["min"] += rule["min"] is not None and value < rule["min"]
        found["max"] += rule["max"] is not None and value > rule["max"]
        found["allowed"] += rule["allowed"] is not None and value not in map(float, rule["allowed"])
    return {key: count for key, count in found.items() if count}


def broken_texts(values: list[bytes], rule: dict[str, Any]) -> dict[str, int]:
    found = dict.fromkeys(("required", "allowed", "max_length"), 0)
    for value in values:
        if not value:
            found["required"] += rule["required"]
            continue
        found["allowed"] += rule["allowed"] is not None and value.decode() not in rule["allowed"]
        found["max_length"] += rule["max_length"] is not None and len(value) > rule["max_length"]
    return {key: count for key, count in found.items() if count}


SMALL = st.integers(0, 6)
NUMBERS = [name for name in DATATYPES if name not in ("BYTES", "BOOL")]


@pytest.mark.parametrize("datatype", NUMBERS)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_numbers_of_every_type(datatype: str, data: st.DataObject) -> None:
    rule = {
        "min": data.draw(st.none() | st.integers(0, 3)),
        "max": data.draw(st.none() | st.integers(3, 6)),
        "allowed": data.draw(st.none() | st.lists(SMALL.map(str), max_size=4).map(tuple)),
        "required": data.draw(st.booleans()),
    }
    dtype = DATATYPES[datatype]
    special = st.sampled_from([math.nan, math.inf, -math.inf, -0.0]) if dtype.kind == "f" else SMALL
    values = data.draw(st.lists(SMALL | special, max_size=40))
    array = np.array(values, dtype)
    expected = broken_numbers([float(value) for value in array], rule)
    rules = column_rules(datatype, **rule)
    for layout in (array, np.repeat(array, 2)[::2], np.stack([array, array], 1)[:, 1]):
        assert counted(rules, {"x": layout}, len(values)) == expected


TEXTS = st.sampled_from(["", "a", "b", "é", "abc", "日本", "a\0b", "x" * 40])


@given(
    st.lists(TEXTS, max_size=40),
    st.none() | st.lists(TEXTS, max_size=4).map(tuple),
    st.none() | st.integers(1, 8),
    st.booleans(),
)
def test_texts_in_every_layout(
    texts: list[str], allowed: tuple[str, ...] | None, max_length: int | None, required: bool
) -> None:
    rule = {"allowed": allowed, "max_length": max_length, "required": required}
    encoded = [text.encode() for text in texts]
    expected = broken_texts(encoded, rule)
    rules = column_rules("BYTES", **rule)
    layouts: list[Any] = [prefixed(encoded), np.array(texts, object), np.array(encoded, object)]
    layouts += [pa.array(texts, pa.string()), pa.array(texts, pa.string()).dictionary_encode()]
    for layout in layouts:
        assert counted(rules, {"x": layout}, len(texts)) == expected


def test_what_is_missing() -> None:
    numbers = column_rules("FP64", required=True, min=0, allowed=("1",))
    assert counted(numbers, {"x": np.array([math.nan, 1.0, math.nan])}, 3) == {"required": 2}
    assert counted(numbers, {"x": pa.array([None, 1.0, None])}, 3) == {"required": 2}
    texts = column_rules("BYTES", required=True, allowed=("a",), max_length=1)
    assert counted(texts, {"x": np.array([None, "", "a"], object)}, 3) == {"required": 2}
    assert counted(texts, {"x": pa.array([None, "", "a"])}, 3) == {"required": 2}
    lenient = column_rules("BYTES", allowed=("a",), max_length=1)
    assert counted(lenient, {"x": np.array([None, "", "a"], object)}, 3) == {}


def test_limits_that_single_floats_cannot_hold() -> None:
    rules = column_rules("FP32", min=0.1, max=0.7, allowed=("0.1", "0.7", "1e300"))
    assert counted(rules, {"x": np.array([0.1, 0.7], np.float32)}, 2) == {}
    # The same columns in doubles, as a caller of predict may have them.
    assert counted(rules, {"x": np.array([0.1, 0.7])}, 2) == {}
    below = np.nextafter(np.float32(0.1), np.float32(0))
    assert counted(rules, {"x": np.array([below], np.float32)}, 1) == {"min": 1, "allowed": 1}


def test_booleans() -> None:
    rules = column_rules("BOOL", allowed=("true",))
    assert counted(rules, {"x": np.array([True, False, False])}, 3) == {"allowed": 2}


def test_values_outside_every_expectation() -> None:
    numbers = column_rules("FP64", min=-1e308, max=1e308)
    wild = np.array([1e308, -1e308, 1.7e308, math.inf, -math.inf, 5e-324, math.nan])
    assert counted(numbers, {"x": wild}, 7) == {"min": 1, "max": 2}
    texts = column_rules("BYTES", allowed=("a",), max_length=100)
    huge = [b"x" * 2**20, b"\xff\xfe", b"a"]
    assert counted(texts, {"x": prefixed(huge)}, 3) == {"allowed": 2, "max_length": 1}


MATRIX = signature(TensorSpec("m", "FP32", (-1, 3)))
VALUES = np.array([[1, 2, 3], [4, 5, 6], [7, 8, 9]], np.float32)


def test_columns_of_a_matrix_by_place() -> None:
    rules = Rules({"m[0]": RuleConfig(max=3), "m[2]": RuleConfig(max=8)}, MATRIX)
    rules.follow({"m": VALUES}, {}, 3)
    rules.follow({"m": np.asfortranarray(VALUES)}, {}, 3)
    rules.follow(VALUES, {}, 3)
    rules.follow({"m": VALUES.tolist()}, {}, 3)
    assert rules.take() == RuleCounts(rows=12, broken={("m[0]", "max"): 8, ("m[2]", "max"): 4})


def test_columns_of_a_matrix_by_the_names_of_the_baseline() -> None:
    table = {"age": [1.0, 2.0], "height": [3.0, 4.0], "weight": [5.0, 6.0]}
    layout = Baseline.fit(table).profile.features
    rules = Rules({"weight": RuleConfig(max=8)}, MATRIX, layout)
    rules.follow({"m": VALUES}, {}, 3)
    rules.follow(pd.DataFrame(table | {"weight": [9.0, 6.0]}), {}, 2)
    rules.follow(pa.table(table | {"weight": [9.0, 6.0]}), {}, 2)
    assert rules.take() == RuleCounts(rows=7, broken={("weight", "max"): 3})


def test_a_column_of_one_value_a_row_in_two_dimensions() -> None:
    rules = Rules({"x": RuleConfig(min=2)}, signature(TensorSpec("x", "INT64", (-1, 1))))
    assert counted(rules, {"x": np.array([[1], [2], [3]])}, 3) == {"min": 1}
    texts = Rules({"x": RuleConfig(max_length=1)}, signature(TensorSpec("x", "BYTES", (-1, 1))))
    assert counted(texts, {"x": np.array([["a"], ["bc"]], object)}, 2) == {"max_length": 1}


def test_outputs() -> None:
    rules = Rules({"y": RuleConfig(min=0, max=1), "m[0]": RuleConfig(min=5)}, MATRIX)
    rules.follow({"m": VALUES}, {"y": np.array([0.5, 1.5, math.nan], np.float32)}, 3)
    assert rules.take().broken == {("y", "max"): 1, ("m[0]", "min"): 2}


def test_tables_in_several_pieces() -> None:
    rules = Rules({"x": RuleConfig(min=2)}, signature(TensorSpec("x", "INT64", (-1,))))
    table = pa.concat_tables([pa.table({"x": [1, 2]}), pa.table({"x": [0]}), pa.table({"x": [3]})])
    rules.follow(table, {}, 4)
    assert rules.take() == RuleCounts(rows=4, broken={("x", "min"): 2})


def test_take_starts_anew_and_the_total_does_not() -> None:
    rules = column_rules("INT64", min=1)
    for _ in range(2):
        rules.follow({"x": np.zeros(5, np.int64)}, {}, 5)
        assert rules.take() == RuleCounts(rows=5, broken={("x", "min"): 5})
    assert rules.take() == RuleCounts()
    rules.follow({"x": np.ones(1, np.int64)}, {}, 1)
    assert rules.total() == rules.total() == RuleCounts(rows=11, broken={("x", "min"): 10})


def test_batches_from_several_threads() -> None:
    rules = Rules(
        {"x": RuleConfig(min=0), "s": RuleConfig(allowed=("a",))},
        signature(TensorSpec("x", "FP32", (-1,)), TensorSpec("s", "BYTES", (-1,))),
    )
    columns = {"x": np.array([1, -1, 2], np.float32), "s": prefixed([b"a", b"b", b"c"])}

    def work(times: int) -> None:
        for _ in range(times):
            rules.follow(columns, {}, 3)

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        list(pool.map(work, [500] * 4))
    assert rules.take() == RuleCounts(rows=6000, broken={("x", "min"): 2000, ("s", "allowed"): 4000})


# Refusing


def refused(columns: dict[str, Any], rows: int, **rules: RuleConfig) -> SignatureError:
    specs = [TensorSpec(name, "BYTES" if name == "s" else "FP32", (-1,)) for name in ("x", "s")]
    checked = Rules(rules, signature(*specs))
    assert checked.refuses
    with pytest.raises(SignatureError) as caught:
        checked.check(columns, rows)
    assert checked.take() == RuleCounts()
    return caught.value


GOOD: dict[str, Callable[[], Any]] = {
    "x": lambda: np.array([1, 2, 3], np.float32),
    "s": lambda: prefixed([b"a", b"b", b"a"]),
}


def floats(*values: float) -> np.ndarray[Any, Any]:
    return np.array(values, np.float32)


@pytest.mark.parametrize(
    ("values", "rule", "row", "words"),
    [
        (floats(1, -2.5, -9), {"min": 0}, 1, "expected at least 0, got -2.5"),
        (floats(1, 2, 9), {"max": 8.5}, 2, "expected at most 8.5, got 9"),
        (floats(1, math.inf, 9), {"max": 1e9}, 1, "expected at most 1000000000, got inf"),
        (floats(1, math.nan, 9), {"required": True}, 1, "expected a value, got none"),
        (floats(1, 2, 9), {"allowed": ("1", "2")}, 2, "expected one of 1, 2, got 9"),
        (prefixed([b"a", b"q", b"a"]), {"allowed": ("a", "b")}, 1, 'expected one of "a", "b", got "q"'),
        (
            prefixed([b"q", b"q", b"a"]),
            {"allowed": tuple("abcdefg")},
            0,
            'expected one of "a", "b", "c", "d", "e", …, got "q"',
        ),
        (prefixed([b"a", b"", b"a"]), {"required": True}, 1, "expected a value, got none"),
        (
            prefixed([b"a", "né".encode() * 9, b"a"]),
            {"max_length": 20},
            1,
            "expected at most 20 bytes, got a text of 27 bytes",
        ),
        (
            prefixed([b"a", b"\x1b[2J" + b"q" * 2**20, b"a"]),
            {"allowed": ("a",)},
            1,
            'expected one of "a", got "\ufffd[2J' + "q" * 35 + '…"',
        ),
    ],
)
def test_the_words_of_a_refusal(values: Any, rule: dict[str, Any], row: int, words: str) -> None:
    name = "s" if isinstance(values, PrefixedText) else "x"
    columns = {key: make() for key, make in GOOD.items()} | {name: values}
    error = refused(columns, 3, **{name: RuleConfig(refuse=True, **rule)})
    assert str(error) == f'column "{name}", row {row}: {words}'
    assert (error.name, error.reason) == (name, "rule")


def test_rules_that_refuse_are_not_counted_and_those_that_count_do_not_refuse() -> None:
    rules = Rules(
        {"x": RuleConfig(min=0, refuse=True), "z": RuleConfig(min=0)},
        signature(TensorSpec("x", "FP32", (-1,)), TensorSpec("z", "FP32", (-1,))),
    )
    bad, good = np.array([-1], np.float32), np.array([1], np.float32)
    rules.check({"x": good, "z": bad}, 1)
    rules.follow({"x": bad, "z": bad}, {}, 1)
    assert rules.take() == RuleCounts(rows=1, broken={("z", "min"): 1})
    with pytest.raises(SignatureError):
        rules.check({"x": bad, "z": good}, 1)


def test_a_refusal_names_the_tensor_for_a_column_of_a_matrix() -> None:
    rules = Rules({"m[1]": RuleConfig(max=4, refuse=True)}, MATRIX)
    with pytest.raises(
        SignatureError, match=r'^column "m\[1\]", row 1: expected at most 4, got 5$'
    ) as caught:
        rules.check({"m": VALUES}, 3)
    assert caught.value.name == "m"


def test_without_a_rule_that_refuses_nothing_is_looked_at() -> None:
    rules = column_rules("FP32", min=0)
    assert not rules.refuses
    rules.check(None, 5)


def test_columns_of_another_kind() -> None:
    rules = column_rules("FP32", min=0)
    with pytest.raises(SignatureError, match='column "x": expected a number, got string'):
        rules.follow({"x": np.array(["a"])}, {}, 1)
    assert rules.take() == RuleCounts()
