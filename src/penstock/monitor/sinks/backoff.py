"""How long to leave a sink alone that failed."""

from __future__ import annotations

from dataclasses import dataclass

from tenacity import RetryCallState, wait_random_exponential

from penstock.monitor.sinks.sink import DeliveryError

__all__ = ["Backoff"]


@dataclass(frozen=True)
class Backoff:
    """Random times below a bound that doubles with every attempt.

    Attributes
    ----------
    first_s : float
        The first bound.
    longest_s : float
        The last bound; a receiver that asks for more (``Retry-After``) is not given more.
    """

    first_s: float = 1.0
    longest_s: float = 300.0

    def wait_s(self, state: RetryCallState, left_s: float) -> float:
        """Return the time until the next attempt, at most `left_s`: the last one is made when time is up."""
        failure = state.outcome.exception() if state.outcome else None
        asked_s = failure.retry_after_s if isinstance(failure, DeliveryError) else 0.0
        drawn_s = wait_random_exponential(self.first_s, self.longest_s)(state)
        return max(0.0, min(max(drawn_s, asked_s), self.longest_s, left_s))
