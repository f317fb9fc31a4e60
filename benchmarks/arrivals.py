"""When requests come, and with how many rows: Poisson, bursts, and clients that wait for their answers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Protocol

__all__ = ["SINGLE", "Arrivals", "Bursty", "Closed", "Poisson", "RowMix"]


@dataclass(frozen=True, slots=True)
class RowMix:
    """Rows a request, with weights."""

    rows: tuple[int, ...] = (1,)
    weights: tuple[float, ...] = (1.0,)

    def draw(self, random: Random) -> int:
        return self.rows[0] if len(self.rows) == 1 else random.choices(self.rows, self.weights)[0]

    @property
    def mean(self) -> float:
        return sum(map(float.__mul__, map(float, self.rows), self.weights)) / sum(self.weights)


SINGLE = RowMix()
"""Every request holds one row."""


class Arrivals(Protocol):
    """A source of requests; times in seconds."""

    def times(self, random: Random) -> Iterator[float]:
        """Yield arrival times that do not depend on answers, in rising order."""

    def after_answer(self, now_s: float, random: Random) -> float | None:
        """Return when the client that got an answer (or a refusal) now sends again; None when it does not."""


@dataclass(frozen=True, slots=True)
class Poisson:
    """Independent clients: exponential gaps."""

    rate_per_s: float

    def times(self, random: Random) -> Iterator[float]:
        now = 0.0
        while True:
            now += random.expovariate(self.rate_per_s)
            yield now

    def after_answer(self, now_s: float, random: Random) -> float | None:
        return None


@dataclass(frozen=True, slots=True)
class Bursty:
    """A Markov-modulated Poisson process: two states, each with a rate and exponential dwell times."""

    on_per_s: float
    off_per_s: float
    mean_on_s: float
    mean_off_s: float

    def times(self, random: Random) -> Iterator[float]:
        now, on = 0.0, True
        while True:
            rate, dwell_s = (self.on_per_s, self.mean_on_s) if on else (self.off_per_s, self.mean_off_s)
            end, on = now + random.expovariate(1 / dwell_s), not on
            while rate > 0 and (now := now + random.expovariate(rate)) < end:
                yield now
            now = end

    def after_answer(self, now_s: float, random: Random) -> float | None:
        return None


@dataclass(frozen=True, slots=True)
class Closed:
    """A fixed number of clients, each sending its next request a while after its answer."""

    clients: int
    think_s: float

    def times(self, random: Random) -> Iterator[float]:
        return iter(sorted(random.expovariate(1 / self.think_s) for _ in range(self.clients)))

    def after_answer(self, now_s: float, random: Random) -> float | None:
        return now_s + random.expovariate(1 / self.think_s)
