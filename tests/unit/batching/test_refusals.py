"""What a target counts of requests that it refuses."""

from __future__ import annotations

import concurrent.futures

import pytest
from queued import Line

from penstock.batching import REFUSAL_REASONS, Target
from penstock.bundle.signature import Signature, TensorSpec

WIDE = Signature(
    tuple(TensorSpec(f"x{i}", "FP32", (-1,)) for i in range(12)), (TensorSpec("y", "FP32", (-1,)),), True
)


def test_refusals_are_counted_by_input_and_reason() -> None:
    line = Line()
    for _ in range(3):
        line.target.refuse("x", "shape")
    line.target.refuse("x", "missing")
    line.target.refuse("", "parameter")
    found = line.statistics()
    assert found.refusals == {("x", "shape"): 3, ("x", "missing"): 1, ("", "parameter"): 1}
    assert found.requests == {"INVALID_ARGUMENT": 5}


def test_inputs_that_are_not_there_share_one_name() -> None:
    line = Line()
    for index in range(1000):
        line.target.refuse(f"made up {index}", "unknown")
    assert line.statistics().refusals == {("other", "unknown"): 1000}


def test_a_refusal_that_somebody_else_answers() -> None:
    line = Line()
    line.target.refuse("x", "rule", answered=False)
    found = line.statistics()
    assert (found.refusals, found.requests) == ({("x", "rule"): 1}, {})


def test_a_reason_that_there_is_not() -> None:
    with pytest.raises(ValueError, match="not in tuple"):
        Line().target.refuse("x", "whim")


def test_every_cell_has_its_own_count() -> None:
    line = Line(WIDE)
    for times, name in enumerate((*(spec.name for spec in WIDE.inputs), ""), 1):
        for reason in REFUSAL_REASONS:
            for _ in range(times):
                line.target.refuse(name, reason)
    counts = line.statistics().refusals
    assert len(counts) == 13 * len(REFUSAL_REASONS)
    assert counts["x0", "missing"] == 1
    assert counts["x11", "output"] == 12
    assert counts["other", "unknown"] == counts["", "contents"] == 13


def test_threads_lose_no_count() -> None:
    line = Line()

    def refuse(target: Target) -> None:
        for _ in range(5000):
            target.refuse("x", "size")

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        list(pool.map(refuse, [line.target] * 4))
    assert line.statistics().refusals == {("x", "size"): 20_000}
