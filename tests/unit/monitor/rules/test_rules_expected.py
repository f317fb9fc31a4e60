"""What a baseline breaks of the rules: never fewer rows than those of the data do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.bundle.signature import Signature, TensorSpec
from penstock.config.monitor import RuleConfig
from penstock.monitor import Baseline
from penstock.monitor.rules import Rules, broken_in

SIGNATURE = Signature(
    (TensorSpec("x", "FP64", (-1,)), TensorSpec("s", "BYTES", (-1,))),
    (TensorSpec("y", "FP32", (-1,)),),
    batched=True,
)


def both(columns: dict[str, Any], rules: dict[str, RuleConfig]) -> tuple[dict[Any, int], dict[Any, int]]:
    """Return what the data break, and what their baseline tells."""
    counting = Rules(rules, SIGNATURE)
    counting.follow(columns, {}, len(columns["x"]))
    return dict(counting.take().broken), dict(broken_in(Baseline.fit(columns).profile, rules).broken)


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_a_baseline_tells_of_no_fewer_rows(data: st.DataObject) -> None:
    random = np.random.default_rng(data.draw(st.integers(0, 99)))
    x = random.normal(0, 2, 300).round(data.draw(st.integers(0, 3)))
    x[random.random(300) < 0.1] = data.draw(st.sampled_from([np.nan, np.inf, -np.inf]))
    columns = {"x": x, "s": random.choice(np.array(["", "a", "bb", "ccc"], object), 300)}
    limit = st.none() | st.floats(-3, 3)
    low, high = data.draw(limit), data.draw(limit)
    rules = {
        "x": RuleConfig(
            min=low, max=None if low is not None and high is not None and high < low else high, required=True
        ),
        "s": RuleConfig(required=True, allowed=("a", "bb"), max_length=2),
    }
    found, told = both(columns, rules)
    assert all(told[cell] >= count for cell, count in found.items())
    exact = [("x", "required"), ("s", "required"), ("s", "allowed"), ("s", "max_length")]
    assert {cell: told[cell] for cell in exact} == {cell: found.get(cell, 0) for cell in exact}


def test_limits_outside_the_range_are_exact() -> None:
    columns = {"x": np.linspace(0, 1, 1000), "s": np.full(1000, "a", object)}
    _, told = both(columns, {"x": RuleConfig(min=0, max=1)})
    assert told == {("x", "min"): 0, ("x", "max"): 0}
    _, told = both(columns, {"x": RuleConfig(min=0.5)})
    assert told["x", "min"] == pytest.approx(500, abs=10)


def test_columns_that_the_baseline_has_not() -> None:
    profile = Baseline.fit({"x": np.arange(50.0)}).profile
    found = broken_in(profile, {"z": RuleConfig(min=0), "x": RuleConfig(allowed=("1",))})
    assert (found.rows, found.broken) == (50, {})
