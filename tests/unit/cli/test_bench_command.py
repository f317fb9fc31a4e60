"""``penstock bench`` against a tiny server of the protocol."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import grpc
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet
import pytest

from penstock.cli.main import main
from penstock.protos import message_class


class Models(grpc.GenericRpcHandler):
    """Answers ModelMetadata and ModelInfer; keeps the requests."""

    def __init__(self) -> None:
        self.requests: list[Any] = []
        self.code: grpc.StatusCode | None = None
        self.inputs: list[tuple[str, str, list[int]]] = [("x", "FP32", [-1, 2])]
        self.output_shape = [-1]

    def service(self, details: Any) -> Any:
        calls = {"ModelMetadata": self._metadata, "ModelInfer": self._infer}
        return grpc.unary_unary_rpc_method_handler(calls[details.method.rpartition("/")[2]])

    def _metadata(self, data: bytes, context: grpc.ServicerContext) -> bytes:
        request = message_class("ModelMetadataRequest").FromString(data)
        if request.name != "m":
            context.abort(grpc.StatusCode.NOT_FOUND, f'model "{request.name}" is not in the repository')
        answer = message_class("ModelMetadataResponse")(name="m")
        for name, datatype, shape in self.inputs:
            answer.inputs.add(name=name, datatype=datatype, shape=shape)
        answer.outputs.add(name="y", datatype="FP32", shape=self.output_shape)
        return answer.SerializeToString()

    def _infer(self, data: bytes, context: grpc.ServicerContext) -> bytes:
        self.requests.append(message_class("ModelInferRequest").FromString(data))
        if self.code is not None:
            context.abort(self.code, "no luck")
        return message_class("ModelInferResponse")(model_name="m").SerializeToString()

    def raw(self) -> set[bytes]:
        return {request.raw_input_contents[0] for request in self.requests}


@pytest.fixture
def models() -> Models:
    return Models()


@pytest.fixture
def address(models: Models) -> Iterator[str]:
    server = grpc.server(ThreadPoolExecutor(4))
    server.add_generic_rpc_handlers((models,))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}"
    server.stop(None).wait(10)


class Result(NamedTuple):
    exit_code: int
    stdout: str
    stderr: str


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    def run(*arguments: str) -> Result:
        monkeypatch.setattr("sys.argv", ["penstock", "bench", *arguments])
        with pytest.raises(SystemExit) as exit:
            main()
        code = exit.value.code
        assert isinstance(code, int)
        return Result(code, *capsys.readouterr())

    return run


Call = Callable[..., Result]


def test_the_sweep_prints_a_table(call: Call, models: Models, address: str) -> None:
    result = call("m", "-a", address, "-n", "600", "--distinct", "16")
    assert result.exit_code == 0, result.stderr
    for load in ("1 × 1", "8 × 8", "16 × 32"):
        assert load in result.stdout
    assert len(models.requests) == 1800
    assert len(models.raw()) == 16, "requests are distinct"


def test_json(call: Call, models: Models, address: str) -> None:
    result = call("m", "-a", address, "-n", "10", "-c", "2", "--rows", "3", "--version", "4", "--json")
    data = json.loads(result.stdout)
    assert (data["model"], data["rows_per_request"], len(data["runs"])) == ("m", 3, 1)
    run = data["runs"][0]
    assert (run["connections"], run["streams"], run["ok"], run["by_code"]) == (2, 1, 10, {"OK": 10})
    assert models.requests[0].model_version == "4"
    assert list(models.requests[0].inputs[0].shape) == [3, 2]


def test_failed_requests_are_said_and_fail_the_command(call: Call, models: Models, address: str) -> None:
    models.code = grpc.StatusCode.RESOURCE_EXHAUSTED
    result = call("m", "-a", address, "-n", "5", "-c", "1")
    assert result.exit_code == 1
    assert "5 answered RESOURCE_EXHAUSTED: no luck" in result.stdout


def test_unknown_model(call: Call, address: str) -> None:
    result = call("other", "-a", address)
    assert result.exit_code == 1
    assert 'model "other" is not in the repository' in result.stderr


def test_nobody_listens(call: Call, address: str) -> None:
    result = call("m", "-a", "127.0.0.1:1")
    assert result.exit_code == 1
    assert "127.0.0.1:1" in result.stderr


@pytest.mark.parametrize("arguments", [("m", "-a", "nonsense"), ("m", "--rows", "0"), ()])
def test_wrong_calls(call: Call, arguments: tuple[str, ...]) -> None:
    assert call(*arguments).exit_code == 2


@pytest.mark.parametrize("suffix", [".parquet", ".arrow"])
def test_rows_from_a_file(call: Call, models: Models, address: str, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"rows{suffix}"
    table = pa.table({"a": pa.array([1, 2, 3], pa.float32()), "b": pa.array([4, 5, 6], pa.float32())})
    (pa.parquet.write_table if suffix == ".parquet" else pa.feather.write_feather)(table, path)
    result = call("m", "-a", address, "-n", "6", "-c", "1", "--data", str(path))
    assert result.exit_code == 0, result.stderr
    assert len(models.raw()) == 3


def test_a_file_that_does_not_fit(call: Call, address: str, tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    pa.parquet.write_table(pa.table({"a": ["text"]}), path)
    assert call("m", "-a", address, "--data", str(path)).exit_code == 2
    assert call("m", "-a", address, "--data", str(tmp_path / "none.parquet")).exit_code == 2
    path.write_bytes(b"not parquet")
    assert call("m", "-a", address, "--data", str(path)).exit_code == 2


def test_a_model_that_is_not_batched(call: Call, models: Models, address: str) -> None:
    models.inputs, models.output_shape = [("x", "INT64", [3])], [1]
    assert call("m", "-a", address, "-n", "4", "-c", "1").exit_code == 0
    assert list(models.requests[0].inputs[0].shape) == [3]
    assert call("m", "-a", address, "--rows", "2").exit_code == 2
