"""Swaps under load: each answer is of the version that it says, old versions drain, memory is flat."""

from __future__ import annotations

import gc
import random
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import models
import numpy as np
import pytest
from serving import wait_until

from penstock.engine.engine import Engine
from penstock.errors import ModelNotReadyError

Start = Callable[..., Engine]
VERSIONS = (1, 2, 3)


def publish(repository: Path, *versions: int, name: str = "m") -> None:
    for version in versions:
        models.publish(repository, name, version, models.affine, bias=version)


def zeros(rows: int = 1) -> dict[str, np.ndarray[Any, Any]]:
    return {"x": np.zeros((rows, 4), np.float32)}


def held() -> dict[str, np.ndarray[Any, Any]]:
    return {"x": np.full((1, 4), -7, np.float32)}


def test_every_answer_belongs_to_the_version_that_it_says(repository: Path, engine: Start) -> None:
    publish(repository, *VERSIONS)
    opened = engine(m={"instances": 2, "max_batch_rows": 32, "max_queue_rows": 10**6})
    done = threading.Event()
    wrong: list[Any] = []
    seen: set[float] = set()

    def submit(seed: int) -> None:
        rng = random.Random(seed)
        while not done.is_set():
            sent = [opened.submit("m", zeros(rng.randint(1, 40))) for _ in range(20)]
            for future in sent:
                found = set(future.result(60)["y"][:, 0].tolist())
                seen.update(found)
                if found != {future.version}:
                    wrong.append((future.version, found))

    def predict(seed: int) -> None:
        rng = random.Random(seed)
        while not done.is_set():
            if len(set(opened.predict("m", zeros(rng.randint(1, 100)))["y"][:, 0].tolist())) != 1:
                wrong.append("a mixed prediction")

    def run(work: Callable[[int], None], seed: int) -> None:
        try:
            work(seed)
        except Exception as error:
            wrong.append(error)

    threads = [threading.Thread(target=run, args=(work, n)) for n in range(2) for work in (submit, predict)]
    for thread in threads:
        thread.start()
    for turn in range(60):
        assert opened.load("m", VERSIONS[turn % 3]) == VERSIONS[turn % 3]
    done.set()
    for thread in threads:
        thread.join(60)
    assert not wrong
    assert seen == set(VERSIONS)


def test_loads_unloads_and_refreshes_from_many_threads(repository: Path, engine: Start) -> None:
    names = ("m", "n")
    for name in names:
        publish(repository, *VERSIONS, name=name)
    opened = engine()
    failures: list[Exception] = []

    def storm(seed: int) -> None:
        rng = random.Random(seed)
        for _ in range(25):
            name = rng.choice(names)
            try:
                match rng.randrange(6):
                    case 0:
                        opened.unload(name)
                    case 1:
                        opened.refresh()
                    case 2:
                        opened.load(name)
                    case 3:
                        opened.load(name, rng.choice(VERSIONS))
                    case 4:
                        future = opened.submit(name, zeros())
                        assert future.result(60)["y"][0, 0] == future.version
                    case _:
                        assert opened.predict(name, zeros())["y"][0, 0] in VERSIONS
                        assert len(opened.models()) == 6
            except ModelNotReadyError:
                pass
            except Exception as error:
                failures.append(error)

    threads = [threading.Thread(target=storm, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(100)
    assert not failures
    for name in names:
        assert opened.load(name, 2) == 2
        assert opened.submit(name, zeros()).result(60)["y"][0, 0] == 2
    ready = [(status.name, status.version) for status in opened.models() if status.state == "READY"]
    assert ready == [("m", 2), ("n", 2)]


def test_a_swap_waits_for_the_requests_under_way(repository: Path, engine: Start, gate: Any) -> None:
    publish(repository, 1, 2)
    opened = engine(m={"version": 1, "instances": 2, "max_batch_rows": 1})
    slow = opened.submit("m", held())
    assert gate.reached.wait(30)
    loading = threading.Thread(target=opened.load, args=("m", 2))
    loading.start()
    wait_until(lambda: opened.active_version("m") == 2, what="the swap")
    assert opened.predict("m", zeros())["y"][0, 0] == 2
    quick = opened.submit("m", zeros())
    assert quick.result(30)["y"][0, 0] == quick.version == 2
    assert loading.is_alive()
    assert not slow.done()
    (old,) = [status for status in opened.models() if status.version == 1]
    assert old.state == "UNLOADING"
    gate.open.set()
    assert slow.result(30)["y"].shape == (1, 2)
    assert slow.version == 1
    loading.join(30)
    assert not loading.is_alive()
    (old,) = [status for status in opened.models() if status.version == 1]
    assert (old.state, old.reason) == ("UNAVAILABLE", "")


def test_queued_requests_keep_the_version_that_took_them(repository: Path, engine: Start, gate: Any) -> None:
    publish(repository, 1, 2)
    opened = engine(m={"version": 1})
    opened.submit("m", held())
    assert gate.reached.wait(30)
    before = [opened.submit("m", zeros()) for _ in range(10)]
    loading = threading.Thread(target=opened.load, args=("m", 2))
    loading.start()
    wait_until(lambda: opened.active_version("m") == 2, what="the swap")
    after = [opened.submit("m", zeros()) for _ in range(10)]
    gate.open.set()
    loading.join(30)
    assert {future.result(30)["y"][0, 0] for future in before} == {1}
    assert {future.result(30)["y"][0, 0] for future in after} == {2}


def resident_bytes() -> int:
    import ctypes

    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads /proc")
@pytest.mark.slow
def test_memory_stays_flat_over_hundreds_of_swaps(repository: Path, engine: Start) -> None:
    """A version takes 4 MB, so one that is kept of every ten would show as 100 MB."""
    for version in (1, 2):
        models.publish(repository, "m", version, models.dense, features=512, hidden=2048)
    opened = engine(m={"max_batch_rows": 4})

    def swap(times: int) -> None:
        for turn in range(times):
            opened.load("m", 1 + turn % 2)
            opened.submit("m", {"input": np.zeros((2, 512), np.float32)}).result(30)

    swap(40)
    before = resident_bytes()
    swap(250)
    assert resident_bytes() - before < 40 * 2**20
    assert len([thread for thread in threading.enumerate() if thread.name == "penstock-m-0"]) == 1
