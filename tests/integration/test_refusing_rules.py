"""Rules and faulty requests over the wire: the same answers and counts from both fronts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import models
import numpy as np
import pytest
import tritonclient.grpc as triton
from serving import ServerProcess, wait_until
from tritonclient.utils import InferenceServerException

RULES = {"a[0]": {"min": 0, "refuse": True}, "s": {"allowed": ["x", "y"], "refuse": True}, "b": {"max": 5}}


@pytest.fixture(params=["native", "grpcio"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ServerProcess]:
    if request.param == "native":
        pytest.importorskip("penstock.serve._front", reason="the native front is not built here")
    models.publish(tmp_path, "several", 1, models.several)
    process = ServerProcess(tmp_path, request.param, models={"several": {"monitor": {"rules": RULES}}})
    yield process
    process.close()


def ask(
    client: triton.InferenceServerClient, *, a: float = 1, b: int = 1, s: str = "x", wrong: str = ""
) -> str:
    """Return what the server says against a request; nothing where it answers."""
    arrays = {
        "a": np.full((2, 2), a, np.float32),
        "b": np.full(2, b, np.int64),
        "s": np.full((2, 1), s.encode(), object),
    }
    inputs = []
    for (name, array), datatype in zip(arrays.items(), ("FP32", "INT64", "BYTES"), strict=True):
        tensor = triton.InferInput(wrong if name == "b" and wrong else name, array.shape, datatype)
        tensor.set_data_from_numpy(array)
        inputs.append(tensor)
    try:
        client.infer("several", inputs)
    except InferenceServerException as error:
        return str(error.message())
    return ""


def test_rules_and_refusals(server: ServerProcess) -> None:
    with triton.InferenceServerClient(server.grpc) as client:
        assert ask(client, b=99) == ""
        assert ask(client, a=-1) == 'column "a[0]", row 0: expected at least 0, got -1'
        for text in ("q", "\u202e" + "q" * 100_000):
            assert ask(client, s=text).startswith('column "s", row 0: expected one of "x", "y", got "')
        for number in range(3):
            assert ask(client, a=-1, wrong=f"new {number}").startswith('unknown input "new')

    def refused(name: str, reason: str) -> float:
        labels = {"model": "several", "version": "1", "input": name, "reason": reason}
        return server.metric("penstock_refused_inputs_total", **labels)

    assert wait_until(lambda: refused("s", "rule") == 2)
    assert refused("a", "rule") == 1
    assert refused("other", "unknown") == 3
    labels = {"model": "several", "version": "1"}
    assert server.metric("penstock_requests_total", code="INVALID_ARGUMENT", **labels) == 6
    assert server.metric("penstock_requests_total", code="OK", **labels) == 1
