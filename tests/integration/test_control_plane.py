"""Every method of the protocol through published clients, over a real server and real models."""

from __future__ import annotations

import asyncio
import queue
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import tritonclient.grpc as triton
import tritonclient.grpc.aio as triton_aio
import wire_models
from google.protobuf import descriptor_pool
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from serving import ServerProcess, wait_until
from tritonclient.grpc import service_pb2, service_pb2_grpc
from tritonclient.utils import InferenceServerException

PROTOS = Path(__file__).parents[2] / "protos"
SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING
KINDS = {"f": wire_models.FLOAT, "i": wire_models.INT64, "s": wire_models.STRING}


@pytest.fixture(scope="module", params=["native", "grpcio"])
def shared(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServerProcess]:
    """One server for the tests that change nothing which another sees."""
    front = skip_unless_built(request.param)
    root = tmp_path_factory.mktemp("models")
    wire_models.publish(root, "adder", 1, wire_models.adder(1))
    wire_models.publish(root, "adder", 2, wire_models.adder(2))
    wire_models.publish(root, "echo", 1, wire_models.echo(KINDS))
    wire_models.publish(root, "lookup", 1, wire_models.lookup())
    wire_models.publish(root, "slow", 1, wire_models.slow())
    wire_models.publish(root, "broken", 1, b"not a graph")
    models = {"adder": {"extra_versions": [1]}, "slow": {"max_queue_rows": 4}}
    process = ServerProcess(root, front, models=models, limits={"message_bytes": 16 * 2**20})
    yield process
    alive, logs = process.process.poll() is None, process.logs()
    process.close()
    assert alive, logs[-5:]
    own = [record for record in logs if record["level"] in ("warning", "error")]
    assert {record["message"] for record in own if record["logger"].startswith("penstock.serve")} == {
        "request failed"
    }
    assert not [record for record in own if not record["logger"].startswith("penstock.")]


def skip_unless_built(front: str) -> str:
    if front == "native":
        pytest.importorskip("penstock.serve._front", reason="the native front is not built here")
    return front


@pytest.fixture
def client(shared: ServerProcess) -> Iterator[triton.InferenceServerClient]:
    with triton.InferenceServerClient(shared.grpc) as opened:
        yield opened


@pytest.fixture
def channel(shared: ServerProcess) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(shared.grpc) as opened:
        yield opened


@pytest.fixture
def stub(channel: grpc.Channel) -> Any:
    return service_pb2_grpc.GRPCInferenceServiceStub(channel)


def tensor(name: str, array: np.ndarray, datatype: str) -> triton.InferInput:
    made = triton.InferInput(name, list(array.shape), datatype)
    made.set_data_from_numpy(array)
    return made


def rows(count: int = 2) -> list[triton.InferInput]:
    return [tensor("a", np.arange(count * 3, dtype=np.float32).reshape(count, 3), "FP32")]


def steps(count: int) -> list[triton.InferInput]:
    return [tensor("steps", np.array([count], np.int64), "INT64")]


def slow_request(count: int) -> Any:
    request = service_pb2.ModelInferRequest(model_name="slow")
    request.inputs.add(name="steps", datatype="INT64", shape=[1])
    request.raw_input_contents.append(np.array([count], "<i8").tobytes())
    return request


def failure(call: Callable[[], Any]) -> tuple[str, str]:
    with pytest.raises(InferenceServerException) as caught:
        call()
    return str(caught.value.status()).removeprefix("StatusCode."), caught.value.message()


# Core methods


def test_state(client: triton.InferenceServerClient) -> None:
    assert client.is_server_live()
    assert not client.is_server_ready()  # one model of the repository does not load
    assert client.is_model_ready("adder")
    assert client.is_model_ready("adder", "1")
    assert not client.is_model_ready("broken")
    assert not client.is_model_ready("nothing")
    assert not client.is_model_ready("adder", "9")
    assert not client.is_model_ready("adder", "x")


def test_server_metadata(client: triton.InferenceServerClient) -> None:
    metadata = client.get_server_metadata()
    assert metadata.name == "penstock"
    assert metadata.version
    assert "model_repository" in metadata.extensions
    assert not {"system_shared_memory", "cuda_shared_memory", "trace", "classification"} & set(
        metadata.extensions
    )


def test_model_metadata(client: triton.InferenceServerClient) -> None:
    metadata = client.get_model_metadata("adder")
    assert (metadata.name, metadata.platform) == ("adder", "onnxruntime_onnx")
    assert list(metadata.versions) == ["1", "2"]
    assert [(t.name, t.datatype, list(t.shape)) for t in metadata.inputs] == [("a", "FP32", [-1, 3])]
    assert [(t.name, t.datatype, list(t.shape)) for t in metadata.outputs] == [
        ("p", "FP32", [-1, 3]),
        ("q", "FP32", [-1]),
    ]
    assert list(client.get_model_metadata("adder", "1").versions) == ["1"]


def test_infer(client: triton.InferenceServerClient) -> None:
    result = client.infer("adder", rows(), request_id="42")
    response = result.get_response()
    assert (response.model_name, response.model_version, response.id) == ("adder", "2", "42")
    np.testing.assert_array_equal(result.as_numpy("p"), np.arange(6, dtype=np.float32).reshape(2, 3) + 2)
    np.testing.assert_array_equal(result.as_numpy("q"), np.array([9, 18], np.float32))
    assert [output.name for output in response.outputs] == ["p", "q"]


def test_infer_with_a_version(client: triton.InferenceServerClient) -> None:
    result = client.infer("adder", rows(), model_version="1")
    assert result.get_response().model_version == "1"
    assert result.as_numpy("p")[0, 0] == 1


def test_infer_with_outputs_in_their_order(client: triton.InferenceServerClient) -> None:
    names = ["q", "p"]
    result = client.infer("adder", rows(), outputs=[triton.InferRequestedOutput(name) for name in names])
    assert [output.name for output in result.get_response().outputs] == names


def test_infer_with_parameters(client: triton.InferenceServerClient) -> None:
    result = client.infer("adder", rows(), priority=2, timeout=10_000_000, parameters={"mine": "x"})
    assert result.as_numpy("p").shape == (2, 3)


def test_infer_compressed(client: triton.InferenceServerClient) -> None:
    result = client.infer("adder", rows(1000), compression_algorithm="gzip")
    assert result.as_numpy("p").shape == (1000, 3)


def test_infer_several_datatypes(client: triton.InferenceServerClient) -> None:
    arrays = {
        "f": np.array([[1.5, np.nan]], np.float32),
        "i": np.array([[-(2**63), 2**63 - 1]], np.int64),
        "s": np.array([["é漢", ""]], object),
    }
    inputs = [
        tensor(name, arrays[name], kind) for name, kind in zip("fis", ("FP32", "INT64", "BYTES"), strict=True)
    ]
    result = client.infer("echo", inputs)
    np.testing.assert_array_equal(result.as_numpy("f_out"), arrays["f"])
    np.testing.assert_array_equal(result.as_numpy("i_out"), arrays["i"])
    assert [item.decode() for item in result.as_numpy("s_out").ravel()] == ["é漢", ""]


def test_infer_typed_contents(stub: Any) -> None:
    request = service_pb2.ModelInferRequest(model_name="adder")
    request.inputs.add(name="a", datatype="FP32", shape=[1, 3]).contents.fp32_contents.extend([1, 2, 3])
    response = stub.ModelInfer(request, timeout=20)
    assert np.frombuffer(response.raw_output_contents[0], "<f4").tolist() == [3, 4, 5]


def test_infer_more_than_four_mebibytes(shared: ServerProcess) -> None:
    with triton.InferenceServerClient(shared.grpc) as client:
        result = client.infer("adder", rows(500_000))
        assert result.as_numpy("q").shape == (500_000,)


def test_infer_from_many_tasks(shared: ServerProcess) -> None:
    async def run() -> list[float]:
        async with triton_aio.InferenceServerClient(shared.grpc) as client:

            async def one(value: int) -> float:
                array = np.full((1, 3), value, np.float32)
                result = await client.infer("adder", [tensor("a", array, "FP32")], request_id=str(value))
                assert result.get_response().id == str(value)
                return float(result.as_numpy("p")[0, 0])

            return await asyncio.gather(*(one(value) for value in range(200)))

    assert asyncio.run(run()) == [value + 2 for value in range(200)]


# Failures


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ({"model_name": "nothing"}, "NOT_FOUND", 'model "nothing" is not in the repository'),
        ({"model_version": "7"}, "NOT_FOUND", 'model "adder" has no version "7"'),
        ({"model_version": "one"}, "NOT_FOUND", 'model "adder" has no version "one"'),
        ({"priority": 3}, "INVALID_ARGUMENT", 'parameter "priority": expected an integer from 0 to 2'),
        ({"inputs": []}, "INVALID_ARGUMENT", 'missing input "a"'),
        (
            {"inputs": [tensor("a", np.zeros((2, 29), np.float32), "FP32")]},
            "INVALID_ARGUMENT",
            'input "a": expected shape [-1,3], got [2,29]',
        ),
        (
            {"inputs": [tensor("a", np.zeros((2, 3), np.int64), "INT64")]},
            "INVALID_ARGUMENT",
            'input "a": expected datatype FP32, got "INT64"',
        ),
        (
            {"outputs": [triton.InferRequestedOutput("z")]},
            "INVALID_ARGUMENT",
            'unknown output "z"; expected outputs: "p", "q"',
        ),
        (
            {"outputs": [triton.InferRequestedOutput("p", class_count=3)]},
            "INVALID_ARGUMENT",
            'output "p": the classification extension is not supported',
        ),
    ],
)
def test_bad_requests(
    client: triton.InferenceServerClient, arguments: dict[str, Any], code: str, message: str
) -> None:
    good: dict[str, Any] = {"model_name": "adder", "inputs": rows()}
    assert failure(lambda: client.infer(**(good | arguments))) == (code, message)
    assert client.infer(**good).as_numpy("q").shape == (2,)


def test_a_model_that_did_not_load(client: triton.InferenceServerClient) -> None:
    code, message = failure(lambda: client.infer("broken", rows()))
    assert code == "UNAVAILABLE"
    assert message.startswith('model "broken" is not ready: ')


def test_bytes_that_are_no_message(channel: grpc.Channel) -> None:
    call = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
    with pytest.raises(grpc.RpcError) as caught:
        call(b"\xff\xff\xff", timeout=20)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert caught.value.details() == "malformed ModelInferRequest: not a valid protobuf message"
    call = channel.unary_unary("/inference.GRPCInferenceService/ModelReady")
    with pytest.raises(grpc.RpcError) as caught:
        call(b"\xff\xff\xff", timeout=20)
    assert caught.value.details() == "malformed ModelReadyRequest: not a valid protobuf message"


def test_a_failed_call_carries_the_id_that_is_in_the_log(shared: ServerProcess, stub: Any) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        stub.ModelInfer(service_pb2.ModelInferRequest(model_name="gone"), timeout=20)
    made = dict(caught.value.trailing_metadata())["x-request-id"]
    record = shared.wait_for_log(message="request failed", request_id=made)
    assert (record["code"], record["model"], record["method"]) == ("NOT_FOUND", "gone", "ModelInfer")
    with pytest.raises(grpc.RpcError) as caught:
        stub.ModelMetadata(
            service_pb2.ModelMetadataRequest(name="gone"), timeout=20, metadata=(("x-request-id", "mine-1"),)
        )
    assert dict(caught.value.trailing_metadata())["x-request-id"] == "mine-1"
    shared.wait_for_log(message="request failed", request_id="mine-1", method="ModelMetadata")


def test_a_model_that_fails_tells_only_an_id(
    shared: ServerProcess, client: triton.InferenceServerClient
) -> None:
    bad = [tensor("i", np.array([7], np.int64), "INT64")]
    code, message = failure(lambda: client.infer("lookup", bad, headers={"x-request-id": "fail-1"}))
    assert (code, message) == ("INTERNAL", "inference failed; request id fail-1")
    record = shared.wait_for_log(message="request failed", request_id="fail-1")
    assert record["level"] == "error"
    good = [tensor("i", np.array([2], np.int64), "INT64")]
    assert client.infer("lookup", good).as_numpy("v").tolist() == [30]


def test_a_message_over_the_limit(client: triton.InferenceServerClient) -> None:
    code, _ = failure(lambda: client.infer("adder", rows(2_000_000)))
    assert code == "RESOURCE_EXHAUSTED"
    assert client.infer("adder", rows()).as_numpy("q").shape == (2,)


@pytest.mark.parametrize("method", ["get_system_shared_memory_status", "get_cuda_shared_memory_status"])
def test_shared_memory_is_not_offered(client: triton.InferenceServerClient, method: str) -> None:
    code, message = failure(getattr(client, method))
    assert code == "UNIMPLEMENTED"
    assert "shared memory is not offered" in message


def test_other_methods_that_are_not_offered(
    client: triton.InferenceServerClient, channel: grpc.Channel
) -> None:
    assert failure(client.get_trace_settings)[0] == "UNIMPLEMENTED"
    for path in ("/inference.GRPCInferenceService/Nothing", "/nothing.Service/Nothing"):
        with pytest.raises(grpc.RpcError) as caught:
            channel.unary_unary(path)(b"", timeout=20)
        assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


# Deadlines, cancellation, load


@pytest.fixture
def busy(shared: ServerProcess, stub: Any) -> Iterator[None]:
    """The executor of ``slow`` runs one request while another waits."""
    calls = [stub.ModelInfer.future(slow_request(60_000), timeout=60) for _ in range(2)]
    wait_until(lambda: shared.metric("penstock_queue_rows", model="slow") == 1, what="a queue")
    yield
    assert all(call.result() for call in calls)


@pytest.mark.usefixtures("busy")
def test_a_deadline_that_passes_in_the_queue(client: triton.InferenceServerClient) -> None:
    code, message = failure(lambda: client.infer("slow", steps(1), timeout=1000))
    assert code == "DEADLINE_EXCEEDED"
    assert message.startswith("deadline ")


@pytest.mark.usefixtures("busy")
def test_a_deadline_of_the_call(client: triton.InferenceServerClient) -> None:
    assert failure(lambda: client.infer("slow", steps(1), client_timeout=0.05))[0] == "DEADLINE_EXCEEDED"
    assert client.infer("slow", steps(1)).as_numpy("done").tolist() == [1]


def test_a_full_queue(client: triton.InferenceServerClient, stub: Any) -> None:
    calls = [stub.ModelInfer.future(slow_request(50_000), timeout=60) for _ in range(12)]
    refused = [call for call in calls if call.exception() is not None]
    assert 0 < len(refused) < len(calls)
    for call in refused:
        assert call.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert call.details().startswith('queue of model "slow" is full: ')
    assert client.infer("slow", steps(1)).as_numpy("done").tolist() == [1]


def test_clients_that_leave(shared: ServerProcess) -> None:
    with triton.InferenceServerClient(shared.grpc) as client:
        for _ in range(3):
            channels = [
                grpc.insecure_channel(shared.grpc, options=[("grpc.use_local_subchannel_pool", 1)])
                for _ in range(20)
            ]
            calls = [
                service_pb2_grpc.GRPCInferenceServiceStub(channel).ModelInfer.future(slow_request(3_000))
                for channel in channels
                for _ in range(5)
            ]
            for call in calls[::2]:
                call.cancel()
            for channel in channels:
                channel.close()
        done = wait_until(lambda: _answered(client), what="an answer")
        assert done.tolist() == [1]


def _answered(client: triton.InferenceServerClient) -> Any:
    """Return an answer, None while the queue is still full of what was left behind."""
    try:
        return client.infer("slow", steps(1)).as_numpy("done")
    except InferenceServerException as error:
        if error.status() == "StatusCode.RESOURCE_EXHAUSTED":
            return None
        raise


# Streams


@pytest.fixture
def stream(shared: ServerProcess) -> Iterator[tuple[triton.InferenceServerClient, queue.Queue[Any]]]:
    answers: queue.Queue[Any] = queue.Queue()
    with triton.InferenceServerClient(shared.grpc) as client:
        client.start_stream(lambda result, error: answers.put((result, error)))
        yield client, answers
        client.stop_stream()


def test_a_stream_answers_in_order(stream: tuple[triton.InferenceServerClient, queue.Queue[Any]]) -> None:
    client, answers = stream
    for number in range(300):
        array = np.full((1 + number % 5, 3), number, np.float32)
        client.async_stream_infer("adder", [tensor("a", array, "FP32")], request_id=str(number))
    for number in range(300):
        result, error = answers.get(timeout=30)
        assert error is None
        assert result.get_response().id == str(number)
        assert result.as_numpy("p").shape == (1 + number % 5, 3)
        assert result.as_numpy("p")[0, 0] == number + 2


def test_a_stream_goes_on_after_an_error(
    shared: ServerProcess, stream: tuple[triton.InferenceServerClient, queue.Queue[Any]]
) -> None:
    client, answers = stream
    client.async_stream_infer("adder", rows())
    client.async_stream_infer("nothing", rows(), request_id="lost")
    client.async_stream_infer("lookup", [tensor("i", np.array([9], np.int64), "INT64")])
    client.async_stream_infer("adder", rows())
    first, unknown, failed, last = [answers.get(timeout=30) for _ in range(4)]
    assert first[1] is None
    assert last[1] is None
    assert unknown[1].message() == 'model "nothing" is not in the repository'
    what, _, request_id = failed[1].message().rpartition(" ")
    assert what == "inference failed; request id"
    record = shared.wait_for_log(message="request failed", request_id=request_id)
    assert record["method"] == "ModelStreamInfer"


def test_a_failed_request_of_a_stream_is_told_by_its_id(stub: Any) -> None:
    requests = [service_pb2.ModelInferRequest(model_name="nothing", id=name) for name in ("a", "b")]
    answers = list(stub.ModelStreamInfer(iter(requests), timeout=20))
    assert [answer.infer_response.id for answer in answers] == ["a", "b"]
    assert all(answer.error_message for answer in answers)


def test_garbage_in_a_stream(channel: grpc.Channel) -> None:
    call = channel.stream_stream(
        "/inference.GRPCInferenceService/ModelStreamInfer",
        response_deserializer=service_pb2.ModelStreamInferResponse.FromString,
    )
    ready = service_pb2.ModelInferRequest(model_name="nothing").SerializeToString()
    answers = list(call(iter([b"\xff\xff\xff", ready]), timeout=20))
    assert [answer.error_message for answer in answers] == [
        "malformed ModelInferRequest: not a valid protobuf message",
        'model "nothing" is not in the repository',
    ]


def test_requests_of_a_stream_run_at_once(stub: Any) -> None:
    """A queue of four rows holds no more: were they run one by one, none would be refused."""
    answers = list(stub.ModelStreamInfer(iter([slow_request(20_000)] * 12), timeout=60))
    refused = [answer for answer in answers if answer.error_message]
    assert 0 < len(refused) < 12
    assert all(answer.error_message.startswith('queue of model "slow" is full') for answer in refused)


def test_streams_that_are_left(shared: ServerProcess, stub: Any) -> None:
    def endless() -> Iterator[Any]:
        while True:
            yield slow_request(1000)

    for _ in range(10):
        call = stub.ModelStreamInfer(endless())
        next(call)
        call.cancel()
    with triton.InferenceServerClient(shared.grpc) as client:
        assert wait_until(lambda: _answered(client), what="an answer").tolist() == [1]


def test_a_reader_that_is_slow_bounds_what_is_read(shared: ServerProcess, stub: Any) -> None:
    sent = 0

    def endless() -> Iterator[Any]:
        nonlocal sent
        array = np.zeros((20_000, 3), "<f4")
        while True:
            request = service_pb2.ModelInferRequest(model_name="adder")
            request.inputs.add(name="a", datatype="FP32", shape=array.shape)
            request.raw_input_contents.append(array.tobytes())
            sent += 1
            yield request

    call = stub.ModelStreamInfer(endless())
    next(call)
    settled = [-1]

    def stands_still() -> bool:
        settled.append(sent)
        return len(settled) > 100 and settled[-100] == sent

    wait_until(stands_still, 60, "the client to be held back")
    assert sent < 2_000
    call.cancel()


# Health and reflection


def test_health(channel: grpc.Channel) -> None:
    health = health_pb2_grpc.HealthStub(channel)

    def status(name: str) -> int:
        return int(health.Check(health_pb2.HealthCheckRequest(service=name), timeout=20).status)

    assert status("adder") == SERVING
    assert status("broken") == NOT_SERVING
    assert status("") == status("inference.GRPCInferenceService") == NOT_SERVING
    with pytest.raises(grpc.RpcError) as caught:
        status("nothing")
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    assert "x-request-id" in dict(caught.value.trailing_metadata())


def test_reflection(channel: grpc.Channel) -> None:
    database = ProtoReflectionDescriptorDatabase(channel)
    services = set(database.get_services())
    assert {"inference.GRPCInferenceService", "grpc.health.v1.Health"} <= services
    pool = descriptor_pool.DescriptorPool(database)
    for name in services:
        assert pool.FindServiceByName(name).methods
    methods = pool.FindServiceByName("inference.GRPCInferenceService").methods_by_name
    assert "ModelInfer" in methods
    assert "SystemSharedMemoryRegister" not in methods


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
def test_reflection_versions(channel: grpc.Channel, version: str) -> None:
    call = channel.stream_stream(
        f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
        request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
        response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
    )
    requests = [
        reflection_pb2.ServerReflectionRequest(file_containing_symbol="inference.ModelConfig"),
        reflection_pb2.ServerReflectionRequest(file_containing_symbol="no.such.Symbol"),
        reflection_pb2.ServerReflectionRequest(list_services=""),
    ]
    found, missing, listed = call(iter(requests), timeout=20)
    assert found.file_descriptor_response.file_descriptor_proto
    assert missing.error_response.error_code == grpc.StatusCode.NOT_FOUND.value[0]
    assert len(listed.list_services_response.service) == 5


# Extensions


def test_model_config(client: triton.InferenceServerClient) -> None:
    config = client.get_model_config("adder").config
    assert (config.name, config.backend, config.max_batch_size) == ("adder", "onnxruntime", 256)
    assert [(i.name, list(i.dims)) for i in config.input] == [("a", [3])]
    scalar = config.output[1]
    assert (list(scalar.dims), list(scalar.reshape.shape)) == ([1], [])
    assert scalar.HasField("reshape")
    assert list(config.version_policy.specific.versions) == [1]
    assert config.HasField("dynamic_batching")
    single = client.get_model_config("slow").config
    assert (single.max_batch_size, list(single.input[0].dims)) == (0, [1])
    assert not single.HasField("dynamic_batching")
    assert failure(lambda: client.get_model_config("nothing"))[0] == "NOT_FOUND"


def test_statistics(client: triton.InferenceServerClient) -> None:
    before = client.get_inference_statistics("adder", "2").model_stats[0]
    client.infer("adder", rows(5))
    failure(lambda: client.infer("adder", rows(), priority=9))

    def after() -> Any:
        (now,) = client.get_inference_statistics("adder", "2").model_stats
        return now if now.inference_count > before.inference_count else None

    now = wait_until(after, what="the statistics")
    assert now.inference_count == before.inference_count + 5
    assert now.execution_count > before.execution_count
    assert now.inference_stats.success.count == before.inference_stats.success.count + 1
    assert now.inference_stats.success.ns > before.inference_stats.success.ns
    assert now.last_inference >= before.last_inference
    everything = client.get_inference_statistics().model_stats
    assert {(s.name, s.version) for s in everything} >= {("adder", "1"), ("adder", "2"), ("echo", "1")}
    assert failure(lambda: client.get_inference_statistics("nothing"))[0] == "NOT_FOUND"
    assert failure(lambda: client.get_inference_statistics("", "1"))[0] == "INVALID_ARGUMENT"


def test_repository_index(client: triton.InferenceServerClient, stub: Any) -> None:
    index = {(m.name, m.version): (m.state, m.reason) for m in client.get_model_repository_index().models}
    assert index["adder", "2"] == ("READY", "")
    state, reason = index["broken", "1"]
    assert state == "UNAVAILABLE"
    assert reason
    assert "/tmp" not in reason
    ready = stub.RepositoryIndex(service_pb2.RepositoryIndexRequest(ready=True), timeout=20).models
    assert {m.name for m in ready} == {"adder", "echo", "lookup", "slow"}
    with pytest.raises(grpc.RpcError) as caught:
        stub.RepositoryIndex(service_pb2.RepositoryIndexRequest(repository_name="x"), timeout=20)
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_log_settings(client: triton.InferenceServerClient) -> None:
    def verbose() -> Any:
        return client.get_log_settings().settings["log_verbose_level"].uint32_param

    assert verbose() == 0
    client.update_log_settings({"log_verbose_level": 1})
    assert verbose() == 1
    client.update_log_settings({"log_verbose_level": 0, "log_info": None})
    assert verbose() == 0
    assert failure(lambda: client.update_log_settings({"log_file": "/tmp/x"}))[0] == "UNIMPLEMENTED"
    assert failure(lambda: client.update_log_settings({"log_sound": True}))[0] == "INVALID_ARGUMENT"


def test_stubs_from_our_protos(shared: ServerProcess, tmp_path: Path) -> None:
    """In a process of its own: the published client registers the same names in this one."""
    files = ["inference/grpc_service.proto", "inference/model_config.proto"]
    out = [f"--python_out={tmp_path}", f"--grpc_python_out={tmp_path}"]
    subprocess.run([sys.executable, "-m", "grpc_tools.protoc", f"-I{PROTOS}", *out, *files], check=True)
    program = textwrap.dedent(
        """
        import struct, sys
        import grpc
        from inference import grpc_service_pb2 as pb, grpc_service_pb2_grpc as rpc
        with grpc.insecure_channel(sys.argv[1]) as channel:
            stub = rpc.GRPCInferenceServiceStub(channel)
            request = pb.ModelInferRequest(model_name="adder", id="7")
            request.inputs.add(name="a", datatype="FP32", shape=[1, 3])
            request.raw_input_contents.append(struct.pack("<3f", 1, 2, 3))
            response = stub.ModelInfer(request, timeout=20)
            print(response.id, struct.unpack("<3f", response.raw_output_contents[0]))
            for answer in stub.ModelStreamInfer(iter([request, request]), timeout=20):
                print(answer.infer_response.id or answer.error_message)
            print(stub.ModelConfig(pb.ModelConfigRequest(name="adder"), timeout=20).config.max_batch_size)
        """
    )
    (tmp_path / "client.py").write_text(program)
    run = subprocess.run(
        [sys.executable, "client.py", shared.grpc], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert run.stdout.splitlines() == ["7 (3.0, 4.0, 5.0)", "7", "7", "256"], run.stderr
