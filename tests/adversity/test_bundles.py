"""Versions that cannot be served: the one that is goes on, and everyone can see why."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import models
import numpy as np
import pytest
from serving import ServerProcess, wait_until
from tritonclient.grpc import service_pb2, service_pb2_grpc

from penstock.bundle.pack import pack

Start = Callable[..., ServerProcess]


def publish(
    repository: Path, folder: Path, bias: float, damage: Callable[[Path], None] | None = None
) -> None:
    """Pack a version; the damage is done before it is where servers look."""
    graph = models.affine(folder / f"{bias}.onnx", bias=bias)
    golden = {"x": np.arange(8, dtype="f4").reshape(2, 4)}
    if damage is None:
        pack("m", graph, repository=repository, golden=golden)
        return
    aside = folder / f"aside-{bias}"
    aside.mkdir()
    for _ in range(2):
        pack("m", graph, repository=aside, golden=golden)
    damage(aside / "m" / "2")
    (aside / "m" / "2").rename(repository / "m" / "2")


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def restate(bundle: Path, name: str) -> None:
    """Make the manifest agree with a file that was changed."""
    manifest = json.loads((bundle / "bundle.json").read_bytes())
    manifest["files"][name] = hashlib.sha256((bundle / name).read_bytes()).hexdigest()
    (bundle / "bundle.json").write_text(json.dumps(manifest))


def break_graph(bundle: Path) -> None:
    (bundle / "model.onnx").write_bytes(b"no graph at all")
    restate(bundle, "model.onnx")


def change_graph(bundle: Path) -> None:
    models.affine(bundle / "model.onnx", bias=17)
    restate(bundle, "model.onnx")


FAULTS: dict[str, tuple[Callable[[Path], None], str]] = {
    "flipped byte in the graph": (lambda at: flip(at / "model.onnx"), "model.onnx: the file is damaged"),
    "flipped byte in the golden rows": (
        lambda at: flip(at / "golden.npz"),
        "golden.npz: the file is damaged",
    ),
    "missing golden rows": (lambda at: (at / "golden.npz").unlink(), "golden.npz: the file is missing"),
    "missing graph": (lambda at: (at / "model.onnx").unlink(), "model.onnx: the file is missing"),
    "graph that does not load": (break_graph, "model.onnx"),
    "golden rows that disagree": (change_graph, "golden rows disagree"),
    "manifest that is no JSON": (lambda at: flip_all(at / "bundle.json"), "bundle.json"),
}


def flip_all(path: Path) -> None:
    path.write_bytes(bytes(byte ^ 0x5A for byte in path.read_bytes()))


def answer(stub: Any) -> float:
    request = service_pb2.ModelInferRequest(model_name="m", raw_input_contents=[np.zeros(4, "f4").tobytes()])
    request.inputs.add(name="x", datatype="FP32", shape=[1, 4])
    return float(np.frombuffer(stub.ModelInfer(request, timeout=20).raw_output_contents[0], "f4")[0])


@pytest.mark.parametrize("fault", FAULTS)
def test_a_version_that_cannot_be_served(repository: Path, server: Start, tmp_path: Path, fault: str) -> None:
    damage, text = FAULTS[fault]
    publish(repository, tmp_path, 1)
    process = server(watch=True, watch_interval_s=0.05)
    with grpc.insecure_channel(process.grpc) as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        assert answer(stub) == 1
        publish(repository, tmp_path, 2, damage)
        failures = "penstock_model_load_failures_total"
        wait_until(lambda: process.metric(failures, model="m") == 1, what="the failure")
        assert answer(stub) == 1
        index = stub.RepositoryIndex(service_pb2.RepositoryIndexRequest(), timeout=20).models
        states = {int(one.version): (one.state, one.reason) for one in index}
        assert states[1] == ("READY", "")
        assert states[2][0] == "UNAVAILABLE"
        assert text in states[2][1]
        assert str(tmp_path) not in states[2][1]
        assert text in process.wait_for_log(model="m", version=2, level="error")["message"]
        # A call that asks for it says the same; it is not tried again for nothing.
        with pytest.raises(grpc.RpcError) as caught:
            stub.RepositoryModelLoad(service_pb2.RepositoryModelLoadRequest(model_name="m"), timeout=20)
        assert caught.value.code() is grpc.StatusCode.FAILED_PRECONDITION
        assert text in caught.value.details()
        assert answer(stub) == 1
        assert process.metric(failures, model="m") == 2
        # A good one after it is served.
        publish(repository, tmp_path, 3)
        wait_until(lambda: answer(stub) == 3, what="the good version")
    assert process.stop() == 0


def test_a_server_whose_only_version_cannot_be_served(
    repository: Path, server: Start, tmp_path: Path
) -> None:
    publish(repository, tmp_path, 1)
    flip(repository / "m" / "1" / "model.onnx")
    models.publish(repository, "other", 1, models.affine)
    process = server()
    with grpc.insecure_channel(process.grpc) as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        with pytest.raises(grpc.RpcError) as caught:
            answer(stub)
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        assert 'model "m" is not ready: ' in caught.value.details()
        ready = stub.ModelReady(service_pb2.ModelReadyRequest(name="other"), timeout=20)
        assert ready.ready
    assert process.get("/readyz").status_code == 503
    assert process.stop() == 0
