"""The batch policy as the pure function that it is: no queue, no threads, no clock."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from penstock.batching import CostModel, decide
from penstock.batching._policy import misses_deadline, runs_at_once, urgency


def model(base_s: float, row_s: float) -> CostModel:
    """A cost model that has seen enough of a straight line."""
    made = CostModel()
    for rows in (1, 8, 64, 256) * 40:
        made.observe(rows, base_s + row_s * rows)
    return made


MODELS = [
    CostModel(),
    model(1e-4, 1e-6),
    model(1e-3, 1e-4),
    model(2e-2, 1e-3),
    model(0, 1e-5),
    model(1e-3, 0),
]
states = st.fixed_dictionaries(
    {
        "now_s": st.floats(10, 20),
        "waiting_rows": st.integers(1, 100_000),
        "oldest_arrival_s": st.floats(0, 10),
        "head_deadline_s": st.none() | st.floats(0, 30),
        "executors": st.integers(1, 16),
        "max_batch_rows": st.integers(1, 4096),
        "latency_slo_s": st.floats(1e-4, 1),
    }
)


@given(st.sampled_from(MODELS), states, st.integers(1, 5000))
def test_some_rows_always_run(cost: CostModel, state: dict[str, float], head_rows: int) -> None:
    assume(head_rows <= state["waiting_rows"])
    decision = decide(cost, head_rows=head_rows, **state)  # type: ignore[arg-type]
    assert decision.max_rows >= head_rows
    assert decision.max_rows <= max(state["max_batch_rows"], head_rows)
    assert decision.expected_s >= 0
    assert (decision.reason == "alone") == (head_rows >= state["max_batch_rows"])
    assert decision == decide(cost, head_rows=head_rows, **state)  # type: ignore[arg-type]


@given(states)
def test_an_unknown_cost_limits_nothing(state: dict[str, float]) -> None:
    assume(state["max_batch_rows"] > 1)
    decision = decide(CostModel(), **state)  # type: ignore[arg-type]
    assert decision.max_rows == min(state["waiting_rows"], state["max_batch_rows"])
    assert decision.reason == ("all" if state["waiting_rows"] <= state["max_batch_rows"] else "max_rows")


def test_a_lone_request_runs_at_once() -> None:
    for cost in MODELS:
        assert decide(cost, now_s=1, waiting_rows=1)[:2] == (1, "all")


def test_what_fits_runs_together() -> None:
    assert decide(model(1e-4, 1e-6), now_s=1, waiting_rows=200)[:2] == (200, "all")
    assert decide(model(1e-4, 1e-6), now_s=1, waiting_rows=300)[:2] == (256, "max_rows")


def test_the_objective_caps_a_batch() -> None:
    cost = model(1e-3, 1e-4)
    decision = decide(cost, now_s=10, oldest_arrival_s=10, waiting_rows=100, latency_slo_s=0.02)
    assert decision.reason == "latency"
    assert 70 <= decision.max_rows <= 90
    assert decision.expected_s <= 0.01


@given(st.integers(1, 5000), st.floats(2e-3, 0.2), st.integers(1, 8), st.floats(0, 0.2))
def test_a_capped_batch_takes_half_the_objective_at_most(
    waiting: int, slo: float, executors: int, waited: float
) -> None:
    decision = decide(
        model(1e-4, 1e-5),
        now_s=10 + waited,
        oldest_arrival_s=10,
        waiting_rows=waiting,
        executors=executors,
        latency_slo_s=slo,
    )
    if decision.reason == "latency":
        assert decision.expected_s <= slo / 2
        assert waited <= slo
    elif decision.reason == "all":
        assert decision.max_rows == waiting
        assert decision.expected_s <= slo / 2 or waited + decision.expected_s > slo


def test_a_backlog_that_is_late_anyway_is_cleared_in_full_batches() -> None:
    cost = model(1e-3, 1e-4)
    late = decide(cost, now_s=10, oldest_arrival_s=9, waiting_rows=100, latency_slo_s=0.02)
    assert late[:2] == (100, "throughput")
    long = decide(cost, now_s=10, oldest_arrival_s=10, waiting_rows=5000, latency_slo_s=0.02)
    assert long[:2] == (256, "throughput")
    shared = decide(cost, now_s=10, oldest_arrival_s=10, waiting_rows=300, latency_slo_s=0.02, executors=8)
    assert shared.reason == "latency"


def test_a_deadline_limits_its_own_batch() -> None:
    cost = model(1e-3, 1e-4)
    decision = decide(
        cost, now_s=10, oldest_arrival_s=10, waiting_rows=200, latency_slo_s=1, head_deadline_s=10.005
    )
    assert decision.reason == "deadline"
    assert 30 <= decision.max_rows <= 40
    assert decision.expected_s <= 0.005
    ample = decide(cost, now_s=10, oldest_arrival_s=10, waiting_rows=200, latency_slo_s=1, head_deadline_s=12)
    assert ample[:2] == (200, "all")


def test_a_deadline_never_splits_the_request_that_has_it() -> None:
    decision = decide(
        model(1e-3, 1e-4), now_s=10, waiting_rows=200, head_rows=90, latency_slo_s=1, head_deadline_s=10.001
    )
    assert decision[:2] == (90, "deadline")


@pytest.mark.parametrize("head_rows", [256, 257, 10_000])
def test_a_request_that_fills_a_batch_runs_alone(head_rows: int) -> None:
    decision = decide(model(1e-4, 1e-6), now_s=1, waiting_rows=20_000, head_rows=head_rows)
    assert decision[:2] == (head_rows, "alone")


@pytest.mark.parametrize("name", ["waiting_rows", "head_rows", "max_batch_rows", "executors"])
def test_states_that_cannot_be(name: str) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        decide(CostModel(), **({"now_s": 1.0, "waiting_rows": 1} | {name: 0}))  # type: ignore[arg-type]


# Deadlines


def test_a_request_that_cannot_be_in_time_is_known_before_it_runs() -> None:
    cost = model(1e-3, 1e-4)
    assert not misses_deadline(cost, now_s=1, deadline_s=None, rows=10**6)
    assert not misses_deadline(cost, now_s=1, deadline_s=1.01, rows=50)
    assert misses_deadline(cost, now_s=1, deadline_s=1.01, rows=150)
    assert misses_deadline(cost, now_s=1, deadline_s=1)
    assert misses_deadline(cost, now_s=2, deadline_s=1)


def test_slices_pay_the_base_cost_each() -> None:
    cost = model(1e-2, 1e-6)
    assert not misses_deadline(cost, now_s=0, deadline_s=0.05, rows=1000, max_batch_rows=1000)
    assert misses_deadline(cost, now_s=0, deadline_s=0.05, rows=1000, max_batch_rows=100)


def test_without_a_known_cost_only_what_has_passed_is_missed() -> None:
    assert not misses_deadline(CostModel(), now_s=1, deadline_s=1.000001, rows=10**9)
    assert misses_deadline(CostModel(), now_s=1.1, deadline_s=1)


# Order

requests = st.tuples(st.integers(0, 2), st.floats(0, 100), st.none() | st.floats(0, 200))


@given(st.lists(requests, max_size=20), st.floats(100, 300), st.floats(0.01, 10))
def test_all_that_waited_long_enough_are_on_the_first_level(
    waiting: list[tuple[int, float, float | None]], now: float, promote_after: float
) -> None:
    for priority, arrival, deadline in waiting:
        level, due = urgency(
            priority=priority,
            arrival_s=arrival,
            deadline_s=deadline,
            now_s=now,
            promote_after_s=promote_after,
        )
        assert level in (0, priority)
        if now - arrival > priority * promote_after + 1e-6:
            assert level == 0
        assert due == pytest.approx(arrival + 5 if deadline is None else deadline, abs=1e-6)


def test_a_lower_priority_waits_longer_before_it_rises() -> None:
    def level(priority: int, waited: float) -> int:
        return urgency(priority=priority, arrival_s=0, deadline_s=None, now_s=waited, promote_after_s=0.5)[0]

    assert [level(1, 0.4), level(1, 0.6)] == [1, 0]
    assert [level(2, 0.6), level(2, 0.9), level(2, 1.1)] == [2, 2, 0]


def test_little_and_cheap_runs_where_it_comes_in() -> None:
    cheap, dear = model(5e-6, 1e-7), model(1e-3, 1e-6)
    assert runs_at_once(cheap, rows=1)
    assert runs_at_once(cheap, rows=64)
    assert not runs_at_once(cheap, rows=65)
    assert not runs_at_once(cheap, rows=4, max_batch_rows=2)
    assert not runs_at_once(dear, rows=1)
    assert not runs_at_once(CostModel(), rows=1)
