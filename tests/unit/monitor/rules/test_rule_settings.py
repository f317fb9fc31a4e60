"""Rules that cannot be: refused when the model is opened, not at the first request."""

from __future__ import annotations

import math
from typing import Any

import pytest

from penstock.bundle.signature import Signature, TensorSpec
from penstock.config.monitor import RuleConfig
from penstock.errors import ConfigError
from penstock.monitor.rules import Rules

SIGNATURE = Signature(
    (
        TensorSpec("age", "INT64", (-1,)),
        TensorSpec("state", "BYTES", (-1,)),
        TensorSpec("free", "FP32", (-1, -1)),
    ),
    (TensorSpec("p", "FP32", (-1, 2)),),
    batched=True,
)


@pytest.mark.parametrize(
    ("name", "rule", "message"),
    [
        ("aeg", {}, 'rules: the model has no column "aeg"; did you mean "age"?'),
        ("zzz", {}, 'the model has no column "zzz"; expected an input, an output or a feature'),
        ("free[0]", {}, 'no column "free'),
        ("free", {}, 'no column "free"'),
        ("p[2]", {}, r'no column "p\[2\]"; did you mean "p\[\d\]"'),
        ("p[1]", {"refuse": True}, r'column "p\[1\]" is an output: refuse is about what clients send'),
        ("state", {"min": 1}, '"state" holds text: expected allowed, max_length or required, got min or max'),
        ("state", {"max": 1}, "got min or max"),
        ("age", {"max_length": 4}, 'column "age" holds numbers: .* got max_length'),
        ("age", {"min": 4, "max": 3}, "expected min up to max, got 4 and 3"),
        ("age", {"min": math.nan}, "expected a number as min and max, got nan"),
        ("age", {"allowed": ("1", "old")}, '"age" holds numbers: expected numbers in allowed, got "old"'),
        ("age", {"allowed": ("nan",)}, 'expected numbers in allowed, got "nan"'),
    ],
)
def test_rules_that_do_not_go_with_the_model(name: str, rule: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Rules({name: RuleConfig(**rule)}, SIGNATURE)


def test_a_model_whose_rows_do_not_batch() -> None:
    fixed = Signature((TensorSpec("x", "FP32", (3,)),), (TensorSpec("y", "FP32", (3,)),), batched=False)
    with pytest.raises(ConfigError, match="expected a model whose rows batch"):
        Rules({"x": RuleConfig(min=0)}, fixed)


def test_columns_are_told() -> None:
    rules = Rules({"age": RuleConfig(min=0), "p[0]": RuleConfig(max=1)}, SIGNATURE)
    assert rules.columns == ("age", "p[0]")
    assert Rules({}, SIGNATURE).columns == ()
