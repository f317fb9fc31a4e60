from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, final

import numpy as np

from penstock.bundle.signature import Signature

REFUSAL_REASONS: tuple[str, ...]

@final
class Routes:
    def publish(
        self, models: dict[str, tuple[Target | None, str, dict[int, tuple[Target | None, str]]]]
    ) -> None: ...

@final
class Runner: ...

class BatchObserver: ...

@final
class Target:
    model: str
    version: int
    signature: Signature
    def __init__(
        self,
        model: str,
        version: int,
        signature: Signature,
        queue: Queue,
        *,
        runner: Runner | None = None,
        observer: BatchObserver | None = None,
        wants_ids: bool = False,
    ) -> None: ...
    def retire(self) -> None: ...
    def wait_drained(self, timeout_s: float) -> bool: ...
    @property
    def key(self) -> int: ...
    @property
    def holds(self) -> int: ...
    def learn(self, rows: int, seconds: float) -> None: ...
    def count(self, code: int) -> None: ...
    def refuse(self, name: str, reason: str, *, answered: bool = True) -> None: ...
    def statistics(self) -> dict[str, Any]: ...

@final
class Ticket:
    def withdraw(self) -> None: ...

@final
class Queue:
    def __init__(
        self,
        *,
        max_batch_rows: int = 256,
        max_queue_rows: int = 4096,
        latency_slo_s: float = 0.02,
        promote_after_s: float = 0.5,
        executors: int = 1,
    ) -> None: ...
    def next(self) -> Batch | None: ...
    def submit(
        self,
        target: Target,
        future: Future[dict[str, np.ndarray[Any, Any]]],
        inputs: dict[str, np.ndarray[Any, Any]],
        rows: int,
        *,
        outputs: list[int] | None = None,
        timeout_s: float | None = None,
        priority: int = 0,
        request_id: str = "",
        error_of: Callable[[int, str, str], Exception],
    ) -> Ticket | None: ...
    @property
    def waiting_rows(self) -> int: ...
    def close(self) -> None: ...

@final
class Batch:
    @property
    def key(self) -> int: ...
    @property
    def rows(self) -> int: ...
    @property
    def requests(self) -> int: ...
    @property
    def answered(self) -> bool: ...
    @property
    def seen(self) -> bool: ...
    def outputs(self, signature: Signature) -> dict[str, np.ndarray[Any, Any]]: ...
    def request_ids(self) -> tuple[list[str], list[int]]: ...
    def inputs(
        self, signature: Signature, text: Callable[[np.ndarray[Any, Any], int], Any] | None = None
    ) -> dict[str, Any]: ...
    def complete(self, signature: Signature, outputs: dict[str, np.ndarray[Any, Any]]) -> None: ...
    def split(self) -> list[Batch]: ...
    def fail(self, code: int, message: str, detail: str = "") -> None: ...
