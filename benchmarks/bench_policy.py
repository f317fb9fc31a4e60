"""Cost of the compiled pieces that run once a batch: the policy's decision and the cost model."""

from __future__ import annotations

from typing import Any

import pytest

from penstock.batching import CostModel, decide


@pytest.fixture
def learned() -> CostModel:
    cost = CostModel()
    for number in range(1_000):
        rows = 1 + number % 256
        cost.observe(rows, 0.000_12 + 0.000_004_5 * rows)
    return cost


def bench_decide(benchmark: Any, learned: CostModel) -> None:
    decision = benchmark(decide, learned, now_s=1.0, waiting_rows=100, oldest_arrival_s=0.999)
    assert 1 <= decision.max_rows <= 256


def bench_observe(benchmark: Any, learned: CostModel) -> None:
    benchmark(learned.observe, 64, 0.000_4)
    assert learned.known
