"""Cost of a request from Python through the queue: submit, gather a batch, complete."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future
from typing import Any

import numpy as np
import pytest

from penstock.batching import Queue, Target
from penstock.bundle.signature import Signature, TensorSpec

SIGNATURE = Signature(
    (TensorSpec("input", "FP32", (-1, 30)),), (TensorSpec("probabilities", "FP32", (-1, 2)),), batched=True
)
ROWS = 256


@pytest.fixture
def queue() -> Iterator[Queue]:
    queue = Queue(max_batch_rows=ROWS)
    yield queue
    queue.close()


def bench_batch_of_single_rows(benchmark: Any, queue: Queue) -> None:
    target = Target("gbdt", 1, SIGNATURE, queue)
    row = np.ones((1, 30), np.float32)
    answers = np.ones((ROWS, 2), np.float32)

    def round_trip() -> list[Future[Any]]:
        futures: list[Future[Any]] = [Future() for _ in range(ROWS)]
        for future in futures:
            queue.submit(
                target, future, {"input": row}, 1, error_of=lambda code, message, detail: RuntimeError()
            )
        left = ROWS
        while left:
            batch = queue.next()
            assert batch is not None
            batch.inputs(SIGNATURE)
            left -= batch.rows
            batch.complete(SIGNATURE, {"probabilities": answers[: batch.rows]})
        return futures

    futures = benchmark(round_trip)
    assert all(future.result(10)["probabilities"].shape == (1, 2) for future in futures)
    target.retire()
