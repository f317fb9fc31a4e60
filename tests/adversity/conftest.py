"""Servers under attack: each test leaves them as it found them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import grpc
import numpy as np
import pytest
import wire_models
from serving import ServerProcess, wait_until
from tritonclient.grpc import service_pb2, service_pb2_grpc

LIMITS = {"message_bytes": 2**20, "header_bytes": 8192, "streams_per_connection": 64}


def good_request(rows: int = 1) -> service_pb2.ModelInferRequest:
    request = service_pb2.ModelInferRequest(model_name="adder", id="good")
    request.inputs.add(name="a", datatype="FP32", shape=[rows, 3])
    request.raw_input_contents.append(np.zeros((rows, 3), "<f4").tobytes())
    return request


def slow_request(steps: int) -> service_pb2.ModelInferRequest:
    request = service_pb2.ModelInferRequest(model_name="slow")
    request.inputs.add(name="steps", datatype="INT64", shape=[1])
    request.raw_input_contents.append(np.array([steps], "<i8").tobytes())
    return request


def check_alive(process: ServerProcess, channel: grpc.Channel) -> None:
    """A good request is answered, also one that the control plane answers."""
    stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
    answer = stub.ModelInfer(good_request(), timeout=20)
    assert (answer.id, answer.raw_output_contents[0]) == ("good", np.ones(3, "<f4").tobytes())
    assert stub.ServerLive(service_pb2.ServerLiveRequest(), timeout=20).live
    assert process.process.poll() is None


def check_settled(process: ServerProcess, connections: int = 1) -> None:
    """Nothing is left of what clients did: streams, connections, queued rows."""

    native = "penstock_front_open_streams" in process.get("/metrics").text

    def settled() -> bool:
        held = [process.metric("penstock_queue_rows", model=model) for model in ("adder", "slow", "text")]
        if native:
            held.append(process.metric("penstock_front_open_streams"))
            held.append(max(0, process.metric("penstock_front_open_connections") - connections))
        return not any(held)

    wait_until(settled, what="a front without streams, and empty queues")


def check_drains(process: ServerProcess) -> None:
    """Every version unloads, so no request holds one; the server ends when asked."""
    with grpc.insecure_channel(process.grpc) as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        for model in ("adder", "slow"):
            stub.RepositoryModelUnload(service_pb2.RepositoryModelUnloadRequest(model_name=model), timeout=60)
    assert process.stop() == 0
    own = [record for record in process.logs() if record["level"] in ("warning", "error")]
    assert {record["message"] for record in own} <= {"request failed"}, own


def publish_models(root: Path) -> None:
    wire_models.publish(root, "adder", 1, wire_models.adder(1))
    wire_models.publish(root, "slow", 1, wire_models.slow())
    wire_models.publish(root, "lookup", 1, wire_models.lookup())
    wire_models.publish(root, "text", 1, wire_models.echo({"s": wire_models.STRING}))


@pytest.fixture(scope="module")
def fronts(request: pytest.FixtureRequest) -> str:
    """The front of :func:`shared`; a module that wants both overrides this."""
    pytest.importorskip("penstock.serve._front", reason="the native front is not built here")
    return "native"


@pytest.fixture(scope="module")
def shared(fronts: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """One server with tight limits for all tests of a module; it has to be well at its end."""
    root = tmp_path_factory.mktemp("models")
    publish_models(root)
    process = ServerProcess(root, fronts, limits=LIMITS, models={"slow": {"max_queue_rows": 1000}})
    try:
        yield process
        check_drains(process)
    finally:
        process.close()


@pytest.fixture
def victim(shared: ServerProcess) -> Iterator[ServerProcess]:
    """:func:`shared`, which answers before the test and after it, with nothing left behind."""
    with grpc.insecure_channel(shared.grpc) as channel:
        check_alive(shared, channel)
        yield shared
        check_alive(shared, channel)
        check_settled(shared)
