from typing import NamedTuple

class BatchDecision(NamedTuple):
    max_rows: int
    reason: str
    expected_s: float

class CostModel:
    def observe(self, rows: int, seconds: float) -> None: ...
    @property
    def known(self) -> bool: ...
    @property
    def base_s(self) -> float: ...
    @property
    def row_s(self) -> float: ...
    @property
    def spread_s(self) -> float: ...

def decide(
    cost: CostModel,
    *,
    now_s: float,
    waiting_rows: int,
    head_rows: int = 1,
    oldest_arrival_s: float = 0.0,
    head_deadline_s: float | None = None,
    executors: int = 1,
    max_batch_rows: int = 256,
    latency_slo_s: float = 0.02,
) -> BatchDecision: ...
def misses_deadline(
    cost: CostModel, *, now_s: float, deadline_s: float | None, rows: int = 1, max_batch_rows: int = 256
) -> bool: ...
def runs_at_once(cost: CostModel, *, rows: int, max_batch_rows: int = 256) -> bool: ...
def urgency(
    *, priority: int, arrival_s: float, deadline_s: float | None, now_s: float, promote_after_s: float
) -> tuple[int, float]: ...
