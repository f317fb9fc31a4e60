"""Small ONNX graphs that a server test can tell the answers of without running them."""

from __future__ import annotations

import os
import shutil
import uuid
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

FLOAT, INT64, STRING = TensorProto.FLOAT, TensorProto.INT64, TensorProto.STRING
_OPSET = 17
_IR_VERSION = 9


def publish(repository: Path, name: str, version: int, model: onnx.ModelProto | bytes) -> Path:
    """Write a version as a careful publisher does: aside, then renamed."""
    data = model if isinstance(model, bytes) else model.SerializeToString()
    aside = repository / name / f".{uuid.uuid4().hex}"
    aside.mkdir(parents=True)
    (aside / "model.onnx").write_bytes(data)
    target = repository / name / str(version)
    os.rename(aside, target)
    return target


def withdraw(repository: Path, name: str, version: int) -> None:
    """Take a version out of the repository."""
    shutil.rmtree(repository / name / str(version))


def _model(
    nodes: list[onnx.NodeProto],
    inputs: list[onnx.ValueInfoProto],
    outputs: list[onnx.ValueInfoProto],
    constants: dict[str, np.ndarray] | None = None,
) -> onnx.ModelProto:
    initializers = [numpy_helper.from_array(value, name) for name, value in (constants or {}).items()]
    graph = helper.make_graph(nodes, "g", inputs, outputs, initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR_VERSION)


def _value(name: str, kind: int, shape: list[int | str]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, shape)


def adder(constant: float) -> onnx.ModelProto:
    """``a`` [-1,3] gives ``p`` = a + constant [-1,3] and ``q``, the sums of the rows of p, [-1]."""
    nodes = [
        helper.make_node("Add", ["a", "c"], ["p"]),
        helper.make_node("ReduceSum", ["p", "axis"], ["q"], keepdims=0),
    ]
    return _model(
        nodes,
        [_value("a", FLOAT, ["n", 3])],
        [_value("p", FLOAT, ["n", 3]), _value("q", FLOAT, ["n"])],
        {"c": np.array(constant, np.float32), "axis": np.array([1], np.int64)},
    )


def echo(kinds: dict[str, int]) -> onnx.ModelProto:
    """Each input ``x`` [-1,2] comes back as ``x_out``."""
    nodes = [helper.make_node("Identity", [name], [f"{name}_out"]) for name in kinds]
    return _model(
        nodes,
        [_value(name, kind, ["n", 2]) for name, kind in kinds.items()],
        [_value(f"{name}_out", kind, ["n", 2]) for name, kind in kinds.items()],
    )


def lookup() -> onnx.ModelProto:
    """``i`` [-1] gives ``v`` = [10, 20, 30][i]; other indices make the graph fail."""
    node = helper.make_node("Gather", ["table", "i"], ["v"], axis=0)
    return _model(
        [node],
        [_value("i", INT64, ["n"])],
        [_value("v", FLOAT, ["n"])],
        {"table": np.array([10, 20, 30], np.float32)},
    )


def slow() -> onnx.ModelProto:
    """``steps`` [1] gives ``done`` = steps [1], after so many small products; never batched."""
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["more"], ["more_out"]),
            helper.make_node("MatMul", ["x", "half"], ["x_out"]),
        ],
        "body",
        [_value("k", INT64, []), _value("more", TensorProto.BOOL, []), _value("x", FLOAT, [64, 64])],
        [_value("more_out", TensorProto.BOOL, []), _value("x_out", FLOAT, [64, 64])],
    )
    nodes = [
        helper.make_node("Squeeze", ["steps", "axis"], ["count"]),
        helper.make_node("Loop", ["count", "yes", "eye"], ["product"], body=body),
        helper.make_node("ReduceMax", ["product"], ["top"], keepdims=0),
        helper.make_node("Cast", ["top"], ["whole"], to=INT64),
        helper.make_node("Mul", ["whole", "zero"], ["nothing"]),
        helper.make_node("Add", ["steps", "nothing"], ["done"]),
    ]
    return _model(
        nodes,
        [_value("steps", INT64, [1])],
        [_value("done", INT64, [1])],
        {
            "axis": np.array([0], np.int64),
            "yes": np.array(True),
            "eye": np.eye(64, dtype=np.float32),
            "half": np.eye(64, dtype=np.float32),
            "zero": np.array(0, np.int64),
        },
    )
