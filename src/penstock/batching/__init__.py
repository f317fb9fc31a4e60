"""The queue of a deployment and the policy that forms its batches; the contracts are in csrc/queue."""

from penstock.batching._policy import BatchDecision, CostModel, decide
from penstock.batching._queue import (
    REFUSAL_REASONS,
    Batch,
    BatchObserver,
    Queue,
    Routes,
    Runner,
    Target,
    Ticket,
)

__all__ = [
    "REFUSAL_REASONS",
    "Batch",
    "BatchDecision",
    "BatchObserver",
    "CostModel",
    "Queue",
    "Routes",
    "Runner",
    "Target",
    "Ticket",
    "decide",
]
