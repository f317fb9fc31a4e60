"""Tensors kept in other files are found, wherever in the graph they are, as the onnx package finds them."""

import contextlib
from pathlib import Path

import models
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper

from penstock.bundle.external_data import external_files
from penstock.errors import BundleError


def outside(name: str, location: str) -> TensorProto:
    tensor = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=[1])
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)
    tensor.external_data.add(key="offset", value="0")
    return tensor


def test_tensors_are_found_at_every_level(tmp_path: Path) -> None:
    inner = helper.make_graph(
        [helper.make_node("Constant", [], ["c"], value=outside("c", "deep/constant.bin"))], "inner", [], []
    )
    graph = helper.make_graph(
        [helper.make_node("If", ["k"], ["y"], then_branch=inner, else_branch=inner)],
        "outer",
        [models.tensor("k", "BOOL", [])],
        [models.tensor("y", "FP32", [1])],
        [outside("w", "weights.bin"), outside("v", "weights.bin"), models.constant("location", [1])],
    )
    function = helper.make_function(
        "here",
        "f",
        [],
        ["o"],
        [helper.make_node("Constant", [], ["o"], value=outside("o", "function.bin"))],
        [helper.make_opsetid("", 17)],
    )
    path = tmp_path / "model.onnx"
    path.write_bytes(helper.make_model(graph, functions=[function]).SerializeToString())
    assert external_files(path) == ("deep/constant.bin", "function.bin", "weights.bin")


def test_real_exports(tmp_path: Path) -> None:
    assert external_files(models.dense(tmp_path / "a.onnx", external=True)) == ("a.onnx.data",)
    assert external_files(models.dense(tmp_path / "b.onnx")) == ()
    assert external_files(models.lightgbm(tmp_path / "c.onnx")) == ()
    (tmp_path / "empty.onnx").touch()
    assert external_files(tmp_path / "empty.onnx") == ()


@given(cut=st.integers(0, 400), noise=st.binary(max_size=20))
def test_damaged_graphs_are_refused_or_passed_over(
    tmp_path_factory: pytest.TempPathFactory, cut: int, noise: bytes
) -> None:
    tensors = [outside(f"w{i}", "weights.bin") for i in range(3)]
    graph = helper.make_graph([], "g", [], [models.tensor("y", "FP32", [1])], tensors)
    data = helper.make_model(graph).SerializeToString()
    path = tmp_path_factory.mktemp("damaged") / "model.onnx"
    path.write_bytes(data[:cut] + noise + data[cut:])
    with contextlib.suppress(BundleError):
        external_files(path)
