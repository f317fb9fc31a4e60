"""A discrete-event simulator of one deployment: queue, executors, and batches that cost a + b·rows.

``python -m benchmarks.simulator [--quick] [--markdown FILE]`` compares batch policies over arrival processes.
No threads and no clock: the same seed gives the same table. Read next: policies.py, arrivals.py.
"""

from __future__ import annotations

import argparse
import heapq
import itertools
import math
import sys
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from benchmarks.arrivals import SINGLE, Arrivals, Bursty, Closed, Poisson, RowMix
from benchmarks.policies import FixedWindow, Policy, Run, SizeOnly, View, WorkConserving

__all__ = ["Cost", "Outcome", "Scenario", "simulate"]


@dataclass(frozen=True, slots=True)
class Cost:
    """Time of a batch: (a + b·rows) times log-normal noise, and now and then a stall on top."""

    base_s: float
    row_s: float
    noise: float = 0.08
    stalls_per_s: float = 1.0  # of running time
    stall_s: float = 0.003

    def draw(self, rows: int, random: Random) -> float:
        seconds = (self.base_s + self.row_s * rows) * random.lognormvariate(0, self.noise)
        return seconds + (self.stall_s if random.random() < self.stalls_per_s * seconds else 0.0)

    def capacity_per_s(self, max_batch_rows: int, executors: int) -> float:
        """Return the rows a second of full batches."""
        return executors * max_batch_rows / (self.base_s + self.row_s * max_batch_rows)


@dataclass(frozen=True, slots=True)
class Scenario:
    """One line-up of arrivals and server."""

    name: str
    arrivals: Arrivals
    cost: Cost
    requests: int
    mix: RowMix = SINGLE
    executors: int = 1
    max_batch_rows: int = 256
    max_queue_rows: int = 4096
    slo_s: float = 0.020
    seed: int = 1


@dataclass(frozen=True, slots=True)
class Outcome:
    """What clients saw, the warm-up tenth left out; refused requests count as outside the objective.

    `stalled`: the policy waited for requests that its waiting clients could not send.
    """

    throughput: float
    p50_s: float
    p99_s: float
    within_slo: float
    refused: int
    mean_batch_rows: float
    stalled: bool


@dataclass(slots=True)
class _Request:
    arrival_s: float
    rows: int
    number: int


def simulate(scenario: Scenario, policy: Policy) -> Outcome:
    """Run one scenario under one policy.

    Requests are served first in, first out, and never split; a full queue refuses. When nothing is left to
    come, a policy that still waits is made to run what it has; when clients wait for it, it has stalled.
    """
    return _Simulation(scenario, policy).run()


class _Simulation:
    def __init__(self, scenario: Scenario, policy: Policy) -> None:
        self._scenario, self._policy = scenario, policy
        self._random = Random(scenario.seed)
        self._service = Random(scenario.seed + 1)
        self._times = scenario.arrivals.times(self._random)
        self._sequence = itertools.count()
        self._events: list[tuple[float, int, Callable[[float], None]]] = []
        self._queue: deque[_Request] = deque()
        self._waiting_rows = 0
        self._idle = scenario.executors
        self._sent = 0
        self._timer_s = math.inf
        self._latencies: list[float] = []
        self._batches: list[int] = []
        self._refused = 0
        self._first_s = self._last_s = 0.0

    def run(self) -> Outcome:
        self._next_time()
        now_s = 0.0
        while self._events or self._queue:
            if self._events:
                now_s, _, event = heapq.heappop(self._events)
                event(now_s)
                self._dispatch(now_s)
            elif self._sent < self._scenario.requests:
                return Outcome(0.0, math.inf, math.inf, 0.0, self._refused, 0.0, stalled=True)
            else:
                self._start(now_s, self._scenario.max_batch_rows)
        return self._outcome()

    def _at(self, time_s: float, event: Callable[[float], None]) -> None:
        heapq.heappush(self._events, (time_s, next(self._sequence), event))

    def _next_time(self) -> None:
        time_s = next(self._times, None)
        if time_s is not None and self._sent < self._scenario.requests:
            self._at(time_s, self._open_arrival)

    def _open_arrival(self, now_s: float) -> None:
        self._arrive(now_s)
        self._next_time()

    def _arrive(self, now_s: float) -> None:
        if self._sent >= self._scenario.requests:
            return
        request = _Request(now_s, self._scenario.mix.draw(self._random), self._sent)
        self._sent += 1
        if self._waiting_rows + request.rows > self._scenario.max_queue_rows:
            if self._counts(request):
                self._refused += 1
            self._again(now_s)
            return
        self._queue.append(request)
        self._waiting_rows += request.rows

    def _again(self, now_s: float) -> None:
        time_s = self._scenario.arrivals.after_answer(now_s, self._random)
        if time_s is not None:
            self._at(time_s, self._arrive)

    def _counts(self, request: _Request) -> bool:
        return request.number >= self._scenario.requests // 10

    def _dispatch(self, now_s: float) -> None:
        while self._idle and self._queue:
            head = self._queue[0]
            view = View(now_s, self._waiting_rows, head.rows, head.arrival_s, self._scenario.executors)
            decision = self._policy.decide(view)
            if isinstance(decision, Run):
                self._start(now_s, decision.max_rows)
                continue
            if decision.until_s is not None and decision.until_s < self._timer_s:
                self._timer_s = decision.until_s
                self._at(decision.until_s, self._timer)
            return

    def _timer(self, now_s: float) -> None:
        self._timer_s = math.inf

    def _start(self, now_s: float, max_rows: int) -> None:
        batch = [self._queue.popleft()]
        rows = batch[0].rows
        while self._queue and rows + self._queue[0].rows <= max_rows:
            batch.append(self._queue.popleft())
            rows += batch[-1].rows
        self._waiting_rows -= rows
        self._idle -= 1
        seconds = self._scenario.cost.draw(rows, self._service)
        self._at(now_s + seconds, lambda end_s: self._finish(end_s, batch, rows, seconds))

    def _finish(self, now_s: float, batch: Sequence[_Request], rows: int, seconds: float) -> None:
        self._idle += 1
        self._policy.observe(rows, seconds)
        for request in batch:
            if self._counts(request):
                self._first_s = self._first_s or request.arrival_s
                self._last_s = now_s
                self._latencies.append(now_s - request.arrival_s)
            self._again(now_s)
        self._batches.append(rows)

    def _outcome(self) -> Outcome:
        latencies = sorted(self._latencies)
        count = len(latencies)
        within = sum(latency <= self._scenario.slo_s for latency in latencies)
        return Outcome(
            throughput=count / max(self._last_s - self._first_s, 1e-9),
            p50_s=latencies[count // 2],
            p99_s=latencies[min(count - 1, math.ceil(count * 0.99) - 1)],
            within_slo=within / (count + self._refused),
            refused=self._refused,
            mean_batch_rows=sum(self._batches) / len(self._batches),
            stalled=False,
        )


def scenarios(requests: int) -> list[Scenario]:
    """Return the line-ups of the table: a cheap model, a costly one, several executors."""
    cheap, costly = Cost(0.000_12, 0.000_004_5), Cost(0.002, 0.000_1)
    full = cheap.capacity_per_s(256, 1)
    costly_full = costly.capacity_per_s(256, 1)
    mix = RowMix((1, 8, 64), (0.90, 0.09, 0.01))
    return [
        Scenario("Poisson, 2 % of capacity", Poisson(0.02 * full), cheap, requests),
        Scenario("Poisson, 60 %", Poisson(0.6 * full), cheap, requests),
        Scenario("Poisson, 95 %", Poisson(0.95 * full), cheap, requests),
        Scenario("Poisson, 120 %", Poisson(1.2 * full), cheap, requests),
        Scenario("bursts at 150 %, mean 50 %", Bursty(1.5 * full, 0, 0.02, 0.04), cheap, requests),
        Scenario("mixed rows, 60 %", Poisson(0.6 * full / mix.mean), cheap, requests, mix),
        Scenario("closed loop, 1 client", Closed(1, 0.000_05), cheap, requests // 10),
        Scenario("closed loop, 512 clients", Closed(512, 0.000_2), cheap, requests),
        Scenario("costly rows, Poisson, 50 %", Poisson(0.5 * costly_full), costly, requests // 4),
        Scenario("costly rows, Poisson, 80 %", Poisson(0.8 * costly_full), costly, requests // 4),
        Scenario("costly rows, bursts at 150 %, mean 50 %",
                 Bursty(1.5 * costly_full, 0, 0.05, 0.1), costly, requests // 4),
        Scenario("costly rows, 4 executors, 80 %",
                 Poisson(3.2 * costly_full), costly, requests, executors=4),
    ]  # fmt: skip


def policies(scenario: Scenario) -> list[Policy]:
    """Return fresh policies for one scenario."""
    rows = scenario.max_batch_rows
    return [
        WorkConserving(rows, scenario.slo_s),
        FixedWindow(rows, 0.002),
        FixedWindow(rows, 0.010),
        SizeOnly(64),
    ]


def _figures(result: Outcome) -> list[str]:
    if result.stalled:
        return ["stalls", "–", "–", "–", "–", "–"]
    return [
        f"{result.throughput:,.0f}",
        f"{1e3 * result.p50_s:.2f}",
        f"{1e3 * result.p99_s:.2f}",
        f"{100 * result.within_slo:.1f} %",
        f"{result.refused:,}",
        f"{result.mean_batch_rows:.1f}",
    ]


def table(requests: int) -> str:
    """Return the comparison as Markdown."""
    header = [
        "arrivals",
        "policy",
        "requests/s",
        "p50 ms",
        "p99 ms",
        "within 20 ms",
        "refused",
        "rows a batch",
    ]
    lines = ["| " + " | ".join(header) + " |", "|---|---|" + "---:|" * 6]
    for scenario in scenarios(requests):
        for policy in policies(scenario):
            result = simulate(scenario, policy)
            cells = [scenario.name, policy.name, *_figures(result)]
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.simulator", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few requests: checks that it works")
    parser.add_argument("--requests", type=int, default=100_000, help="of a scenario")
    parser.add_argument("--markdown", type=Path, help="write the table here too")
    parsed = parser.parse_args(arguments)
    text = table(4_000 if parsed.quick else parsed.requests)
    print(text)
    if parsed.markdown:
        parsed.markdown.write_text(text + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
