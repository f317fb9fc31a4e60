"""ModelInfer requests that are wrong in themselves: the status, the words, and a server that goes on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import grpc
import numpy as np
import pytest
from conftest import good_request
from serving import ServerProcess
from tritonclient.grpc import service_pb2

METHOD = "/inference.GRPCInferenceService/ModelInfer"
Request = service_pb2.ModelInferRequest


@pytest.fixture(scope="module", params=["native", "grpcio"])
def fronts(request: pytest.FixtureRequest) -> str:
    if request.param == "native":
        pytest.importorskip("penstock.serve._front", reason="the native front is not built here")
    return str(request.param)


def send(process: ServerProcess, data: bytes, *, identified: bool = True, **options: Any) -> tuple[str, str]:
    """Send bytes as a ModelInfer message; return the name of the status and its message.

    A failure that the server sees whole carries a request id.
    """
    with grpc.insecure_channel(process.grpc) as channel:
        call = channel.unary_unary(METHOD).future(data, timeout=20, **options)
        code = call.code().name
        assert code == "OK" or not identified or dict(call.trailing_metadata())["x-request-id"]
        return code, call.details()


def change(**fields: Any) -> Callable[[Request], None]:
    def apply(request: Request) -> None:
        for name, value in fields.items():
            setattr(request, name, value)

    return apply


def change_input(**fields: Any) -> Callable[[Request], None]:
    def apply(request: Request) -> None:
        for name, value in fields.items():
            if name == "shape":
                request.inputs[0].shape[:] = value
            else:
                setattr(request.inputs[0], name, value)

    return apply


def raw(*buffers: bytes) -> Callable[[Request], None]:
    def apply(request: Request) -> None:
        request.raw_input_contents[:] = buffers

    return apply


def mix(request: Request) -> None:
    request.inputs[0].contents.fp32_contents.extend([1, 2, 3])


def drop_input(request: Request) -> None:
    del request.inputs[:]
    del request.raw_input_contents[:]


def add_output(request: Request) -> None:
    request.outputs.add(name="zzz")


def typed(count: int) -> Callable[[Request], None]:
    def apply(request: Request) -> None:
        del request.raw_input_contents[:]
        request.inputs[0].contents.fp32_contents.extend([0] * count)

    return apply


def set_parameter(name: str, **value: Any) -> Callable[[Request], None]:
    def apply(request: Request) -> None:
        for field, content in value.items():
            setattr(request.parameters[name], field, content)

    return apply


FAULTS: dict[str, tuple[Callable[[Request], None], str, str]] = {
    "unknown model": (change(model_name="nobody"), "NOT_FOUND", 'model "nobody" is not in the repository'),
    "unknown version": (change(model_version="7"), "NOT_FOUND", 'model "adder" has no version "7"'),
    "version that is no number": (change(model_version="01"), "NOT_FOUND", 'has no version "01"'),
    "unknown input": (change_input(name="b"), "INVALID_ARGUMENT", 'unknown input "b"; expected inputs: "a"'),
    "missing input": (drop_input, "INVALID_ARGUMENT", 'missing input "a"'),
    "unknown output": (add_output, "INVALID_ARGUMENT", 'unknown output "zzz"; expected outputs: "p", "q"'),
    "wrong datatype": (
        change_input(datatype="INT64"),
        "INVALID_ARGUMENT",
        'input "a": expected datatype FP32, got "INT64"',
    ),
    "wrong rank": (change_input(shape=[3]), "INVALID_ARGUMENT", "expected shape [-1,3], got [3]"),
    "wrong size": (change_input(shape=[1, 4]), "INVALID_ARGUMENT", "expected shape [-1,3], got [1,4]"),
    "negative size": (change_input(shape=[-1, 3]), "INVALID_ARGUMENT", "expected shape [-1,3], got [-1,3]"),
    "no rows": (change_input(shape=[0, 3]), "INVALID_ARGUMENT", "expected shape [-1,3], got [0,3]"),
    "huge shape": (change_input(shape=[2**62, 3]), "INVALID_ARGUMENT", "expected shape [-1,3], got [4611"),
    "too few bytes": (
        raw(b"\0" * 11),
        "INVALID_ARGUMENT",
        'input "a": expected 12 bytes for shape [1,3], got 11',
    ),
    "too many bytes": (raw(b"\0" * 13), "INVALID_ARGUMENT", "expected 12 bytes for shape [1,3], got 13"),
    "too many buffers": (raw(b"\0" * 12, b""), "INVALID_ARGUMENT", "holds 2 buffers; expected 1"),
    "mixed contents": (mix, "INVALID_ARGUMENT", "raw_input_contents and typed contents must not be mixed"),
    "too few elements": (typed(2), "INVALID_ARGUMENT", "expected 3 elements in fp32_contents"),
    "no contents": (raw(), "INVALID_ARGUMENT", "expected 3 elements in fp32_contents"),
    "priority": (set_parameter("priority", int64_param=3), "INVALID_ARGUMENT", 'parameter "priority"'),
    "timeout": (set_parameter("timeout", int64_param=-1), "INVALID_ARGUMENT", 'parameter "timeout"'),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_request_that_does_not_fit(victim: ServerProcess, fault: str) -> None:
    apply, code, text = FAULTS[fault]
    request = good_request()
    apply(request)
    got, message = send(victim, request.SerializeToString())
    assert got == code
    assert text in message


TEXT_SHAPE = "BYTES tensor of shape [1,2] does not hold exactly 2 length-prefixed elements"


@pytest.mark.parametrize(
    ("buffer", "text"),
    [
        (b"\1\0\0\0a\1\0\0", TEXT_SHAPE),
        (b"\1\0\0\0a", TEXT_SHAPE),
        (b"\xff\xff\xff\xffa\1\0\0\0b", TEXT_SHAPE),
        (b"\0\0\0\0" * 3, TEXT_SHAPE),
        (b"\1\0\0\0\xff\0\0\0\0", "element 0 is not valid UTF-8"),
    ],
)
def test_strings_that_do_not_parse(victim: ServerProcess, buffer: bytes, text: str) -> None:
    request = Request(model_name="text", raw_input_contents=[buffer])
    request.inputs.add(name="s", datatype="BYTES", shape=[1, 2])
    code, message = send(victim, request.SerializeToString())
    assert (code, message) == ("INVALID_ARGUMENT", f'input "s": {text}')


def test_a_message_cut_anywhere(victim: ServerProcess) -> None:
    whole = good_request().SerializeToString()
    codes = {send(victim, whole[:size])[0] for size in range(0, len(whole), 3)}
    assert codes <= {"INVALID_ARGUMENT", "NOT_FOUND"}


def test_garbage(victim: ServerProcess) -> None:
    rng = np.random.default_rng(11)
    whole = good_request().SerializeToString()
    with grpc.insecure_channel(victim.grpc) as channel:
        call = channel.unary_unary(METHOD)
        for _ in range(200):
            data = np.frombuffer(whole, "u1").copy()
            data[rng.integers(len(data), size=3)] = rng.integers(256, size=3)
            noise = rng.bytes(int(rng.integers(64)))
            for body in (data.tobytes(), noise):
                code = call.future(body, timeout=20).code().name
                assert code in ("OK", "INVALID_ARGUMENT", "NOT_FOUND")


def test_a_message_over_the_limit(victim: ServerProcess) -> None:
    code, message = send(victim, good_request(100_000).SerializeToString(), identified=False)
    assert code == "RESOURCE_EXHAUSTED"
    assert "1048576" in message


@pytest.mark.parametrize("part", ["model", "version", "input", "datatype", "output", "shape"])
def test_names_without_end(victim: ServerProcess, part: str) -> None:
    """What the client sent is shown to it, as far as its headers hold it."""
    long = "é" * 200_000
    request = good_request()
    if part == "model":
        request.model_name = long
    elif part == "version":
        request.model_version = long
    elif part == "output":
        request.outputs.add(name=long)
    elif part == "shape":
        request.inputs[0].shape[:] = [1] * 200_000
    else:
        setattr(request.inputs[0], {"input": "name"}.get(part, part), long)
    code, message = send(victim, request.SerializeToString())
    assert code == ("NOT_FOUND" if part in ("model", "version") else "INVALID_ARGUMENT")
    assert 1020 <= len(message.encode()) <= 1024
    assert message.endswith(",1" if part == "shape" else "é") or part == "shape"


def field(number: int, content: bytes = b"") -> bytes:
    return bytes([number << 3 | 2, len(content)]) + content


@pytest.mark.parametrize("number", [4, 5, 6, 7])
def test_a_message_of_empty_parts(victim: ServerProcess, number: int) -> None:
    """Hundreds of thousands of tensors in one message take time and memory in proportion to its bytes."""
    head = field(1, b"adder")
    code, message = send(victim, head + field(number) * 400_000)
    assert code == "INVALID_ARGUMENT"
    expected = {5: 'unknown input ""', 7: "raw_input_contents holds 400000 buffers; expected 0"}
    assert message.startswith(expected.get(number, 'missing input "a"'))


def test_a_deadline_that_has_passed(victim: ServerProcess) -> None:
    request = good_request()
    request.parameters["timeout"].int64_param = 1
    code, message = send(victim, request.SerializeToString())
    assert (code, message) == ("DEADLINE_EXCEEDED", "deadline exceeded before the request ran")


def test_a_model_that_fails_its_input(victim: ServerProcess) -> None:
    request = Request(model_name="lookup", raw_input_contents=[np.array([99], "<i8").tobytes()])
    request.inputs.add(name="i", datatype="INT64", shape=[1])
    code, message = send(victim, request.SerializeToString(), metadata=(("x-request-id", "mine"),))
    assert (code, message) == ("INTERNAL", "inference failed; request id mine")
    victim.wait_for_log(request_id="mine", code="INTERNAL")
