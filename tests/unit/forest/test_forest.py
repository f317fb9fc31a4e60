"""Compiled forests: kernels, hostile nodes, what is refused, and where they run."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import models
import msgspec
import numpy as np
import onnx
import pytest

from penstock.bundle import Bundle
from penstock.engine.pipeline import Pipeline
from penstock.engine.session import open_session
from penstock.errors import InferenceError
from penstock.forest._forest import MOST_LEAVES, Forest
from penstock.forest.ensemble import Nodes, Output
from penstock.forest.graph import NotCompiledError, read_ensemble


def rows_of(count: int, features: int = 4) -> np.ndarray[Any, Any]:
    return np.random.default_rng(count).normal(size=(count, features)).astype(np.float32)


def chain(leaves: int) -> dict[str, Any]:
    """One tree that is as deep as it can be: leaf i answers i."""
    inner = leaves - 1
    count = 2 * leaves - 1
    return {
        "n_targets": 1,
        "nodes_treeids": [0] * count,
        "nodes_nodeids": list(range(count)),
        "nodes_modes": ["BRANCH_LEQ"] * inner + ["LEAF"] * leaves,
        "nodes_featureids": [0] * count,
        "nodes_values": [float(i) for i in range(inner)] + [0.0] * leaves,
        "nodes_truenodeids": [inner + i for i in range(inner)] + [0] * leaves,
        "nodes_falsenodeids": [i + 1 for i in range(inner - 1)] + [count - 1] * (inner > 0) + [0] * leaves,
        "target_treeids": [0] * leaves,
        "target_nodeids": list(range(inner, count)),
        "target_ids": [0] * leaves,
        "target_weights": [float(i) for i in range(leaves)],
    }


@pytest.mark.parametrize("leaves", [1, 2, 31, 32, 33, MOST_LEAVES])
def test_every_leaf_is_found(tmp_path: Path, leaves: int) -> None:
    session = open_session(models.forest(tmp_path / "m.onnx", chain(leaves), features=1), compile_trees=True)
    assert session.forest is not None
    x = np.arange(leaves, dtype=np.float32)[:, None]
    np.testing.assert_array_equal(session.run({"x": x})["scores"][:, 0], x[:, 0])


def test_a_larger_tree_is_left_to_the_runtime(tmp_path: Path) -> None:
    path = models.forest(tmp_path / "m.onnx", chain(MOST_LEAVES + 1), features=1)
    session = open_session(path, compile_trees=True)
    assert session.forest is None
    assert session.run({"x": np.full((1, 1), 1e9, np.float32)})["scores"][0, 0] == MOST_LEAVES


def test_a_batch_is_its_rows(tmp_path: Path) -> None:
    trees = models.random_trees(np.random.default_rng(5), trees=40, leaves=31)
    # Values whose sums are rounded, so that another order would show.
    trees["target_weights"] = np.random.default_rng(6).normal(size=len(trees["target_weights"])).tolist()
    session = open_session(models.forest(tmp_path / "m.onnx", trees), compile_trees=True)
    assert session.forest is not None
    x = rows_of(333)
    whole = session.run({"x": x})["scores"]
    alone = np.concatenate([session.run({"x": x[i : i + 1]})["scores"] for i in range(len(x))])
    assert whole.tobytes() == alone.tobytes()
    assert session.run({"x": x[:0]})["scores"].shape == (0, 1)


def test_columns_that_no_tree_looks_at_may_be_many(tmp_path: Path) -> None:
    trees = models.random_trees(np.random.default_rng(1), features=300)
    session = open_session(models.forest(tmp_path / "m.onnx", trees, features=300), compile_trees=True)
    plain = open_session(tmp_path / "m.onnx", intra_op_threads=1)
    x = rows_of(70, 300)
    assert session.forest is not None
    np.testing.assert_array_equal(session.run({"x": x})["scores"], plain.run({"x": x})["scores"])


def test_many_threads_may_run_one(tmp_path: Path) -> None:
    trees = models.random_trees(np.random.default_rng(2), trees=30, leaves=31)
    session = open_session(models.forest(tmp_path / "m.onnx", trees), compile_trees=True)
    x = rows_of(1000)
    expected = session.run({"x": x})["scores"]
    wrong = []

    def run() -> None:
        for _ in range(20):
            if session.run({"x": x})["scores"].tobytes() != expected.tobytes():
                wrong.append(1)

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_rows_that_are_too_narrow_are_refused(tmp_path: Path) -> None:
    trees = models.random_trees(np.random.default_rng(3), trees=20, features=4)
    path = models.forest(tmp_path / "m.onnx", trees, features="columns")  # type: ignore[arg-type]
    session = open_session(path, compile_trees=True)
    assert session.forest is not None
    with pytest.raises(InferenceError, match="at least 4 columns, got 2"):
        session.run({"x": rows_of(3, 2)})


def test_the_setting_and_the_device_decide(tmp_path: Path) -> None:
    path = models.publish(
        tmp_path, "trees", 1, models.forest, ensemble=models.random_trees(np.random.default_rng(4))
    )
    bundle = Bundle.open(path)
    compiled, plain = Pipeline.load(bundle), Pipeline.load(bundle, compile_trees=False)
    assert compiled.runner is not None
    assert plain.runner is None
    x = rows_of(10)
    np.testing.assert_array_equal(compiled.run({"x": x})["scores"], plain.run({"x": x})["scores"])


def nodes_of(**changes: Any) -> Nodes:
    """One node with two leaves, changed."""
    good = Nodes(
        roots=[0],
        true_child=[1, -1, -1],
        false_child=[2, -1, -1],
        feature=[0, 0, 0],
        threshold=[0.5, 0, 0],
        test=[0, 0, 0],
        missing_is_true=[0, 0, 0],
        first_vote=[0, 0, 1, 2],
        vote_target=[0, 0],
        vote_value=[1, 2],
    )
    return msgspec.structs.replace(good, **changes)


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"true_child": [0, -1, -1]}, "two parents"),
        ({"true_child": [2, -1, -1]}, "two parents"),
        ({"true_child": [7, -1, -1]}, "out of range"),
        ({"false_child": [-7, -1, -1]}, "out of range"),
        ({"false_child": [-1, -1, -1]}, "one child"),
        ({"roots": [3]}, "out of range"),
        ({"roots": [0, 0]}, "two parents"),
        ({"feature": [-1, 0, 0]}, "feature"),
        ({"feature": [2**30, 0, 0]}, "feature"),
        ({"test": [9, 0, 0]}, "unknown test"),
        ({"threshold": [0.5]}, "differ in length"),
        ({"first_vote": []}, "differ in length"),
        ({"first_vote": [0, 2, 1, 2]}, "do not follow"),
        ({"first_vote": [0, 0, 1, 9]}, "do not follow"),
        ({"vote_target": [0, 5]}, "target that is not there"),
        ({"vote_target": [0, -1]}, "target that is not there"),
        ({"first_vote": [0, 0, 2, 2]}, "twice"),
    ],
)
def test_what_is_no_forest_is_refused(changes: dict[str, Any], what: str) -> None:
    Forest(nodes_of(), 1, Output())
    with pytest.raises(ValueError, match=what):
        Forest(nodes_of(**changes), 1, Output())


@pytest.mark.parametrize(
    ("targets", "output", "what"),
    [
        (0, Output(), "no target"),
        (1, Output(base=(1.0, 2.0)), "base"),
        (2, Output(link="sigmoids"), "more targets"),
        (1, Output(labels=(1, 2, 3)), "labels"),
    ],
)
def test_an_output_that_does_not_fit_is_refused(targets: int, output: Output, what: str) -> None:
    with pytest.raises(ValueError, match=what):
        Forest(nodes_of(), targets, output)


def test_an_unknown_kernel_is_refused() -> None:
    with pytest.raises(ValueError, match="kernel"):
        Forest(nodes_of(), 1, Output(), kernel="abacus")


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"aggregate_function": "MIN"}, "MIN"),
        ({"post_transform": "LOGISTIC"}, "LOGISTIC"),
        ({"base_values": [1.0, 2.0]}, "base_values"),
        ({"nodes_modes": ["BRANCH_MEMBER", "LEAF", "LEAF"]}, "BRANCH_MEMBER"),
        ({"nodes_values": [float("nan"), 0.0, 0.0]}, "thresholds"),
        ({"nodes_truenodeids": [9, 0, 0]}, "not there"),
        ({"nodes_nodeids": [0, 0, 0]}, "one number"),
        ({"nodes_nodeids": [-1, 1, 2]}, "out of range"),
        ({"target_nodeids": [0, 2]}, "no leaves"),
    ],
)
def test_a_graph_that_is_not_compiled_says_why(tmp_path: Path, change: dict[str, Any], what: str) -> None:
    path = models.forest(tmp_path / "m.onnx", chain(2) | change, features=1)
    with pytest.raises(NotCompiledError, match=what):
        read_ensemble(path.read_bytes())


def test_more_than_trees_is_not_compiled(tmp_path: Path) -> None:
    path = models.forest(tmp_path / "m.onnx", chain(2), features=1)
    model = onnx.load(path)
    model.graph.node.append(onnx.helper.make_node("Neg", ["scores"], ["less"]))
    model.graph.output[0].name = "less"
    onnx.save(model, path)
    session = open_session(path, compile_trees=True)
    assert session.forest is None
    assert session.run({"x": np.ones((1, 1), np.float32)})["less"][0, 0] == -1
