"""How long a sink that failed is left alone."""

from __future__ import annotations

import random

import pytest
from tenacity import Future, RetryCallState, Retrying

from penstock.monitor.sinks import Backoff, DeliveryError


def state(attempt: int, error: Exception) -> RetryCallState:
    made = RetryCallState(Retrying(), None, (), {})
    made.attempt_number = attempt
    made.outcome = Future.construct(attempt, error, True)
    return made


def test_bounds_double_up_to_the_longest() -> None:
    random.seed(1)
    backoff = Backoff(first_s=1.0, longest_s=10.0)
    for attempt, bound in ((1, 1), (2, 2), (3, 4), (4, 8), (5, 10), (5000, 10)):
        drawn = [backoff.wait_s(state(attempt, OSError()), 1e9) for _ in range(300)]
        assert 0 <= min(drawn) <= bound / 10
        assert bound * 0.9 <= max(drawn) <= bound


@pytest.mark.parametrize(
    ("asked_s", "left_s", "waited_s"), [(7.0, 1e9, 7.0), (1e6, 1e9, 10.0), (7.0, 3.0, 3.0)]
)
def test_a_receiver_may_ask_for_time_within_limits(asked_s: float, left_s: float, waited_s: float) -> None:
    failure = DeliveryError("busy", retry_after_s=asked_s)
    assert Backoff(first_s=1.0, longest_s=10.0).wait_s(state(1, failure), left_s) == waited_s


def test_a_passed_deadline_is_not_waited_for() -> None:
    assert Backoff().wait_s(state(9, OSError()), -5.0) == 0.0
