"""Distinct requests for the benchmark model and the exact answers that they must get."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import numpy as np

from benchmarks.model import INPUT, NAME, OUTPUT, make_rows
from penstock.protos import message_class

__all__ = ["INFER", "Traffic", "WrongAnswerError", "expect_answers", "make_requests", "oracle"]

_IN_FLIGHT = 64
INFER = "/inference.GRPCInferenceService/ModelInfer"


class WrongAnswerError(RuntimeError):
    """A server's answer is not what onnxruntime computes."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """Request messages, and the exact answer to each."""

    bodies: list[bytes]
    expected: list[bytes] | None


def make_requests(rows: np.ndarray[Any, Any], name: str = NAME) -> list[bytes]:
    """Return one serialized ModelInferRequest a row: raw contents, one named output."""
    request_class = message_class("ModelInferRequest")
    bodies = []
    for row in rows:
        request = request_class(model_name=name)
        request.inputs.add(name=INPUT, datatype="FP32", shape=[1, len(row)])
        request.outputs.add(name=OUTPUT)
        request.raw_input_contents.append(row.astype("<f4").tobytes())
        bodies.append(request.SerializeToString())
    return bodies


def oracle(model: Path, rows: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return what onnxruntime itself answers for the rows."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    return np.asarray(session.run([OUTPUT], {INPUT: rows})[0])


def expect_answers(address: str, model: Path, count: int, seed: int = 1) -> Traffic:
    """Ask a server for each row once through grpcio, compare with onnxruntime, and return the answers' bytes.

    Raises
    ------
    WrongAnswerError
        At the first answer that differs from onnxruntime's in a single bit.
    """
    rows = make_rows(count, seed)
    wanted = oracle(model, rows)
    bodies = make_requests(rows)
    response_class = message_class("ModelInferResponse")
    with grpc.insecure_channel(address) as channel:
        call = channel.unary_unary(INFER)
        expected = []
        for start in range(0, len(bodies), _IN_FLIGHT):
            futures = [call.future(body, timeout=60) for body in bodies[start : start + _IN_FLIGHT]]
            expected += [future.result() for future in futures]
    for index, answer in enumerate(expected):
        response = response_class.FromString(answer)
        outputs = [output.name for output in response.outputs]
        if outputs != [OUTPUT] or list(response.raw_output_contents) != [wanted[index].tobytes()]:
            raise WrongAnswerError(f"row {index}: expected {OUTPUT} = {wanted[index]}, got {response}")
    return Traffic(bodies, expected)
