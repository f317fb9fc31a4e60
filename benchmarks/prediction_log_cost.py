"""What the prediction log and feedback cost: python benchmarks/prediction_log_cost.py

Batches of 200 rows of 30 float32 columns come 750 times a second, as at 150,000 rows a second.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from penstock.config import FeedbackConfig, LogConfig
from penstock.monitor.feedback import Feedback
from penstock.monitor.log import PredictionLog

ROWS, COLUMNS, BATCHES, PER_SECOND = 200, 30, 2250, 750.0


def batches(count: int) -> list[dict[str, Any]]:
    random = np.random.default_rng(0)
    return [
        {f"x{index}": random.normal(size=ROWS).astype(np.float32) for index in range(COLUMNS)}
        for _ in range(count)
    ]


def measure(take: Callable[[int, Any, Any], None], requests: int, *, paced: bool) -> str:
    """Return the processor time of one batch on the thread that answers, and of all other threads."""
    counts = [ROWS // requests] * requests
    spent = np.zeros(BATCHES)
    begin_s, process_s, thread_s = time.monotonic(), time.process_time(), time.thread_time()
    for batch in range(BATCHES):
        ids = [f"{request:08x}-{batch:08x}-4000-8000-0123456789ab" for request in range(requests)]
        before = time.thread_time()
        take(batch, ids, counts)
        spent[batch] = time.thread_time() - before
        wait_s = begin_s + batch / PER_SECOND - time.monotonic()
        if paced and wait_s > 0:
            time.sleep(wait_s)
    others_s = time.process_time() - process_s - (time.thread_time() - thread_s)
    share = others_s / (time.monotonic() - begin_s)
    others = f", other threads {100 * share:.0f} % of a core" if paced else ""
    return f"median {1e6 * np.median(spent):.1f} µs, mean {1e6 * spent.mean():.1f} µs{others}"


def main() -> None:
    data = batches(40)
    answers = {"label": np.zeros(ROWS, np.int64), "p": np.random.default_rng(1).random((ROWS, 2), np.float32)}
    source = np.zeros((40, COLUMNS * ROWS), np.float32)
    target = np.zeros((160, COLUMNS * ROWS), np.float32)
    for paced in (False, True):
        print("paced, caches cold" if paced else "in a loop, caches warm")
        for requests in (1, 20, 200):

            def copy(batch: int, _ids: Any, _counts: Any) -> None:
                target[batch % 160] = source[batch % 40]

            with tempfile.TemporaryDirectory() as folder:
                log = PredictionLog(LogConfig(directory=folder, buffer_rows=2 * BATCHES * ROWS), "m")
                sampled = PredictionLog(LogConfig(directory=folder, sample=0.05), "s")
                feedback = Feedback(FeedbackConfig())

                def append(batch: int, ids: Any, counts: Any, to: PredictionLog = log) -> None:
                    to.append(1, 1.7e9, data[batch % 40], answers, ROWS, (ids, counts))

                def sample(batch: int, ids: Any, counts: Any, to: PredictionLog = sampled) -> None:
                    to.append(1, 1.7e9, data[batch % 40], answers, ROWS, (ids, counts))

                def remember(batch: int, ids: Any, counts: Any, to: Feedback = feedback) -> None:
                    to.remember(1, 1.7e9, data[batch % 40], answers, ROWS, (ids, counts))

                for name, take in (
                    ("memcpy", copy), ("log", append), ("log, 5 %", sample), ("feedback", remember),
                ):  # fmt: skip
                    print(f"  {requests:3} requests, {name:9} {measure(take, requests, paced=paced)}")
                log.close()
                sampled.close()


if __name__ == "__main__":
    main()
