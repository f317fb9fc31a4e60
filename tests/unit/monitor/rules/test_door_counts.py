"""Counts of what comes: differences of statistics, merging, and plain values."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import models
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock import Engine
from penstock.errors import SignatureError
from penstock.monitor.rules import DoorCounts, RuleCounts

CELLS = st.dictionaries(
    st.tuples(st.sampled_from(["x", "é", ""]), st.sampled_from(["shape", "missing"])), st.integers(1, 9)
)
RULES = st.builds(RuleCounts, rows=st.integers(0, 99), broken=CELLS)
COUNTS = st.builds(
    DoorCounts,
    begin_s=st.floats(0, 1e10),
    end_s=st.floats(0, 1e10),
    requests=st.integers(0, 99),
    rows=st.integers(0, 99),
    refusals=CELLS,
    rules=RULES,
)


@given(COUNTS, COUNTS, COUNTS)
def test_they_merge_in_any_order(a: DoorCounts, b: DoorCounts, c: DoorCounts) -> None:
    assert a.merge(b).merge(c) == c.merge(a.merge(b)) == b.merge(c.merge(a))
    assert a.merge(b).refused == a.refused + b.refused


@given(COUNTS)
def test_they_travel_as_plain_values(counts: DoorCounts) -> None:
    assert DoorCounts.from_dict(json.loads(json.dumps(counts.to_dict()))) == counts


def test_what_happened_between_two_readings(repository: Path) -> None:
    models.publish(repository, "m", 1, models.affine)

    def ask(engine: Engine, columns: Any) -> None:
        engine.submit("m", {"x": columns}).result(30)

    with Engine(repository) as engine:
        good, bad = np.zeros((2, 4), np.float32), np.zeros((2, 5), np.float32)
        ask(engine, good)
        (first,) = engine.statistics()
        for columns in (good, bad, bad):
            with contextlib.suppress(SignatureError):
                ask(engine, columns)
        (second,) = engine.statistics()
    rules = RuleCounts(rows=2, broken={("x", "min"): 1})
    whole = DoorCounts.between(None, second, begin_s=1, end_s=4)
    later = DoorCounts.between(first, second, begin_s=2, end_s=4, rules=rules)
    assert (whole.requests, whole.rows, whole.refusals) == (4, 4, {("x", "shape"): 2})
    assert (later.requests, later.rows, later.refused, later.rules) == (3, 2, 2, rules)
    assert DoorCounts.between(second, second, begin_s=4, end_s=5).refusals == {}
    assert DoorCounts.between(None, second, begin_s=1, end_s=4, rows=7).rows == 7


def test_refusals_of_predict_are_requests_too(repository: Path) -> None:
    models.publish(repository, "m", 1, models.affine)
    with Engine(repository) as engine:
        predict: Callable[..., Any] = engine.predict
        for _ in range(3):
            with pytest.raises(SignatureError):
                predict("m", {})
        counts = DoorCounts.between(None, engine.statistics()[0], begin_s=0, end_s=1)
    assert (counts.requests, counts.refusals) == (3, {("x", "missing"): 3})
