"""The engine from inside a process: scoring, and the life of models and versions."""

from __future__ import annotations

import concurrent.futures
import logging
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import models
import numpy as np
import pyarrow as pa
import pytest
from serving import wait_until

from penstock.bundle.pack import pack
from penstock.engine.engine import Engine
from penstock.engine.statistics import LoadCounts, ModelStatus
from penstock.errors import (
    BundleError,
    ConfigError,
    DeadlineExceededError,
    InferenceError,
    ModelNotFoundError,
    ModelNotReadyError,
    OverloadedError,
    SignatureError,
)

Start = Callable[..., Engine]
Array = np.ndarray[Any, Any]


def row(value: float = 1.0, rows: int = 1) -> dict[str, Array]:
    return {"x": np.full((rows, 4), value, np.float32)}


def publish(repository: Path, *versions: int, name: str = "m") -> None:
    """Versions whose answers to zeros are their numbers."""
    for version in versions:
        models.publish(repository, name, version, models.affine, bias=version)


def serving(engine: Engine, name: str = "m", version: int | None = None) -> float:
    """Return the version that the answer itself shows."""
    return float(engine.predict(name, row(0), version=version)["y"][0, 0])


def states(engine: Engine) -> dict[tuple[str, int], tuple[str, str, bool]]:
    return {(s.name, s.version): (s.state, s.reason, s.active) for s in engine.models()}


def errors(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]


# Scoring


def test_predict_and_submit_give_the_same(repository: Path, engine: Start) -> None:
    models.publish(repository, "several", 1, models.several)
    opened = engine()
    inputs = {
        "a": np.arange(8, dtype=np.float32).reshape(4, 2),
        "b": np.arange(4),
        "s": np.array([["a"], [""], ["größe"], [b"bytes"]], dtype=object),
    }
    predicted = opened.predict("several", inputs)
    future = opened.submit("several", inputs)
    assert list(predicted) == list(future.result(30)) == ["total", "next", "text"]
    for name, array in future.result().items():
        assert array.tolist() == predicted[name].tolist()
    assert predicted["next"].tolist() == [1, 2, 3, 4]
    assert predicted["text"][:, 0].tolist() == ["a", "", "größe", "bytes"]
    some = opened.submit("several", inputs, outputs=["text", "total"]).result(30)
    assert (
        list(some) == list(opened.predict("several", inputs, outputs=["text", "total"])) == ["text", "total"]
    )
    assert future.version == 1


def test_any_layout_may_be_submitted(repository: Path, engine: Start) -> None:
    publish(repository, 1)
    opened = engine()
    wide = np.arange(80, dtype=np.float32).reshape(10, 8)
    read_only = wide[:, :4].copy()
    read_only.flags.writeable = False
    columns = pa.record_batch({name: pa.array(wide[:, n]) for n, name in enumerate("abcd")})
    for x in (
        wide[:, ::2],
        wide[::-1, 4:],
        np.asfortranarray(wide[:, :4]),
        read_only,
        wide[:, :4].astype(">f4"),
    ):
        expected = models.affine_of(np.asarray(x), bias=1)
        np.testing.assert_allclose(opened.submit("m", {"x": x}).result(30)["y"], expected, rtol=1e-6)
        np.testing.assert_allclose(opened.predict("m", x)["y"], expected, rtol=1e-6)
    expected = models.affine_of(wide[:, :4], bias=1)
    np.testing.assert_allclose(opened.submit("m", columns).result(30)["y"], expected, rtol=1e-6)
    np.testing.assert_allclose(opened.submit("m", {"x": wide[:, :4].tolist()}).result(30)["y"], expected)


def test_a_request_larger_than_a_batch_comes_back_whole(repository: Path, engine: Start) -> None:
    publish(repository, 1)
    opened = engine(m={"max_batch_rows": 8})
    x = np.random.default_rng(1).normal(size=(1001, 4)).astype(np.float32)
    for answer in (opened.submit("m", {"x": x}).result(30), opened.predict("m", {"x": x})):
        np.testing.assert_allclose(answer["y"], models.affine_of(x, bias=1), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("method", ["predict", "submit"])
def test_what_does_not_fit_is_refused_at_once(repository: Path, engine: Start, method: str) -> None:
    publish(repository, 1)
    models.publish(repository, "broken", 1, models.unknown_operator)
    models.publish(repository, "text", 1, models.identity, datatype="BYTES", shape=("n",))
    call = getattr(engine(), method)
    with pytest.raises(ModelNotFoundError, match='model "nothing" is not in the repository'):
        call("nothing", row())
    with pytest.raises(ModelNotFoundError, match='model "m" has no version "2"'):
        call("m", row(), version=2)
    with pytest.raises(ModelNotReadyError, match=r'model "broken" is not ready: .*does not load'):
        call("broken", row())
    with pytest.raises(SignatureError, match='unknown output "z"; expected outputs: "y"'):
        call("m", row(), outputs=["z"])
    with pytest.raises(SignatureError, match="expected datatype FP32, got FP64"):
        call("m", {"x": np.zeros((1, 4))})
    with pytest.raises(SignatureError, match='input "x": element 1 is not valid UTF-8'):
        call("text", {"x": np.array(["a", "\ud800"], dtype=object)})


@pytest.mark.parametrize("priority", [-1, 3, 1.5, None, "0"])
def test_priorities_are_checked(repository: Path, engine: Start, priority: Any) -> None:
    publish(repository, 1)
    with pytest.raises(SignatureError, match='parameter "priority": expected an integer from 0 to 2'):
        engine().submit("m", row(), priority=priority)


def test_one_bad_request_fails_no_other(repository: Path, engine: Start, gate: Any) -> None:
    models.publish(repository, "lookup", 1, models.lookup)
    opened = engine()
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        futures = list(
            pool.map(lambda n: opened.submit("lookup", {"x": [99 if n % 7 == 3 else n % 4]}), range(300))
        )
    for n, future in enumerate(futures):
        if n % 7 == 3:
            with pytest.raises(InferenceError):
                future.result(30)
        else:
            assert future.result(30)["y"].tolist() == [10.0 * (n % 4 + 1)]
    with pytest.raises(InferenceError):
        opened.predict("lookup", {"x": [99]})
    (found,) = opened.statistics()
    assert found.requests == {"OK": 257, "INTERNAL": 43}


def test_queues_deadlines_and_withdrawal(repository: Path, engine: Start, gate: Any) -> None:
    publish(repository, 1)
    opened = engine(m={"max_queue_rows": 4})
    running = opened.submit("m", row(-7))
    assert gate.reached.wait(30)
    waiting = [opened.submit("m", row(n)) for n in range(2)]
    withdrawn = opened.submit("m", row())
    late = opened.submit("m", row(), timeout_s=0.001)
    full = opened.submit("m", row(rows=2))
    with pytest.raises(OverloadedError, match='queue of model "m" is full'):
        full.result(0)
    with pytest.raises(DeadlineExceededError):
        opened.submit("m", row(), timeout_s=0).result(0)
    assert withdrawn.cancel()
    (found,) = opened.statistics()
    assert found.queue_rows == 4
    threading.Event().wait(0.01)
    gate.open.set()
    with pytest.raises(DeadlineExceededError):
        late.result(30)
    assert [future.result(30)["y"][0, 0] for future in waiting] == [1, 11]
    assert not running.cancel()
    assert running.version == 1
    assert withdrawn.cancelled()
    wait_until(lambda: opened.statistics()[0].requests.get("CANCELLED"), what="the withdrawn request")
    (found,) = opened.statistics()
    assert found.requests == {"OK": 3, "CANCELLED": 1, "DEADLINE_EXCEEDED": 2, "RESOURCE_EXHAUSTED": 1}
    assert found.rows == 3
    assert found.last_inference_ms > 0


def test_several_instances_run_at_once(repository: Path, engine: Start) -> None:
    publish(repository, 1)
    opened = engine(m={"instances": 3})
    x = np.random.default_rng(2).normal(size=(500, 4)).astype(np.float32)
    futures = [opened.submit("m", {"x": x[n : n + 1]}) for n in range(500)]
    got = np.concatenate([future.result(30)["y"] for future in futures])
    np.testing.assert_allclose(got, models.affine_of(x, bias=1), rtol=1e-4, atol=1e-4)


# Repositories


@pytest.mark.parametrize("what", ["missing", "file"])
def test_a_repository_must_be_a_directory(tmp_path: Path, what: str) -> None:
    path = tmp_path / what
    if what == "file":
        path.touch()
    with pytest.raises(ConfigError, match=f'repository ".*{what}": expected a directory'):
        Engine(path)


def test_an_empty_repository_is_one(repository: Path, engine: Start) -> None:
    opened = engine()
    assert opened.models() == []
    assert opened.ready()
    with pytest.raises(ModelNotFoundError):
        opened.predict("m", row())
    publish(repository, 1)
    opened.refresh()
    assert serving(opened) == 1


def test_a_repository_that_vanishes_changes_nothing(repository: Path, engine: Start) -> None:
    publish(repository, 1)
    opened = engine()
    repository.rename(repository.with_name("elsewhere"))
    with pytest.raises(ConfigError):
        opened.refresh()
    assert serving(opened) == 1
    repository.with_name("elsewhere").rename(repository)
    opened.refresh()
    assert serving(opened) == 1


def test_models_that_go_are_forgotten(repository: Path, engine: Start) -> None:
    publish(repository, 1)
    publish(repository, 1, name="other")
    opened = engine()
    shutil.rmtree(repository / "other")
    opened.refresh()
    assert [status.name for status in opened.models()] == ["m"]
    assert list(opened.load_counts()) == ["m"]
    with pytest.raises(ModelNotFoundError):
        opened.predict("other", row())
    with pytest.raises(ModelNotFoundError):
        opened.unload("other")
    publish(repository, 2, name="other")
    opened.refresh()
    assert serving(opened, "other") == 2


def test_a_dangling_link_in_a_bundle_fails_no_other_model(repository: Path, engine: Start) -> None:
    publish(repository, 1)
    publish(repository, 1, name="linked")
    (repository / "linked" / "1" / "weights.bin").symlink_to("nowhere")
    opened = engine()
    assert serving(opened) == 1
    assert serving(opened, "linked") == 1


# Versions


def test_the_highest_version_is_served_and_followed(repository: Path, engine: Start) -> None:
    publish(repository, 1, 2)
    opened = engine()
    assert serving(opened) == opened.active_version("m") == 2
    publish(repository, 10)
    opened.refresh()
    assert serving(opened) == 10
    assert states(opened) == {
        ("m", 1): ("UNAVAILABLE", "", False),
        ("m", 2): ("UNAVAILABLE", "", False),
        ("m", 10): ("READY", "", True),
    }
    with pytest.raises(ModelNotReadyError, match='model "m" version 1 is not ready: not loaded'):
        serving(opened, version=1)


def test_load_pins_and_lifts(repository: Path, engine: Start) -> None:
    publish(repository, 1, 2)
    opened = engine()
    assert opened.load("m", 1) == 1
    publish(repository, 3)
    opened.refresh()
    assert serving(opened) == 1
    assert opened.load("m") == 3
    assert serving(opened) == 3
    publish(repository, 4)
    opened.refresh()
    assert serving(opened) == 4
    assert opened.load_counts() == {"m": LoadCounts(loads=4, failures=0)}


def test_a_pin_of_the_configuration(repository: Path, engine: Start) -> None:
    publish(repository, 1, 2, 3)
    opened = engine(m={"version": 2})
    assert serving(opened) == 2
    opened.refresh()
    assert serving(opened) == 2
    assert opened.load("m", 3) == 3
    opened.refresh()
    assert serving(opened) == 3
    assert opened.load("m") == 2


def test_a_pin_on_a_version_that_is_not_there(
    repository: Path, engine: Start, caplog: pytest.LogCaptureFixture
) -> None:
    publish(repository, 1)
    opened = engine(m={"version": 2})
    for _ in range(3):
        opened.refresh()
    assert errors(caplog) == ['model "m" has no version "2"']
    assert not opened.ready()
    with pytest.raises(ModelNotReadyError, match='model "m" is not ready: model "m" has no version "2"'):
        opened.predict("m", row())
    publish(repository, 2)
    opened.refresh()
    assert serving(opened) == 2
    assert opened.ready()


def test_extra_versions_answer_those_who_name_them(
    repository: Path, engine: Start, caplog: pytest.LogCaptureFixture
) -> None:
    publish(repository, 1, 2, 3)
    opened = engine(m={"extra_versions": [1, 3, 9]})
    assert [serving(opened, version=version) for version in (None, 1, 3)] == [3, 1, 3]
    with pytest.raises(ModelNotReadyError):
        serving(opened, version=2)
    opened.load("m", 2)
    assert [serving(opened, version=version) for version in (None, 1, 2, 3)] == [2, 1, 2, 3]
    opened.load("m", 1)
    assert [serving(opened, version=version) for version in (None, 1, 3)] == [1, 1, 3]
    assert [s.version for s in opened.models() if s.state == "READY"] == [1, 3]
    assert opened.submit("m", row(), version=3).version == 3
    opened.refresh()
    assert errors(caplog) == ['model "m" has no version "9"']


@pytest.mark.parametrize("version", [0, -1, 9])
def test_versions_that_are_not_there(repository: Path, engine: Start, version: int) -> None:
    publish(repository, 1)
    opened = engine()
    with pytest.raises(ModelNotFoundError, match=f'model "m" has no version "{version}"'):
        opened.load("m", version)
    with pytest.raises(ModelNotFoundError, match=f'model "m" has no version "{version}"'):
        opened.predict("m", row(), version=version)
    with pytest.raises(ModelNotFoundError, match='model "nothing" is not in the repository'):
        opened.load("nothing", version)
    assert serving(opened) == 1


def test_an_active_version_that_goes_gives_way_to_the_highest(repository: Path, engine: Start) -> None:
    publish(repository, 1, 2)
    opened = engine()
    shutil.rmtree(repository / "m" / "2")
    assert serving(opened) == 2
    opened.refresh()
    assert serving(opened) == 1
    assert [status.version for status in opened.models()] == [1]


# Failures to load


def test_a_failed_load_keeps_what_serves_and_is_visible(
    repository: Path, engine: Start, caplog: pytest.LogCaptureFixture
) -> None:
    publish(repository, 1)
    opened = engine()
    models.publish(repository, "m", 2, models.unknown_operator)
    with pytest.raises(BundleError, match="the graph does not load"):
        opened.load("m")
    assert serving(opened) == 1
    assert opened.ready()
    found = states(opened)
    assert found["m", 1] == ("READY", "", True)
    state, reason, active = found["m", 2]
    assert (state, active) == ("UNAVAILABLE", False)
    assert "the graph does not load" in reason
    assert str(repository) not in reason
    assert opened.load_counts()["m"] == LoadCounts(loads=1, failures=1)
    with pytest.raises(ModelNotReadyError, match=r"version 2 is not ready: .*the graph does not load"):
        serving(opened, version=2)
    (line,) = errors(caplog)
    assert line.startswith("model m version 2 does not load: ")


def test_a_bundle_is_tried_again_when_it_was_repaired(
    repository: Path, engine: Start, caplog: pytest.LogCaptureFixture
) -> None:
    publish(repository, 1)
    opened = engine()
    (repository / "m" / "2").mkdir()
    graph = repository / "m" / "2" / "model.onnx"
    graph.write_bytes(b"garbage")
    for _ in range(3):
        opened.refresh()
    assert opened.load_counts()["m"].failures == 1
    assert len(errors(caplog)) == 1
    graph.write_bytes(b"other garbage")
    opened.refresh()
    assert opened.load_counts()["m"].failures == 2
    assert serving(opened) == 1
    models.affine(graph, bias=2)
    opened.refresh()
    assert serving(opened) == 2
    assert states(opened)["m", 2] == ("READY", "", True)


def test_the_highest_version_that_loads_is_served(repository: Path, engine: Start) -> None:
    publish(repository, 1, 2)
    models.publish(repository, "m", 3, models.unknown_operator)
    opened = engine()
    assert serving(opened) == 2
    assert opened.ready()
    assert states(opened)["m", 3][0] == "UNAVAILABLE"
    models.publish(repository, "m", 4, models.unknown_operator)
    opened.refresh()
    assert serving(opened) == 2
    models.affine(repository / "m" / "3" / "model.onnx", bias=3)
    opened.refresh()
    assert serving(opened) == 3
    assert opened.load_counts()["m"] == LoadCounts(loads=2, failures=2)


def test_a_pinned_version_that_does_not_load_has_no_substitute(repository: Path, engine: Start) -> None:
    publish(repository, 1)
    models.publish(repository, "m", 2, models.unknown_operator)
    opened = engine(m={"version": 2})
    assert not opened.ready()
    with pytest.raises(ModelNotReadyError, match="the graph does not load"):
        opened.predict("m", row())
    assert opened.load("m", 1) == 1
    assert opened.ready()


def test_a_packed_bundle_that_lost_its_graph_is_visible(
    repository: Path, engine: Start, tmp_path: Path
) -> None:
    graph = models.affine(tmp_path / "graph.onnx", bias=1)
    assert pack("m", graph, repository=repository) == 1
    (repository / "m" / "1" / "model.onnx").unlink()
    opened = engine()
    assert not opened.ready()
    assert states(opened)["m", 1] == ("UNAVAILABLE", "m/1/model.onnx: the file is missing", False)
    with pytest.raises(ModelNotReadyError, match=r"m/1/model\.onnx: the file is missing"):
        opened.predict("m", row())
    shutil.copy(graph, repository / "m" / "1" / "model.onnx")
    opened.refresh()
    assert serving(opened) == 1


def test_a_flipped_byte_is_named(repository: Path, engine: Start, tmp_path: Path) -> None:
    for version in (1, 2):
        pack("m", models.affine(tmp_path / "graph.onnx", bias=version), repository=repository)
    graph = repository / "m" / "2" / "model.onnx"
    data = bytearray(graph.read_bytes())
    data[len(data) // 2] ^= 1
    graph.write_bytes(data)
    opened = engine()
    assert serving(opened) == 1
    assert "m/2/model.onnx: the file is damaged" in states(opened)["m", 2][1]


# Unloading and closing


def test_unload_and_load_again(repository: Path, engine: Start) -> None:
    publish(repository, 1)
    opened = engine()
    opened.unload("m")
    opened.unload("m")
    assert opened.ready()
    assert opened.models() == [ModelStatus("m", 1, "UNAVAILABLE", "unloaded")]
    assert opened.statistics() == []
    publish(repository, 2)
    opened.refresh()
    for method in (opened.predict, opened.submit):
        with pytest.raises(ModelNotReadyError, match='model "m" is not ready: unloaded'):
            method("m", row())
    assert opened.load("m") == 2
    assert serving(opened) == 2
    with pytest.raises(ModelNotFoundError):
        opened.unload("nothing")


def test_unload_answers_what_waits(repository: Path, engine: Start, gate: Any) -> None:
    publish(repository, 1)
    opened = engine(m={"max_batch_rows": 1})
    futures = [opened.submit("m", row(-7)), *(opened.submit("m", row(0)) for _ in range(20))]
    assert gate.reached.wait(30)
    unloading = threading.Thread(target=opened.unload, args=("m",))
    unloading.start()
    wait_until(lambda: states(opened)["m", 1][0] == "UNLOADING", what="the state")
    with pytest.raises(ModelNotReadyError):
        opened.submit("m", row())
    assert not any(future.done() for future in futures)
    gate.open.set()
    unloading.join(60)
    assert [future.result(0)["y"][0, 0] for future in futures[1:]] == [1] * 20
    assert states(opened)["m", 1] == ("UNAVAILABLE", "unloaded", False)


def test_close_answers_what_waits(repository: Path, engine: Start, gate: Any) -> None:
    publish(repository, 1)
    publish(repository, 1, name="other")
    with engine(m={"max_batch_rows": 4}) as opened:
        futures = [opened.submit("m", row(-7)), *(opened.submit("m", row(n)) for n in range(50))]
        assert gate.reached.wait(30)
        threading.Timer(0.05, gate.open.set).start()
    assert all(future.done() for future in futures)
    assert [future.result()["y"][0, 0] for future in futures[1:]] == [10 * n + 1 for n in range(50)]


def test_a_drain_that_takes_too_long_answers_all_the_same(
    repository: Path, engine: Start, gate: Any, caplog: pytest.LogCaptureFixture
) -> None:
    publish(repository, 1)
    opened = engine(server={"drain_timeout_s": 0.01}, m={"max_batch_rows": 1})
    futures = [opened.submit("m", row(-7)), *(opened.submit("m", row(n)) for n in range(5))]
    assert gate.reached.wait(30)
    closing = threading.Thread(target=opened.close)
    closing.start()
    for future in futures[1:]:
        with pytest.raises(ModelNotReadyError, match='model "m" is not ready: unloaded'):
            future.result(30)
    gate.open.set()
    closing.join(30)
    assert not closing.is_alive()
    assert futures[0].done()
    assert "requests unanswered" in caplog.text


def test_a_closed_engine_says_so(repository: Path, engine: Start) -> None:
    publish(repository, 1)
    opened = engine()
    opened.close()
    opened.close()
    assert not opened.ready()
    for call in (
        lambda: opened.predict("m", row()),
        lambda: opened.submit("m", row()),
        lambda: opened.signature("m"),
        lambda: opened.load("m"),
    ):
        with pytest.raises(ModelNotReadyError, match="the engine is closed"):
            call()
    publish(repository, 1, name="new")
    opened.refresh()
    with pytest.raises(ModelNotReadyError, match="the engine is closed"):
        opened.load("new")
    assert opened.models() == [ModelStatus("m", 1, "UNAVAILABLE", "the engine is closed")]


# Listeners


def test_listeners_hear_of_every_change(
    repository: Path, engine: Start, caplog: pytest.LogCaptureFixture
) -> None:
    publish(repository, 1)
    opened = engine()
    heard: list[tuple[str, int | None]] = []

    def listener(name: str) -> None:
        active = [status.version for status in opened.models() if status.name == name and status.active]
        heard.append((name, active[0] if active else None))

    def broken(name: str) -> None:
        raise RuntimeError("of the listener")

    ends = [opened.subscribe(broken), opened.subscribe(listener)]
    publish(repository, 2)
    opened.load("m")
    assert heard[-1] == ("m", 2)
    opened.unload("m")
    assert heard[-1] == ("m", None)
    assert "of the listener" in caplog.text
    for end in (*ends, *ends):
        end()
    heard.clear()
    opened.load("m")
    assert heard == []
