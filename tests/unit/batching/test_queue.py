"""The queue: order, admission, deadlines, withdrawal, closing; driven by hand and by threads."""

from __future__ import annotations

import concurrent.futures
import threading
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from queued import WIDE, Line, echo
from serving import wait_until

from penstock.batching import Target
from penstock.engine.failures import error_of
from penstock.engine.future import InferenceFuture
from penstock.errors import DeadlineExceededError, InferenceError, ModelNotReadyError, OverloadedError

FOREVER_S = 1000.0


def rows(*values: int, width: int = 1) -> np.ndarray[Any, Any]:
    return np.repeat(np.array(values, dtype=np.int64)[:, None], width, axis=1)


# Order


def test_requests_share_a_batch_in_the_order_of_arrival() -> None:
    line = Line()
    futures = [line.submit(rows(n, n + 10)) for n in range(5)]
    assert line.numbers() == [0, 10, 1, 11, 2, 12, 3, 13, 4, 14]
    for n, future in enumerate(futures):
        assert future.result()["y"].tolist() == [[n], [n + 10]]


def test_priorities_come_first_then_deadlines_then_arrival() -> None:
    line = Line(max_batch_rows=1, promote_after_s=FOREVER_S)
    line.submit(7, priority=2, timeout_s=1)
    line.submit(6, priority=1)
    line.submit(4)  # as urgent as one with a deadline in 5 s
    line.submit(5)
    line.submit(8, priority=2, timeout_s=30)
    line.submit(3, timeout_s=4)
    line.submit(1, timeout_s=2)
    line.submit(2, timeout_s=3)
    assert [line.numbers() for _ in range(8)] == [[n] for n in range(1, 9)]


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 2), st.sampled_from([None, 60, 600]), st.integers(1, 4)), max_size=30),
    st.integers(1, 8),
)
def test_any_mix_comes_in_order_and_whole(
    mix: list[tuple[int, float | None, int]], max_batch_rows: int
) -> None:
    line = Line(max_batch_rows=max_batch_rows, promote_after_s=FOREVER_S)
    futures = [
        line.submit(rows(*[n] * count), priority=priority, timeout_s=timeout)
        for n, (priority, timeout, count) in enumerate(mix)
    ]
    got: list[int] = []
    while line.queue.waiting_rows:
        batch = line.numbers()
        assert 1 <= len(batch) <= max(max_batch_rows, 4)
        got += batch
    order = sorted(range(len(mix)), key=lambda n: (mix[n][0], mix[n][1] or 5, n))
    assert got == [n for n in order for _ in range(mix[n][2])]
    for n, future in enumerate(futures):
        assert future.result(0)["y"].tolist() == [[n]] * mix[n][2]


def test_urgent_requests_do_not_starve_the_others() -> None:
    line = Line(max_batch_rows=1, max_queue_rows=10**6, promote_after_s=0.01)
    low = [line.submit(1, priority=1), line.submit(2, priority=2)]

    def served() -> bool:
        line.submit(0)
        line.submit(0)
        line.numbers()
        return all(future.done() for future in low)

    wait_until(served, what="the requests of lower priority")
    assert line.queue.waiting_rows > 0


# What may share a batch


def test_other_trailing_shapes_never_share_a_batch() -> None:
    line = Line()
    futures = [line.submit(rows(n, width=1 + n % 3)) for n in range(30)]
    seen = []
    for _ in range(3):
        batch = line.next()
        x = batch.inputs(WIDE)["x"]
        assert x.shape == (10, x.shape[1])
        assert {n % 3 + 1 for n in x[:, 0].tolist()} == {x.shape[1]}
        seen.append(x.shape[1])
        echo(batch, WIDE)
    assert seen == [1, 2, 3]
    for n, future in enumerate(futures):
        assert future.result(0)["y"].tolist() == [[n] * (1 + n % 3)]


def test_many_shapes_come_and_go() -> None:
    line = Line()
    for width in range(1, 60):
        futures = [line.submit(rows(n, width=width)) for n in range(2)]
        assert line.numbers() == [0, 1]
        assert all(future.result(0)["y"].shape == (1, width) for future in futures)


def test_versions_are_never_mixed() -> None:
    line = Line()
    targets = [line.target, *(Target("m", version, WIDE, line.queue) for version in (2, 3))]
    futures = [line.submit(n, target=targets[n % 3]) for n in range(30)]
    for _ in range(3):
        batch = line.next()
        (target,) = [target for target in targets if target.key == batch.key]
        numbers = batch.inputs(WIDE)["x"][:, 0].tolist()
        assert numbers == [n for n in range(30) if targets[n % 3] is target]
        echo(batch, WIDE)
    assert [future.version for future in futures] == [targets[n % 3].version for n in range(30)]
    assert all(future.done() for future in futures)


def test_a_request_of_more_rows_than_a_batch_runs_alone() -> None:
    line = Line(max_batch_rows=4)
    first, large, last = line.submit(1), line.submit(rows(*range(10))), line.submit(2)
    assert [line.numbers() for _ in range(3)] == [[1], list(range(10)), [2]]
    assert large.result(0)["y"][:, 0].tolist() == list(range(10))
    assert first.done()
    assert last.done()
    assert line.statistics().batch_reasons["alone"] == 1


def test_rows_that_do_not_batch_run_one_by_one() -> None:
    from queued import identity_of

    signature = identity_of("INT64", (2,), batched=False)
    line = Line(signature)
    futures = [line.submit(np.array([n, n])) for n in range(3)]
    for n in range(3):
        batch = line.next()
        assert (batch.requests, batch.rows) == (1, 1)
        assert batch.inputs(signature)["x"].tolist() == [n, n]
        echo(batch, signature)
    assert [future.result(0)["y"].tolist() for future in futures] == [[n, n] for n in range(3)]


# Admission


def test_a_full_queue_refuses_at_once() -> None:
    line = Line(max_queue_rows=4)
    kept = [line.submit(rows(1, 2)), line.submit(rows(3, 4))]
    refused = line.submit(5)
    message = 'queue of model "m" is full: 4 rows queued, limit 4'
    with pytest.raises(OverloadedError, match=f"^{message}$"):
        refused.result(0)
    assert line.numbers() == [1, 2, 3, 4]
    assert all(future.done() for future in kept)
    line.submit(6)
    assert line.numbers() == [6]
    assert line.statistics().requests == {"OK": 3, "RESOURCE_EXHAUSTED": 1}


def test_an_empty_queue_takes_a_request_of_any_size() -> None:
    line = Line(max_queue_rows=4, max_batch_rows=4)
    large = line.submit(rows(*range(100)))
    with pytest.raises(OverloadedError):
        line.submit(1).result(0)
    assert line.numbers() == list(range(100))
    assert large.done()


def test_what_nobody_waits_for_makes_room() -> None:
    line = Line(max_queue_rows=2)
    gone = [line.submit(1), line.submit(2)]
    for future in gone:
        assert future.cancel()
    kept = [line.submit(3), line.submit(4)]
    assert line.numbers() == [3, 4]
    assert all(future.done() for future in kept)


def test_a_retired_version_takes_nothing_new() -> None:
    line = Line()
    waiting = line.submit(1)
    line.target.retire()
    assert line.target.holds == 1
    assert not line.target.wait_drained(0)
    future = InferenceFuture(1)
    assert line.queue.submit(line.target, future, {"x": rows(2)}, 1, error_of=error_of) is None
    assert line.numbers() == [1]
    assert waiting.result(0)["y"].tolist() == [[1]]
    assert line.target.wait_drained(10)


# Deadlines and withdrawal


def test_a_deadline_that_has_passed_is_answered_at_once() -> None:
    line = Line()
    for timeout in (0, 0.0, -1, -1e300):
        with pytest.raises(DeadlineExceededError, match="deadline exceeded before the request ran"):
            line.submit(1, timeout_s=timeout).result(0)
    assert line.queue.waiting_rows == 0


@pytest.mark.parametrize("timeout", [1e9, 1e12, 1e300, float("inf"), float("nan")])
def test_a_deadline_far_ahead_is_none(timeout: float) -> None:
    line = Line()
    future = line.submit(1, timeout_s=timeout)
    assert line.numbers() == [1]
    assert future.result(0)["y"].tolist() == [[1]]


def test_a_deadline_that_passes_in_the_queue_is_answered_before_it_runs() -> None:
    line = Line()
    late = line.submit(1, timeout_s=0.001)
    threading.Event().wait(0.01)
    good = line.submit(2)
    assert line.numbers() == [2]
    assert good.done()
    with pytest.raises(DeadlineExceededError):
        late.result(0)
    assert line.statistics().requests == {"OK": 1, "DEADLINE_EXCEEDED": 1}


def test_a_deadline_that_cannot_be_met_is_answered_before_it_runs() -> None:
    line = Line()
    for _ in range(5):
        line.target.learn(1, 10.0)
    late, good = line.submit(1, timeout_s=5), line.submit(2, timeout_s=FOREVER_S)
    assert line.numbers() == [2]
    assert good.done()
    with pytest.raises(DeadlineExceededError):
        late.result(0)


def test_a_cost_that_has_become_wrong_is_found_out() -> None:
    """Were every request dropped for a cost that is no more, none would ever run to correct it."""
    line = Line()
    for _ in range(100):
        line.target.learn(1, 10.0)
    futures = [line.submit(n, timeout_s=5) for n in range(20)]
    assert line.numbers() == [16]
    assert [future.exception(0) is None for future in futures[:17]] == [False] * 16 + [True]
    found = line.statistics()
    assert found.base_cost_s + found.row_cost_s < 10


def test_withdrawn_requests_do_not_run() -> None:
    line = Line()
    futures = [line.submit(n) for n in range(4)]
    assert futures[0].cancel()
    assert futures[2].cancel()
    assert line.numbers() == [1, 3]
    for n, future in enumerate(futures):
        assert future.cancelled() == (n % 2 == 0)
    with pytest.raises(concurrent.futures.CancelledError):
        futures[0].result(0)
    assert not futures[1].cancel()
    wait_until(lambda: line.target.holds == 0, what="the end of every request")
    assert line.statistics().requests == {"OK": 2, "CANCELLED": 2}


def test_a_request_may_be_withdrawn_while_it_runs() -> None:
    line = Line()
    futures = [line.submit(n) for n in range(2)]
    batch = line.next()
    assert futures[0].cancel()
    echo(batch, WIDE)
    assert futures[0].cancelled()
    assert futures[1].result(0)["y"].tolist() == [[1]]
    assert line.target.holds == 1  # the batch itself
    del batch
    assert line.target.holds == 0


# Failures


def test_what_failed_together_can_run_apart() -> None:
    line = Line()
    futures = [line.submit(n) for n in range(3)]
    batch = line.next()
    first, rest = batch.split()
    assert batch.requests == 0
    assert (first.requests, rest.requests) == (1, 2)
    parts = [first, *rest.split()]
    assert [part.requests for part in parts] == [1, 1, 1]
    parts[1].fail(13, "inference failed", "of the second")
    for part in (parts[0], parts[2]):
        echo(part, WIDE)
    assert [futures[n].result(0)["y"].item() for n in (0, 2)] == [0, 2]
    with pytest.raises(InferenceError, match="inference failed"):
        futures[1].result(0)


def test_parts_and_failures_do_not_spoil_the_cost() -> None:
    line = Line()
    for _ in range(50):
        line.target.learn(1, 1.0)
    for _ in range(50):
        for n in range(3):
            line.submit(n)
        first, *others = line.next().split()
        for part in (first, *others):
            part.fail(13, "inference failed")
    found = line.statistics()
    assert found.base_cost_s + found.row_cost_s == pytest.approx(1.0)
    assert found.requests == {"INTERNAL": 150}


def test_a_batch_that_is_dropped_answers_its_requests() -> None:
    line = Line()
    futures = [line.submit(n) for n in range(2)]
    batch = line.next()
    del batch
    for future in futures:
        with pytest.raises(InferenceError):
            future.result(0)
    assert line.target.holds == 0


def test_batches_are_made_by_queues_only() -> None:
    from penstock.batching import Batch

    with pytest.raises(TypeError):
        Batch()


# Closing


def test_close_answers_all_that_waits() -> None:
    line = Line(promote_after_s=FOREVER_S)
    futures = [line.submit(rows(n, width=1 + n % 2), priority=n % 3) for n in range(12)]
    line.queue.close()
    for future in futures:
        with pytest.raises(ModelNotReadyError, match='model "m" is not ready: unloaded'):
            future.result(0)
    assert line.queue.next() is None
    assert line.queue.waiting_rows == 0
    with pytest.raises(ModelNotReadyError):
        line.submit(1).result(0)
    line.queue.close()
    assert line.target.holds == 0


def test_close_lets_executors_go() -> None:
    line = Line(executors=4)
    got: list[Any] = []
    threads = [threading.Thread(target=lambda: got.append(line.queue.next())) for _ in range(4)]
    for thread in threads:
        thread.start()
    line.queue.close()
    for thread in threads:
        thread.join(30)
    assert got == [None] * 4


def test_a_queue_may_go_before_its_requests_do() -> None:
    line = Line()
    future = line.submit(1)
    target = line.target
    del line
    assert not future.done()  # the target still refers to the queue
    del target
    future.cancel()


# Threads


@pytest.mark.parametrize("executors", [1, 4])
def test_every_request_is_answered_once_with_its_own_rows(executors: int) -> None:
    line = Line(max_batch_rows=16, max_queue_rows=10**6, executors=executors)
    target = line.target

    def execute() -> None:
        while (batch := line.queue.next()) is not None:
            if batch.rows % 5 == 4:  # some batches fail as a whole and are run apart
                for part in batch.split():
                    echo(part, WIDE)
            else:
                echo(batch, WIDE)
            del batch

    def submit(first: int) -> list[tuple[int, InferenceFuture]]:
        return [
            (n, line.submit(rows(*range(n, n + 1 + n % 3), width=1 + n % 2), priority=n % 3))
            for n in range(first, first + 400)
        ]

    workers = [threading.Thread(target=execute) for _ in range(executors)]
    for worker in workers:
        worker.start()
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        submitted = [pair for part in pool.map(submit, range(0, 4000, 1000)) for pair in part]
    for n, future in submitted:
        y = future.result(60)["y"]
        assert y.shape == (1 + n % 3, 1 + n % 2)
        assert y[:, 0].tolist() == list(range(n, n + 1 + n % 3))
    line.queue.close()
    for worker in workers:
        worker.join()
    assert target.wait_drained(10)
    found = line.statistics()
    assert found.requests == {"OK": len(submitted)}
    assert found.rows == sum(1 + n % 3 for n, _ in submitted)
    assert sum(found.request_s.counts) == len(submitted)
    assert sum(found.batch_rows.counts) == found.batches == sum(found.batch_reasons.values())


def test_withdrawals_race_with_answers() -> None:
    line = Line(max_batch_rows=4, max_queue_rows=10**6, executors=2)

    def execute() -> None:
        while (batch := line.queue.next()) is not None:
            echo(batch, WIDE)
            del batch

    workers = [threading.Thread(target=execute) for _ in range(2)]
    for worker in workers:
        worker.start()
    futures = []
    for n in range(3000):
        futures.append(line.submit(n))
        if n % 3 == 0:
            futures[n // 2].cancel()
    for n, future in enumerate(futures):
        if future.cancelled():
            continue
        assert future.result(60)["y"].item() == n
    line.target.retire()
    assert line.target.wait_drained(60)
    line.queue.close()
    for worker in workers:
        worker.join()
    # One that is withdrawn while it runs counts as answered.
    assert sum(line.statistics().requests.values()) == len(futures)
