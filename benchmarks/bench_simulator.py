"""Time of the policy simulator, and what it must show of the work-conserving policy."""

from __future__ import annotations

from typing import Any

from benchmarks.arrivals import Closed, Poisson
from benchmarks.policies import FixedWindow, WorkConserving
from benchmarks.simulator import Cost, Scenario, simulate

COST = Cost(0.000_12, 0.000_004_5)


def bench_poisson(benchmark: Any) -> None:
    scenario = Scenario("", Poisson(0.6 * COST.capacity_per_s(256, 1)), COST, requests=5_000)
    outcome = benchmark(lambda: simulate(scenario, WorkConserving(256, 0.02)))
    assert outcome.refused == 0
    assert outcome.within_slo > 0.99


def bench_lone_client(benchmark: Any) -> None:
    scenario = Scenario("", Closed(1, 0.000_05), COST, requests=500)
    outcome = benchmark(lambda: simulate(scenario, WorkConserving(256, 0.02)))
    assert outcome.mean_batch_rows == 1
    # Batching costs a lone request nothing; a window costs it the window.
    assert outcome.p50_s < 1.2 * (COST.base_s + COST.row_s)
    assert simulate(scenario, FixedWindow(256, 0.002)).p50_s > 0.002
