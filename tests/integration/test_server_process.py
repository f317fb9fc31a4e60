"""The process: ready line, ports, HTTP, signals, TLS."""

from __future__ import annotations

import importlib.util
import signal
import socket
import stat
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import httpx
import numpy as np
import pytest
import wire_models
from certificates import Authority
from grpc_health.v1 import health_pb2, health_pb2_grpc
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_prometheus
from serving import ServerProcess, StartError, wait_until
from tritonclient.grpc import service_pb2, service_pb2_grpc

Start = Callable[..., ServerProcess]


def slow_request(count: int) -> Any:
    request = service_pb2.ModelInferRequest(model_name="slow")
    request.inputs.add(name="steps", datatype="INT64", shape=[1])
    request.raw_input_contents.append(np.array([count], "<i8").tobytes())
    return request


def adder_request() -> Any:
    request = service_pb2.ModelInferRequest(model_name="adder")
    request.inputs.add(name="a", datatype="FP32", shape=[1, 3]).contents.fp32_contents.extend([0, 0, 0])
    return request


@pytest.fixture
def models(repository: Path) -> Path:
    wire_models.publish(repository, "adder", 1, wire_models.adder(1))
    wire_models.publish(repository, "slow", 1, wire_models.slow())
    return repository


# HTTP


def test_http(models: Path, server: Start, front: str) -> None:
    process = server()
    assert process.get("/healthz").json() == {"live": True}
    ready = process.get("/readyz")
    assert (ready.status_code, ready.json()) == (200, {"ready": True, "reasons": []})
    assert process.get("/nothing").status_code == 404
    with grpc.insecure_channel(process.grpc) as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        for _ in range(3):
            stub.ModelInfer(adder_request(), timeout=20)
    labels = {"model": "adder", "version": "1"}
    assert wait_until(lambda: process.metric("penstock_requests_total", code="OK", **labels) == 3)
    assert process.metric("penstock_rows_total", **labels) == 3
    assert 1 <= process.metric("penstock_batches_total", **labels) <= 3
    for name in ("queue_seconds", "execution_seconds", "request_seconds", "batch_rows"):
        assert process.metric(f"penstock_{name}_count", **labels) >= 1
        assert process.metric(f"penstock_{name}_sum", **labels) > 0
    assert process.metric("penstock_queue_rows", model="adder") == 0
    answered = "penstock_front_infer_calls_total" if front == "native" else "penstock_control_calls_total"
    assert process.metric(answered) == 3


@pytest.mark.parametrize(
    ("accept", "parse"),
    [("", parse_prometheus), ("application/openmetrics-text;version=1.0.0", parse_openmetrics)],
)
def test_metrics_are_well_formed(models: Path, server: Start, accept: str, parse: Any) -> None:
    process = server()
    text = httpx.get(f"http://{process.http}/metrics", headers={"accept": accept}, timeout=20).text
    families = {family.name: family for family in parse(text)}
    assert {"penstock_requests", "penstock_queue_rows", "penstock_model_loads"} <= set(families)
    assert all(name.startswith("penstock_") for name in families)
    buckets = [
        sample.value
        for sample in families["penstock_queue_seconds"].samples
        if sample.name.endswith("_bucket") and sample.labels["model"] == "adder"
    ]
    assert buckets == sorted(buckets)


def test_readiness_says_why_not(models: Path, server: Start) -> None:
    wire_models.publish(models, "broken", 1, b"garbage")
    ready = server().get("/readyz")
    assert ready.status_code == 503
    (reason,) = ready.json()["reasons"]
    assert (reason["model"], reason["version"], reason["state"]) == ("broken", 1, "UNAVAILABLE")
    assert reason["reason"]
    assert str(models) not in reason["reason"]


# Ports and settings


def test_ready_line(models: Path, server: Start) -> None:
    process = server()
    assert process.stdout() == f"penstock ready grpc={process.grpc} http={process.http}\n"
    assert not process.grpc.endswith(":0")
    assert not process.http.endswith(":0")


@pytest.mark.parametrize("key", ["grpc", "http"])
def test_a_port_that_is_taken(models: Path, server: Start, key: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(StartError, match=f"{key} address {address} is already in use; stop the process"):
            server(**{key: address})


def test_a_port_that_another_server_has(models: Path, server: Start) -> None:
    first = server()
    with pytest.raises(StartError, match="is already in use"):
        server(grpc=first.grpc)
    assert first.get("/healthz").status_code == 200


def test_a_native_front_that_is_not_built(models: Path) -> None:
    if importlib.util.find_spec("penstock.serve._front") is not None:
        pytest.skip("the native front is built here")
    with pytest.raises(StartError, match=r'ConfigError: server\.front is "native", but this installation'):
        ServerProcess(models, "native")


# Signals


def test_sigterm_finishes_what_is_in_flight(models: Path, server: Start) -> None:
    process = server()
    with grpc.insecure_channel(process.grpc) as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        calls = [stub.ModelInfer.future(slow_request(30_000), timeout=60) for _ in range(4)]
        wait_until(lambda: process.metric("penstock_queue_rows", model="slow") >= 1, what="a queue")
        process.signal(signal.SIGTERM)
        assert [call.result().model_version for call in calls] == ["1"] * 4
    assert process.wait() == 0
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", int(process.grpc.rpartition(":")[2])))


def test_sigint_ends_idle_streams(models: Path, server: Start) -> None:
    process = server()
    with grpc.insecure_channel(process.grpc) as channel:
        watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(), timeout=60)
        assert next(watch).status == health_pb2.HealthCheckResponse.SERVING
        pending = _Endless([adder_request()])
        stream = service_pb2_grpc.GRPCInferenceServiceStub(channel).ModelStreamInfer(pending, timeout=60)
        assert next(stream).error_message == ""
        process.signal(signal.SIGINT)
        assert next(watch).status == health_pb2.HealthCheckResponse.NOT_SERVING
        for ended in (watch, stream):
            with pytest.raises(grpc.RpcError) as caught:
                next(ended)
            assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        assert process.wait(15) == 0
        pending.end()
    assert not any(record["level"] in ("warning", "error") for record in process.logs())


class _Endless:
    """Requests, then silence until :meth:`end`."""

    def __init__(self, requests: list[Any]) -> None:
        self._requests = requests
        self._ended = threading.Event()

    def __iter__(self) -> _Endless:
        return self

    def __next__(self) -> Any:
        if self._requests:
            return self._requests.pop()
        self._ended.wait(60)
        raise StopIteration

    def end(self) -> None:
        self._ended.set()


def test_a_second_signal_stops_at_once(models: Path, server: Start) -> None:
    process = server()
    with grpc.insecure_channel(process.grpc) as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        call = stub.ModelInfer.future(slow_request(10_000_000), timeout=100)
        wait_until(lambda: process.metric("penstock_process_cpu_seconds_total") > 0)
        process.signal(signal.SIGTERM)
        process.wait_for_log(message="draining")
        process.signal(signal.SIGTERM)
        assert process.wait(15) == 1
        assert call.exception() is not None


def test_a_drain_that_takes_too_long_is_cut(models: Path, server: Start) -> None:
    process = server(drain_timeout_s=0.2)
    with grpc.insecure_channel(process.grpc) as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        calls = [stub.ModelInfer.future(slow_request(10_000_000), timeout=100) for _ in range(2)]
        wait_until(lambda: process.metric("penstock_queue_rows", model="slow") == 1, what="a queue")
        process.signal(signal.SIGTERM)
        assert all(call.exception() is not None for call in calls)
        assert process.wait(30) == 0


def test_triton_status_codes(models: Path, server: Start) -> None:
    process = server(triton_status_codes=True, models={"slow": {"max_queue_rows": 1}})
    with grpc.insecure_channel(process.grpc) as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        calls = [stub.ModelInfer.future(slow_request(30_000), timeout=60) for _ in range(6)]
        codes = {call.code() for call in calls}
    assert codes == {grpc.StatusCode.OK, grpc.StatusCode.UNAVAILABLE}


def test_the_control_socket_goes_with_the_process(
    models: Path, server: Start, front: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        monkeypatch.setenv("TMPDIR", folder)
        process = server()
        sockets = list(Path(folder).glob("penstock-*"))
        assert len(sockets) == (1 if front == "native" else 0)
        for path in sockets:
            assert stat.S_IMODE(path.stat().st_mode) == 0o700
        assert process.stop() == 0
        assert not list(Path(folder).glob("penstock-*"))


# TLS


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def infer_over(channel: grpc.Channel) -> Any:
    with channel:
        return service_pb2_grpc.GRPCInferenceServiceStub(channel).ModelInfer(adder_request(), timeout=10)


def test_tls(models: Path, server: Start, authority: Authority) -> None:
    certificate, key = authority.issue("server")
    process = server(tls={"certificate": str(certificate), "key": str(key)})
    credentials = grpc.ssl_channel_credentials(authority.path.read_bytes())
    assert infer_over(grpc.secure_channel(process.grpc, credentials)).model_version == "1"
    with pytest.raises(grpc.RpcError):
        infer_over(grpc.insecure_channel(process.grpc))
    assert infer_over(grpc.secure_channel(process.grpc, credentials)).model_version == "1"
    assert process.stop() == 0


def test_mutual_tls(models: Path, server: Start, authority: Authority, tmp_path: Path) -> None:
    certificate, key = authority.issue("server")
    process = server(tls={"certificate": str(certificate), "key": str(key), "client_ca": str(authority.path)})
    mine, my_key = authority.issue("client")
    root = authority.path.read_bytes()
    known = grpc.ssl_channel_credentials(root, my_key.read_bytes(), mine.read_bytes())
    assert infer_over(grpc.secure_channel(process.grpc, known)).model_version == "1"
    stranger_folder = tmp_path / "stranger"
    stranger_folder.mkdir()
    theirs, their_key = Authority(stranger_folder).issue("stranger")
    stranger = grpc.ssl_channel_credentials(root, their_key.read_bytes(), theirs.read_bytes())
    for credentials in (grpc.ssl_channel_credentials(root), stranger):
        with pytest.raises(grpc.RpcError):
            infer_over(grpc.secure_channel(process.grpc, credentials))
    assert infer_over(grpc.secure_channel(process.grpc, known)).model_version == "1"


@pytest.mark.parametrize("fault", ["missing", "garbage", "other key"])
def test_tls_files_that_do_not_work(models: Path, server: Start, authority: Authority, fault: str) -> None:
    certificate, key = authority.issue("server")
    if fault == "missing":
        key = key.with_name("nothing.key")
    elif fault == "garbage":
        certificate.write_text("garbage")
    else:
        _, key = authority.issue("other")
    with pytest.raises(StartError, match=r"ConfigError: server\.tls: ") as caught:
        server(tls={"certificate": str(certificate), "key": str(key)})
    assert "BEGIN" not in str(caught.value)
