"""Published clients, unmodified: grpc-js from npm, tritonclient's streams and callbacks, our own stubs.

What else tritonclient does is in test_control_plane.py.
"""

from __future__ import annotations

import asyncio
import json
import os
import queue
import shutil
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import models
import numpy as np
import pytest
import tritonclient.grpc as triton
import tritonclient.grpc.aio as triton_aio
from serving import ServerProcess
from tritonclient.utils import InferenceServerException

from penstock.bundle.signature import DATATYPES

HERE = Path(__file__).parent
PROTOS = HERE.parents[1] / "protos"
PACKAGES = ("@grpc/grpc-js@1.14.7", "@grpc/proto-loader@0.8.1")
INSTALL_TIMEOUT_S = 90


@pytest.fixture(scope="module", params=["native", "grpcio"])
def address(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if request.param == "native":
        pytest.importorskip("penstock.serve._front", reason="the native front is not built here")
    root = tmp_path_factory.mktemp("models")
    models.publish(root, "affine", 1, models.affine, bias=1)
    for datatype in DATATYPES:
        models.publish(root, datatype, 1, models.identity, datatype=datatype, shape=("n", 2))
    process = ServerProcess(root, request.param)
    yield process.grpc
    alive = process.process.poll() is None
    process.close()
    assert alive


# JavaScript


@pytest.fixture(scope="module")
def node_packages() -> Path:
    """A node_modules folder with the packages, kept between runs in the user's cache."""
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "penstock-tests")
    name = "-".join(package.rpartition("/")[2].replace("@", "-") for package in PACKAGES)
    if not (cache / name).is_dir():
        try:
            cache.mkdir(parents=True, exist_ok=True)
            _install(cache, cache / name)
        except (OSError, subprocess.SubprocessError) as error:
            reason = getattr(error, "stderr", None) or str(error)
            pytest.skip(f"npm could not install {', '.join(PACKAGES)}: {reason.strip().splitlines()[-1]}")
    return cache / name / "node_modules"


def _install(cache: Path, target: Path) -> None:
    with tempfile.TemporaryDirectory(dir=cache) as folder:
        subprocess.run(
            ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", ".", *PACKAGES],
            cwd=folder,
            check=True,
            capture_output=True,
            text=True,
            timeout=INSTALL_TIMEOUT_S,
        )
        made = Path(folder, "done")
        made.mkdir()
        Path(folder, "node_modules").rename(made / "node_modules")
        try:
            made.rename(target)
        except OSError:
            if not target.is_dir():  # another run was first otherwise
                raise


def test_grpc_js(address: str, node_packages: Path) -> None:
    run = subprocess.run(
        ["node", str(HERE / "clients" / "node_client.js"), address, str(PROTOS)],
        env=os.environ | {"NODE_PATH": str(node_packages)},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    got: dict[str, Any] = json.loads(run.stdout)
    assert got["live"] is True
    assert got["metadata"] == [{"name": "x", "datatype": "FP32", "shape": [-1, 4]}]
    assert got["raw"] == {"id": "größe", "version": "1", "shape": [2, 2], "values": [31, 61, 1, 1]}
    assert got["typed"] == {"id": "", "version": "1", "shape": [1, 2], "values": [31, 61]}
    assert got["compressed"]["values"] == [31, 61]
    assert got["large"] == [2**19, 2]
    assert got["many"] is True
    assert got["unknown"] == {
        "code": "NOT_FOUND",
        "details": 'model "größe "1"" is not in the repository',
        "request_id": "from-node",
    }
    assert (got["wrong"]["code"], got["wrong"]["details"]) == (
        "INVALID_ARGUMENT",
        'input "x": expected 16 bytes for shape [1,4], got 4',
    )
    assert got["refused"]["code"] == "INVALID_ARGUMENT"
    assert got["late"] == "DEADLINE_EXCEEDED"
    assert got["cancelled"] == "CANCELLED"
    assert got["stream"] == ["a", 'model "nothing" is not in the repository', "b"]
    assert got["after"] == [11, 21]


# tritonclient


def rows(count: int, value: float = 1.0) -> list[triton.InferInput]:
    made = triton.InferInput("x", [count, 4], "FP32")
    made.set_data_from_numpy(np.full((count, 4), value, np.float32))
    return [made]


@pytest.mark.parametrize("datatype", DATATYPES)
def test_triton_passes_every_datatype(address: str, datatype: str) -> None:
    if datatype == "BYTES":
        array: np.ndarray[Any, Any] = np.array([["a", "größe"], ["", "x" * 5000]], dtype=object)
    else:
        array = np.array([[0, 1], [2, 3]]).astype(DATATYPES[datatype])
    made = triton.InferInput("x", [2, 2], datatype)
    made.set_data_from_numpy(array)
    with triton.InferenceServerClient(address) as client:
        got = client.infer(datatype, [made]).as_numpy("y")
    if datatype == "BYTES":
        assert [item.decode() for item in got.flat] == list(array.flat)
    else:
        assert (got.dtype, got.tolist()) == (array.dtype, array.tolist())


def test_triton_callbacks(address: str) -> None:
    answers: queue.Queue[Any] = queue.Queue()
    options = triton.KeepAliveOptions(keepalive_time_ms=60_000, keepalive_permit_without_calls=True)
    with triton.InferenceServerClient(address, keepalive_options=options) as client:
        for n in range(100):
            client.async_infer(
                "affine", rows(1, n), lambda result, error: answers.put((result, error)), request_id=str(n)
            )
        got = [answers.get(timeout=30) for _ in range(100)]
    assert all(error is None for _, error in got)
    values = {int(result.get_response().id): result.as_numpy("y")[0, 0] for result, _ in got}
    assert values == {n: 10 * n + 1 for n in range(100)}


def test_triton_callbacks_can_be_cancelled(address: str) -> None:
    answers: queue.Queue[Any] = queue.Queue()
    with triton.InferenceServerClient(address) as client:
        contexts = [
            client.async_infer("affine", rows(50), lambda result, error: answers.put((result, error)))
            for _ in range(50)
        ]
        for context in contexts:
            context.cancel()
        for result, error in (answers.get(timeout=30) for _ in contexts):
            assert result is not None or "CANCELLED" in str(error)
        assert client.infer("affine", rows(1)).as_numpy("y")[0, 0] == 11


def test_triton_aio_stream(address: str) -> None:
    async def requests() -> AsyncIterator[dict[str, Any]]:
        for n in range(200):
            model = "nothing" if n % 50 == 7 else "affine"
            yield {"model_name": model, "inputs": rows(1 + n % 3, n), "request_id": str(n)}
            if n % 20 == 0:
                await asyncio.sleep(0)

    async def run() -> list[tuple[Any, Any]]:
        async with triton_aio.InferenceServerClient(address) as client:
            return [answer async for answer in client.stream_infer(requests())]

    got = asyncio.run(run())
    assert len(got) == 200
    for n, (result, error) in enumerate(got):
        if n % 50 == 7:
            assert error.message() == 'model "nothing" is not in the repository'
            continue
        assert error is None
        assert result.get_response().id == str(n)
        assert result.as_numpy("y")[:, 0].tolist() == [10 * n + 1] * (1 + n % 3)


def test_triton_aio_errors(address: str) -> None:
    async def run() -> None:
        async with triton_aio.InferenceServerClient(address) as client:
            with pytest.raises(InferenceServerException, match='missing input "x"') as caught:
                await client.infer("affine", [])
            assert caught.value.status() == "StatusCode.INVALID_ARGUMENT"
            with pytest.raises(InferenceServerException) as caught:
                await client.infer("affine", rows(1), priority=3)
            assert caught.value.status() == "StatusCode.INVALID_ARGUMENT"
            task = asyncio.ensure_future(client.infer("affine", rows(1000)))
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert (await client.infer("affine", rows(1))).as_numpy("y")[0, 0] == 11

    asyncio.run(run())


# grpcio with stubs of our own


def test_aio_stubs_from_our_protos(address: str, tmp_path: Path) -> None:
    """In a process of its own: the published client registers the same names in this one."""
    files = ["inference/grpc_service.proto", "inference/model_config.proto"]
    out = [f"--python_out={tmp_path}", f"--grpc_python_out={tmp_path}"]
    subprocess.run([sys.executable, "-m", "grpc_tools.protoc", f"-I{PROTOS}", *out, *files], check=True)
    program = """
        import asyncio, struct, sys
        import grpc
        from inference import grpc_service_pb2 as pb, grpc_service_pb2_grpc as rpc

        def request(n, **more):
            made = pb.ModelInferRequest(**({"model_name": "affine", "id": str(n)} | more))
            made.inputs.add(name="x", datatype="FP32", shape=[1, 4])
            made.raw_input_contents.append(struct.pack("<4f", n, n, n, n))
            return made

        async def main():
            async with grpc.aio.insecure_channel(sys.argv[1]) as channel:
                stub = rpc.GRPCInferenceServiceStub(channel)
                answers = await asyncio.gather(*(stub.ModelInfer(request(n), timeout=30) for n in range(200)))
                for n, answer in enumerate(answers):
                    assert answer.id == str(n), answer
                    assert struct.unpack("<2f", answer.raw_output_contents[0]) == (10 * n + 1, 20 * n + 1)
                    assert list(answer.outputs[0].shape) == [1, 2]
                call = stub.ModelStreamInfer(timeout=30)
                for n in range(10):
                    await call.write(request(n))
                    answer = await call.read()
                    assert answer.infer_response.id == str(n), answer
                await call.done_writing()
                assert await call.read() is grpc.aio.EOF
                try:
                    await stub.ModelInfer(request(0, model_name="nothing"), timeout=30)
                except grpc.aio.AioRpcError as error:
                    print(error.code().name, error.details())
                names = (await stub.RepositoryIndex(pb.RepositoryIndexRequest(), timeout=30)).models
                print("affine" in {model.name for model in names})

        asyncio.run(main())
    """
    (tmp_path / "client.py").write_text(textwrap.dedent(program))
    run = subprocess.run(
        [sys.executable, "client.py", address],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    lines = ['NOT_FOUND model "nothing" is not in the repository', "True"]
    assert run.stdout.splitlines() == lines, run.stderr
