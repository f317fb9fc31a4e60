"""Versions that come, go, fail and return while clients watch."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import tritonclient.grpc as triton
import wire_models
from grpc_health.v1 import health_pb2, health_pb2_grpc
from serving import ServerProcess, wait_until
from tritonclient.grpc import service_pb2, service_pb2_grpc
from tritonclient.utils import InferenceServerException

Start = Callable[..., ServerProcess]
SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING


@pytest.fixture
def adder(repository: Path) -> Path:
    wire_models.publish(repository, "adder", 1, wire_models.adder(1))
    return repository


def one_row() -> list[triton.InferInput]:
    made = triton.InferInput("a", [1, 3], "FP32")
    made.set_data_from_numpy(np.zeros((1, 3), np.float32))
    return [made]


def answer(client: triton.InferenceServerClient) -> tuple[str, float]:
    result = client.infer("adder", one_row())
    return result.get_response().model_version, float(result.as_numpy("p")[0, 0])


def load(stub: Any, **parameter: Any) -> None:
    request = service_pb2.RepositoryModelLoadRequest(model_name="adder")
    for name, value in parameter.items():
        field = "string_param" if isinstance(value, str) else "int64_param"
        setattr(request.parameters[name], field, value)
    stub.RepositoryModelLoad(request, timeout=30)


def test_load_swaps_rolls_back_and_unloads(adder: Path, server: Start) -> None:
    process = server()
    with (
        triton.InferenceServerClient(process.grpc) as client,
        grpc.insecure_channel(process.grpc) as channel,
    ):
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        assert answer(client) == ("1", 1)
        wire_models.publish(adder, "adder", 2, wire_models.adder(2))
        assert answer(client) == ("1", 1)
        client.load_model("adder")
        assert answer(client) == ("2", 2)
        load(stub, version=1)
        assert answer(client) == ("1", 1)
        load(stub, version="2")
        assert answer(client) == ("2", 2)
        client.unload_model("adder")
        assert not client.is_model_ready("adder")
        with pytest.raises(InferenceServerException, match='model "adder" is not ready') as caught:
            answer(client)
        assert caught.value.status() == "StatusCode.UNAVAILABLE"
        assert process.get("/readyz").status_code == 200
        client.load_model("adder")
        assert answer(client) == ("2", 2)
        assert process.metric("penstock_model_loads_total", model="adder") == 5
        assert process.metric("penstock_model_ready", model="adder", version="2") == 1
        assert process.metric("penstock_model_ready", model="adder", version="1") == 0
    assert process.stop() == 0


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"version": 0}, grpc.StatusCode.INVALID_ARGUMENT),
        ({"version": -1}, grpc.StatusCode.INVALID_ARGUMENT),
        ({"version": "../1"}, grpc.StatusCode.INVALID_ARGUMENT),
        ({"version": 9}, grpc.StatusCode.NOT_FOUND),
        ({"config": "{}"}, grpc.StatusCode.UNIMPLEMENTED),
        ({"file:1/model.onnx": "x"}, grpc.StatusCode.UNIMPLEMENTED),
        ({"speed": 1}, grpc.StatusCode.INVALID_ARGUMENT),
    ],
)
def test_loads_that_are_refused(
    adder: Path, server: Start, parameters: dict[str, Any], code: grpc.StatusCode
) -> None:
    process = server()
    with grpc.insecure_channel(process.grpc) as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        with pytest.raises(grpc.RpcError) as caught:
            load(stub, **parameters)
        assert caught.value.code() is code
        assert all(f'"{name}"' in caught.value.details() for name in parameters if code.value[0] != 5)
        with triton.InferenceServerClient(process.grpc) as client:
            assert answer(client) == ("1", 1)


@pytest.mark.parametrize("name", ["nothing", "", "..", "../models/adder", "adder/1", ".adder"])
def test_models_that_are_not_in_the_repository(adder: Path, server: Start, name: str) -> None:
    process = server()
    with triton.InferenceServerClient(process.grpc) as client:
        for call in (client.load_model, client.unload_model, client.get_model_metadata):
            with pytest.raises(InferenceServerException) as caught:
                call(name)
            assert caught.value.status() == "StatusCode.NOT_FOUND"
            assert caught.value.message() == f'model "{name}" is not in the repository'


def test_a_load_that_fails_keeps_the_old_version(adder: Path, server: Start) -> None:
    process = server()
    with triton.InferenceServerClient(process.grpc) as client:
        wire_models.publish(adder, "adder", 2, b"garbage")
        with pytest.raises(InferenceServerException) as caught:
            client.load_model("adder")
        assert caught.value.status() == "StatusCode.FAILED_PRECONDITION"
        assert str(adder) not in caught.value.message()
        assert answer(client) == ("1", 1)
        assert client.is_server_ready()
        index = {model.version: model for model in client.get_model_repository_index().models}
        assert index["1"].state == "READY"
        assert index["2"].state == "UNAVAILABLE"
        assert index["2"].reason
        assert str(adder) not in index["2"].reason
        assert process.metric("penstock_model_load_failures_total", model="adder") == 1
        assert any(record["level"] == "error" for record in process.logs())


def test_watch_follows_the_repository(adder: Path, server: Start) -> None:
    process = server(watch=True, watch_interval_s=0.05)
    with (
        triton.InferenceServerClient(process.grpc) as client,
        grpc.insecure_channel(process.grpc) as channel,
    ):
        health = health_pb2_grpc.HealthStub(channel)
        wire_models.publish(adder, "adder", 2, wire_models.adder(2))
        wait_until(lambda: answer(client) == ("2", 2), what="version 2")
        wire_models.publish(adder, "other", 1, wire_models.adder(3))
        wait_until(lambda: client.is_model_ready("other"), what="the new model")
        watch = health.Watch(health_pb2.HealthCheckRequest(service="other"), timeout=60)
        assert next(watch).status == SERVING
        wire_models.withdraw(adder, "other", 1)
        wait_until(lambda: not client.is_model_ready("other"), what="the model to go")
        assert next(watch).status != SERVING
        watch.cancel()
        wire_models.publish(adder, "adder", 3, b"garbage")
        wait_until(lambda: process.metric("penstock_model_load_failures_total", model="adder"))
        assert answer(client) == ("2", 2)


def test_health_watchers_follow_a_model(adder: Path, server: Start) -> None:
    process = server()
    with triton.InferenceServerClient(process.grpc) as client:
        channels = [grpc.insecure_channel(process.grpc) for _ in range(3)]
        request = health_pb2.HealthCheckRequest(service="adder")
        watches = [health_pb2_grpc.HealthStub(channel).Watch(request, timeout=60) for channel in channels]
        assert [next(watch).status for watch in watches] == [SERVING] * 3
        watches[0].cancel()
        channels[0].close()
        client.unload_model("adder")
        assert [next(watch).status for watch in watches[1:]] == [NOT_SERVING] * 2
        client.load_model("adder")
        assert [next(watch).status for watch in watches[1:]] == [SERVING] * 2
        for channel in channels:
            channel.close()


def test_a_watch_of_a_name_that_comes_later(repository: Path, server: Start) -> None:
    process = server(watch=True, watch_interval_s=0.05)
    with grpc.insecure_channel(process.grpc) as channel:
        watch = health_pb2_grpc.HealthStub(channel).Watch(
            health_pb2.HealthCheckRequest(service="adder"), timeout=60
        )
        assert next(watch).status == health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
        wire_models.publish(repository, "adder", 1, wire_models.adder(1))
        assert any(status.status == SERVING for status in watch)
        watch.cancel()


def test_no_request_fails_while_versions_swap(adder: Path, server: Start) -> None:
    wire_models.publish(adder, "adder", 2, wire_models.adder(2))
    process = server()
    done = threading.Event()
    failures: list[Exception] = []
    seen: set[tuple[str, float]] = set()

    def drive() -> None:
        with triton.InferenceServerClient(process.grpc) as client:
            while not done.is_set():
                try:
                    seen.add(answer(client))
                except InferenceServerException as error:
                    failures.append(error)

    threads = [threading.Thread(target=drive) for _ in range(4)]
    for thread in threads:
        thread.start()
    with grpc.insecure_channel(process.grpc) as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        for turn in range(30):
            load(stub, version=1 + turn % 2)
    done.set()
    for thread in threads:
        thread.join()
    assert not failures
    assert seen == {("1", 1), ("2", 2)}
