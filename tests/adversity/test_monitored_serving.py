"""A real server that is monitored, logged and fed with labels, where values, disks, sinks and files are bad.

Serving goes on, answers are those of a server without monitoring, every row is counted, memory is bounded.
"""

from __future__ import annotations

import json
import re
import shutil
import socket
import struct
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import models
import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds
import pytest
from alert_receivers import Receiver, raw_receiver
from serving import ServerProcess, wait_until
from tritonclient.grpc import service_pb2

import penstock
from penstock.monitor.history import History
from penstock.protos import message_class

Start = Callable[..., ServerProcess]
NAME = "several"
INFER = "/inference.GRPCInferenceService/ModelInfer"
MIB = 2**20


@pytest.fixture
def packed(repository: Path, tmp_path: Path) -> Path:
    """Two versions of a model of numbers and text, with a baseline; their outputs are of the same rows."""
    random = np.random.default_rng(0)
    pairs = random.normal(size=(4000, 2)).astype(np.float32)
    reference = pa.table(
        {
            "a": pa.FixedSizeListArray.from_arrays(pa.array(pairs.reshape(-1)), 2),
            "b": random.integers(0, 9, 4000),
            "s": random.choice(["x", "y"], 4000),
        }
    )
    for _ in range(2):
        penstock.pack(NAME, models.several(tmp_path / "s.onnx"), repository=repository, reference=reference)
    return repository


def settings(tmp_path: Path, **monitor: Any) -> dict[str, Any]:
    """Everything on: windows that are kept, log, labels, quality of columns, rules that count."""
    own: dict[str, Any] = {
        "window_rows": 2000,
        "reservoir_rows": 500,
        "rules": {"s": {"allowed": ["x", "y"], "max_length": 10}, "a[0]": {"min": -5, "max": 5}},
        "log": {"directory": str(tmp_path / "log"), "file_s": 0.2},
        "feedback": {"prediction": "total[0]", "task": "regression", "slices": ["s"], "groups": ["s"]},
    }
    return {
        "monitor": {"interval_s": 0.05, "directory": str(tmp_path / "kept")},
        "models": {NAME: {"version": 1, "monitor": own | monitor}},
    }


def texts_of(*texts: bytes | str) -> list[bytes]:
    return [text if isinstance(text, bytes) else text.encode() for text in texts]


def request(
    a: np.ndarray[Any, Any], b: np.ndarray[Any, Any], s: list[bytes], id: str = "", version: str = ""
) -> bytes:
    made = service_pb2.ModelInferRequest(model_name=NAME, model_version=version, id=id)
    rows = len(s)
    made.inputs.add(name="a", datatype="FP32", shape=[rows, 2])
    made.inputs.add(name="b", datatype="INT64", shape=[rows])
    made.inputs.add(name="s", datatype="BYTES", shape=[rows, 1])
    text = b"".join(struct.pack("<I", len(one)) + one for one in s)
    made.raw_input_contents.extend([a.astype("<f4").tobytes(), b.astype("<i8").tobytes(), text])
    return bytes(made.SerializeToString())


def ordinary(rows: int, seed: int = 0, id: str = "") -> bytes:
    random = np.random.default_rng(seed)
    texts = [b"x" if one else b"y" for one in random.random(rows) < 0.5]
    return request(random.normal(size=(rows, 2)), random.integers(0, 9, rows), texts, id)


class Client:
    """Sends bytes as they are, and labels."""

    def __init__(self, server: ServerProcess) -> None:
        unbounded = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
        self.channel = grpc.insecure_channel(server.grpc, options=unbounded)
        self._infer = self.channel.unary_unary(INFER)

    def infer(self, data: bytes) -> tuple[grpc.StatusCode, bytes]:
        """Return the answer, or the status and what it says."""
        try:
            return grpc.StatusCode.OK, self._infer(data, timeout=60)
        except grpc.RpcError as error:
            return error.code(), str(error.details()).encode()

    def answer(self, data: bytes) -> None:
        code, text = self.infer(data)
        assert code is grpc.StatusCode.OK, text

    def call(self, method: str, **fields: Any) -> Any:
        asked = message_class(f"{method}Request", "penstock.v1")(**fields).SerializeToString()
        answer = message_class(f"{method}Response", "penstock.v1").FromString
        path = f"/penstock.v1.Monitoring/{method}"
        return self.channel.unary_unary(path, response_deserializer=answer)(asked, timeout=60)

    def load(self, version: int) -> None:
        asked = service_pb2.RepositoryModelLoadRequest(model_name=NAME)
        asked.parameters["version"].int64_param = version
        path = "/inference.GRPCInferenceService/RepositoryModelLoad"
        self.channel.unary_unary(path)(asked.SerializeToString(), timeout=60)


@pytest.fixture
def connect() -> Iterator[Callable[[ServerProcess], Client]]:
    opened: list[Client] = []

    def make(server: ServerProcess) -> Client:
        opened.append(Client(server))
        return opened[-1]

    yield make
    for one in opened:
        one.channel.close()


Connect = Callable[[ServerProcess], Client]


def counted(server: ServerProcess, rows: int, version: int = 1) -> None:
    wait_until(
        lambda: server.metric("penstock_monitored_rows_total", model=NAME, version=str(version)) == rows,
        what=f"{rows} counted rows",
    )


def failures(server: ServerProcess) -> dict[str, float]:
    """Return what failed in the monitoring, by part."""
    lines = re.findall(
        r'penstock_monitor_failures_total\{.*part="(.*?)".*\} (\S+)', server.get("/metrics").text
    )
    return {part: float(value) for part, value in lines}


def logged(server: ServerProcess, result: str) -> float:
    """Return the rows of the prediction log that were written, or dropped."""
    return server.metric("penstock_prediction_log_rows_total", model=NAME, result=result)


def errors(server: ServerProcess) -> list[dict[str, Any]]:
    """Return what was logged as an error, but for alerts."""
    return [
        one
        for one in server.logs()
        if one["level"] == "error" and one.get("logger") != "penstock.monitor.alerts"
    ]


def memory(server: ServerProcess) -> int:
    """Return the resident memory of the server in bytes."""
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    assert found is not None
    return int(found[1]) * 1024


def wild_requests() -> Iterator[tuple[bytes, int]]:
    """Yield requests with their rows; some are refused by every server."""
    floats = np.array([np.nan, np.inf, -np.inf, 3.4e38, -3.4e38, 1e-45, -0.0, 0.0], np.float32)
    pairs = np.stack([floats, floats[::-1]], axis=1)
    whole = np.array([2**63 - 1, -(2**63), 0, -1, 1, 2**53 + 1, 7, 8])
    wild = ["", "x", "\0", "é" * 1000, "nan", "-1e308", "x" * 65_536, " "]
    yield request(pairs, whole, texts_of(*wild), "wild"), 8
    for position in range(8):
        one = slice(position, position + 1)
        yield request(pairs[one], whole[one], texts_of(wild[position])), 1
    for bad in (b"\xff\xfe", b"\xed\xa0\x80", b"x\xc3"):
        yield request(pairs[:2], whole[:2], [b"x", bad]), 2
    yield request(pairs[:1], whole[:1], [b"m" * MIB]), 1
    yield request(np.zeros((40, 2)), np.zeros(40), [b"%d" % i + b"z" * MIB for i in range(40)]), 40
    yield request(pairs[:0], whole[:0], []), 0
    named = request(pairs[:1], whole[:1], [b"x"])
    yield named + b"\x1a\x02\xff\xfe", 1  # an id that is no UTF-8
    yield named + b"\x1a\x80\x80\x40" + b"i" * MIB, 1  # one of a megabyte
    yield named + b"\x1a\x03a/0", 1


def test_wild_values_are_counted_and_answered_as_without_monitoring(
    server: Start, packed: Path, tmp_path: Path, connect: Connect
) -> None:
    process = server(**settings(tmp_path))
    plain = server(models={NAME: {"version": 1, "monitor": {"enabled": False}}})
    client, other = connect(process), connect(plain)
    rows = 0
    for _ in range(3):
        for data, count in wild_requests():
            answer = client.infer(data)
            assert answer == other.infer(data)
            assert answer[0] in (grpc.StatusCode.OK, grpc.StatusCode.INVALID_ARGUMENT), answer
            rows += count * (answer[0] is grpc.StatusCode.OK)
    assert rows > 3 * 50
    counted(process, rows)
    assert failures(process) == {}
    assert client.call("Report", model=NAME).current_rows == rows
    wait_until(lambda: logged(process, "written") == rows)
    assert logged(process, "dropped") == 0
    assert process.stop() == 0
    assert errors(process) == []


def test_the_largest_numbers(server: Start, repository: Path, tmp_path: Path, connect: Connect) -> None:
    """1e308 in every place, whose squares and sums are infinite."""
    random = np.random.default_rng(0)
    reference = pa.table({"u": random.normal(size=3000) * 1e300, "v": random.normal(size=3000)})
    graph = models.identity(tmp_path / "wide.onnx", datatype="FP64", shape=("rows", 2))
    penstock.pack(NAME, graph, repository=repository, reference=reference)
    log = {"directory": str(tmp_path / "log"), "file_s": 0.2}
    own = {"window_rows": 100, "log": log, "reservoir_rows": 100, "baseline_rows": 10}
    process = server(
        monitor={"interval_s": 0.05, "directory": str(tmp_path / "kept")}, models={NAME: {"monitor": own}}
    )
    client = connect(process)
    values = np.array([1e308, -1e308, 5e-324, np.nan, np.inf, -np.inf, 1.7976931348623157e308, 0.0])
    for number in range(20):
        pairs = np.stack([values, np.roll(values, number)], axis=1)
        made = service_pb2.ModelInferRequest(model_name=NAME)
        made.inputs.add(name="x", datatype="FP64", shape=[8, 2])
        made.raw_input_contents.append(pairs.tobytes())
        code, answer = client.infer(made.SerializeToString())
        assert code is grpc.StatusCode.OK
        found = service_pb2.ModelInferResponse.FromString(answer)
        assert found.raw_output_contents[0] == pairs.tobytes()
    counted(process, 160)
    assert client.call("Report", model=NAME).current_rows == 160
    assert failures(process) == {}
    assert process.stop() == 0
    assert errors(process) == []


def test_a_million_categories_are_counted_in_bounded_memory(
    server: Start, packed: Path, tmp_path: Path, connect: Connect
) -> None:
    process = server(**settings(tmp_path, window_rows=None, window_s=86400.0))
    client = connect(process)
    client.answer(ordinary(20_000))
    counted(process, 20_000)
    before = memory(process)
    zeros = np.zeros((20_000, 2))
    for number in range(50):
        texts = [b"category %d" % (number * 20_000 + row) for row in range(20_000)]
        client.answer(request(zeros, zeros[:, 0], texts))
    counted(process, 1_020_000)
    assert failures(process) == {}
    # The log may hold 256 MiB, and the answers that wait for labels as much; the counts hold next to nothing.
    assert memory(process) - before < 700 * MIB
    (feature,) = (one for one in client.call("Report", model=NAME).features if one.name == "s")
    assert feature.alarm
    assert process.stop() == 0


def test_labels_that_are_wrong_in_every_way(
    server: Start, packed: Path, tmp_path: Path, connect: Connect
) -> None:
    feedback = {"prediction": "total[0]", "task": "regression", "keep_rows": 1000}
    process = server(**settings(tmp_path, feedback=feedback))
    client = connect(process)
    for number in range(40):
        client.answer(ordinary(100, number, id=f"r{number}"))
    counted(process, 4000)

    def joined(**fields: Any) -> Any:
        return client.call("Feedback", model=NAME, **fields)

    rows, old = 4000, iter(range(100))

    def is_forgotten() -> int:
        nonlocal rows
        client.answer(ordinary(1000, rows, id=f"more{rows}"))
        rows += 1000
        return int(joined(ids=[f"r0/{next(old)}"], labels=[1.0]).late)

    wait_until(is_forgotten, what="an answer that is forgotten")
    client.answer(ordinary(100, 1, id="r39"))
    rows += 100
    counted(process, rows)
    wait_until(lambda: joined(ids=["r39/0"], labels=[1.0]).duplicate, what="an answer that has a label")
    found = joined(
        ids=[
            "r39/1",
            "r39/1",
            "r39/1",
            f"r0/{next(old)}",
            "r39/2",
            "r39/3",
            "",
            "\ud7ff" * 10_000,
            "i" * MIB,
        ],
        labels=[1.0, 1.0, 2.0, 1.0, float("nan"), 1e308, 1.0, 1.0, 1.0],
        times_s=[0.0, 1e308, -1e308, float("nan"), 0.0, 4e9, 0.0, 0.0, 0.0],
    )
    assert (found.joined, found.duplicate, found.contradictory, found.late) == (2, 1, 1, 1)
    assert (found.invalid, found.waiting) == (2, 2)
    for wrong in (
        {"ids": ["r39/9"], "labels": [1.0], "text_labels": ["a"]},
        {"ids": ["r39/9"], "labels": []},
        {"ids": ["r39/9"], "labels": [1.0, 2.0]},
        {"ids": ["r39/9"], "labels": [1.0], "times_s": [1.0, 2.0]},
    ):
        with pytest.raises(grpc.RpcError) as refused:
            joined(**wrong)
        assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    joined(ids=["r39/10"], text_labels=["not a number"])
    client.answer(ordinary(10))
    counted(process, rows + 10)
    assert process.metric("penstock_labels_total", model=NAME, result="contradictory") == 1
    assert failures(process) == {}
    assert client.call("Report", model=NAME).features
    assert process.stop() == 0


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of four megabytes."""
    path = tmp_path / "small"
    path.mkdir()
    mount = shutil.which("mount")
    done = mount and subprocess.run(
        [mount, "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(path)], capture_output=True
    )
    if not done or done.returncode:
        pytest.skip("a small file system cannot be mounted here")
    yield path
    subprocess.run(["umount", str(path)], check=True)


def test_a_full_disk_under_log_and_history(
    server: Start, packed: Path, small_disk: Path, connect: Connect
) -> None:
    """Serving goes on, what is lost is counted and alarmed, and all is well again once there is room."""
    log = {"directory": str(small_disk / "log"), "file_s": 0.05, "buffer_rows": 2000}
    process = server(**settings(small_disk, log=log, window_s=3.0, window_rows=500, rules={}, cooldown_s=0.0))
    client = connect(process)
    client.answer(ordinary(200))
    counted(process, 200)
    ballast = small_disk / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            pass
    rows = 200

    def serve(until: Callable[[], Any], what: str) -> None:
        nonlocal rows

        def step() -> Any:
            nonlocal rows
            client.answer(ordinary(200, rows))
            rows += 200
            return until()

        wait_until(step, 60, what)

    def operation() -> float:
        return process.metric("penstock_alerts_firing", model=NAME, kind="operation")

    serve(lambda: logged(process, "dropped"), "losses")
    serve(lambda: failures(process).get("history"), "windows that are not written")
    serve(operation, "an alert")
    (alert,) = (one for one in client.call("Report", model=NAME).firing if one.kind == "operation")
    assert alert.findings
    serve(
        lambda: (
            {"history", "prediction log"}
            <= {
                finding.subject
                for one in client.call("Report", model=NAME).firing
                if one.kind == "operation"
                for finding in one.findings
            }
        ),
        "an alert about both",
    )
    ballast.unlink()
    shutil.rmtree(small_disk / "log" / NAME, ignore_errors=True)
    written = logged(process, "written")
    serve(
        lambda: logged(process, "written") > written,
        "a log that is written again",
    )
    history = small_disk / "kept" / NAME / "profile_metrics"
    files = set(history.glob("*.parquet"))
    serve(lambda: set(history.glob("*.parquet")) - files, "a history that is written again")
    serve(lambda: not operation(), "the end of the alert")
    counted(process, rows)
    assert process.stop() == 0


@pytest.mark.parametrize("kind", ["silent", "down", "failing"])
def test_a_sink_that_does_not_take_alerts(
    server: Start, packed: Path, tmp_path: Path, connect: Connect, kind: str
) -> None:
    held: list[socket.socket] = []
    everything = settings(tmp_path, watch=False)
    with raw_receiver(held.append) as silent, Receiver() as receiver, socket.socket() as unused:
        receiver.status = 500
        unused.bind(("127.0.0.1", 0))
        url = {
            "silent": f"http://{silent}",
            "down": f"http://127.0.0.1:{unused.getsockname()[1]}",
            "failing": f"http://{receiver.host}",
        }[kind]
        everything["monitor"]["sinks"] = {"hook": {"kind": "webhook", "url": url, "timeout_s": 60.0}}
        process = server(**everything)
        client = connect(process)
        zeros = np.zeros((500, 2))
        for _ in range(10):
            client.answer(request(zeros + 4, zeros[:, 0], [b"q"] * 500))
        counted(process, 5000)
        wait_until(
            lambda: process.metric("penstock_sink_waiting", sink="hook") >= 1, what="an alert that waits"
        )
        client.load(2)
        client.answer(ordinary(100))
        counted(process, 100, version=2)
        assert failures(process) == {}
        assert process.stop() == 0
        waiting = list((tmp_path / "kept" / "alerts" / "hook").iterdir())
        assert waiting
        for one in held:
            one.close()


def _file_for_the_directory(kept: Path, log: Path) -> str:
    kept.mkdir()
    (kept / NAME).write_text("in the way")
    return "history"


def _file_for_the_log(kept: Path, log: Path) -> str:
    log.write_text("in the way")
    return ""


def _directory_for_the_open_window(kept: Path, log: Path) -> str:
    (kept / NAME / "open-1.window").mkdir(parents=True)
    return "history"


def _damaged_open_window(kept: Path, log: Path) -> str:
    (kept / NAME).mkdir(parents=True)
    (kept / NAME / "open-1.window").write_bytes(b"penstock window\0" + b"\1" * 100)
    return ""


def _foreign_state_of_alarms(kept: Path, log: Path) -> str:
    history = History(kept, NAME)
    history.save_open(1, None, b"something else")
    history.close()
    return "alarms"


def _damaged_history(kept: Path, log: Path) -> str:
    for table in ("profile_metrics", "drift_metrics"):
        (kept / NAME / table).mkdir(parents=True)
        (kept / NAME / table / "2024-05-01-0123456789ab.parquet").write_bytes(b"PAR1 not really PAR1")
        (kept / NAME / table / "2024-05-02T10-00-00.000000-0123456789ab.parquet").mkdir()
    return ""


def _damaged_labels(kept: Path, log: Path) -> str:
    (kept / NAME).mkdir(parents=True)
    (kept / NAME / "labels.json").write_bytes(b"\xff{")
    labels = kept.parent / "labels"
    labels.mkdir()
    (labels / "a.csv").write_bytes(b"id,label\n\xff\xfe,1\n")
    (labels / "b.parquet").write_bytes(b"PAR1")
    (labels / "c.csv").write_text("name,value\n1,2\n")
    (labels / "d.csv").mkdir()
    return ""


def _another_process_there(kept: Path, log: Path) -> str:
    (kept / NAME).mkdir(parents=True)
    other = History(kept, NAME)
    other.save_open(7, None, b"")
    _HELD.append(other)
    return "history"


def _files_for_the_alerts(kept: Path, log: Path) -> str:
    kept.mkdir()
    (kept / "alerts").write_text("in the way")
    return ""


_HELD: list[History] = []
WAYS = [
    _file_for_the_directory,
    _file_for_the_log,
    _directory_for_the_open_window,
    _damaged_open_window,
    _foreign_state_of_alarms,
    _damaged_history,
    _damaged_labels,
    _another_process_there,
    _files_for_the_alerts,
]


@pytest.mark.parametrize("front", ["native"])
@pytest.mark.parametrize("spoil", WAYS, ids=lambda way: way.__name__.strip("_"))
def test_a_monitor_that_fails_does_so_alone(
    server: Start, packed: Path, tmp_path: Path, connect: Connect, spoil: Callable[[Path, Path], str]
) -> None:
    part = spoil(tmp_path / "kept", tmp_path / "log")
    feedback = {"prediction": "total[0]", "task": "regression", "directory": str(tmp_path / "labels")}
    process = server(**settings(tmp_path, feedback=feedback, watch=False))
    try:
        client = connect(process)
        for number in range(6):
            client.answer(ordinary(1000, number, id=f"r{number}"))
        counted(process, 6000)
        client.load(2)
        client.answer(ordinary(1000))
        counted(process, 1000, version=2)
        assert set(failures(process)) <= {part}
        if part:
            wait_until(lambda: failures(process).get(part), what=f"failures of {part}")
            wait_until(lambda: process.metric("penstock_alerts_total", model=NAME, kind="operation") == 1)
        assert client.call("Feedback", model=NAME, ids=["r5/1", "r5/2"], labels=[1.0, 2.0])
        assert client.call("Report", model=NAME).current_rows == 1000
        assert process.stop() == 0
    finally:
        while _HELD:
            _HELD.pop().close()


def rows_kept(directory: Path) -> dict[int, int]:
    """Return the rows of all windows by version, closed and open, that a server left behind."""
    found: dict[int, int] = {}
    closed = directory / NAME / "profile_metrics"
    if closed.exists():
        table = ds.dataset(closed).to_table(columns=["version", "num_rows", "position"])
        for row in table.to_pylist():
            if row["position"] == 0:
                found[row["version"]] = found.get(row["version"], 0) + row["num_rows"]
    history = History(directory, NAME)
    for saved in history.load_open():
        if saved.window is not None:
            found[saved.version] = found.get(saved.version, 0) + saved.window.rows
    history.close()
    return found


@pytest.mark.slow
def test_two_hundred_swaps_under_load(server: Start, packed: Path, tmp_path: Path, connect: Connect) -> None:
    """No request fails, every answered row is in exactly one window, and memory stays where it was."""
    process = server(**settings(tmp_path, window_rows=500))
    answered = {1: 0, 2: 0}
    problems: list[Any] = []
    over = threading.Event()
    lock = threading.Lock()

    def load(number: int, client: Client) -> None:
        sizes = np.random.default_rng(number).integers(1, 40, 10_000).tolist()
        while not over.is_set():
            rows = sizes.pop() if sizes else 20
            code, answer = client.infer(ordinary(rows, rows, id=f"{number}-{len(sizes)}"))
            if code is not grpc.StatusCode.OK:
                problems.append((code, answer))
                return
            version = int(service_pb2.ModelInferResponse.FromString(answer).model_version)
            with lock:
                answered[version] += rows

    clients = [connect(process) for _ in range(2)]
    threads = [threading.Thread(target=load, args=(i, one)) for i, one in enumerate(clients)]
    for thread in threads:
        thread.start()
    admin = connect(process)
    try:
        for number in range(50):
            admin.load(2 - number % 2)
        before = memory(process)
        for number in range(150):
            admin.load(2 - number % 2)
        grown = memory(process) - before
    finally:
        over.set()
        for thread in threads:
            thread.join()
    assert not problems
    assert failures(process) == {}
    assert process.metric("penstock_model_loads_total", model=NAME) == 201
    assert process.stop() == 0
    assert rows_kept(tmp_path / "kept") == answered
    assert grown < 300 * MIB
    logged = ds.dataset(tmp_path / "log" / NAME).to_table(columns=["version"])["version"].to_pylist()
    assert {version: logged.count(version) for version in (1, 2)} == answered


def test_killed_in_mid_window(server: Start, packed: Path, tmp_path: Path, connect: Connect) -> None:
    """What was looked at is there after kill -9, what was answered since the last look may not be."""
    kept = settings(tmp_path, window_rows=None, window_s=86400.0, watch=False)
    rows = looked = 0
    for number in range(4):
        process = server(**kept)
        client = connect(process)
        if number:
            rows = client.call("Report", model=NAME).current_rows
            assert looked <= rows <= looked + 250
        client.answer(ordinary(500, number))
        counted(process, 500)
        looked = rows + 500
        if number == 3:
            break
        for seed in range(5):
            client.answer(ordinary(50, seed))  # between two looks
        process.process.kill()
        process.wait()
    assert failures(process) == {}
    assert process.stop() == 0
    assert rows_kept(tmp_path / "kept") == {1: looked}
    again = server(**kept)
    assert connect(again).call("Report", model=NAME).current_rows == looked
    assert again.stop() == 0


def test_memory_of_a_day_of_windows(server: Start, packed: Path, tmp_path: Path, connect: Connect) -> None:
    """Windows, comparisons and alerts that are held do not grow for ever."""
    process = server(**settings(tmp_path, window_rows=100, keep_windows=50, compare=["baseline", "previous"]))
    client = connect(process)
    random = np.random.default_rng(0)

    def closed() -> int:
        return len(list((tmp_path / "kept" / NAME / "profile_metrics").glob("*.parquet")))

    def serve(number: int) -> None:
        texts = [b"%d" % value for value in random.integers(0, 10**9, 200)]
        pairs = random.normal(size=(200, 2)) * 10.0 ** random.integers(-3, 4)
        client.answer(request(pairs, random.integers(-(10**9), 10**9, 200), texts, f"r{number}"))

    for number in range(300):
        serve(number)
    wait_until(closed)
    before = memory(process)
    for number in range(2000):
        serve(number)
    counted(process, 2300 * 200)
    assert memory(process) - before < 200 * MIB
    assert failures(process) == {}
    assert process.stop() == 0
    assert json.dumps(errors(process)) == "[]"
