"""The benchmark model: 100 trees of 31 leaves over 30 float32 features, as LightGBM exports it to ONNX.

It answers probabilities alone, not the label. Its leaf values are rounded so that sums of floats are exact:
the answer to a row has the same bits in a batch of any size and with any number of threads, and the
benchmarks compare answers byte for byte.
"""

from __future__ import annotations

import logging
import os
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np

__all__ = [
    "FEATURES",
    "INPUT",
    "NAME",
    "OUTPUT",
    "build_dir",
    "make_identity",
    "make_mlp",
    "make_model",
    "make_repository",
    "make_rows",
    "publish",
]

NAME = "gbdt"
INPUT = "input"
OUTPUT = "probabilities"
FEATURES = 30
TREES = 100
LEAVES = 31
LEAF_STEPS = 4096  # leaf values are multiples of 1/4096: 100 of them below 8 need 22 bits of a float's 24


def build_dir() -> Path:
    """Return the directory that caches what the benchmarks build."""
    path = Path(os.environ.get("PENSTOCK_BENCH_DIR", Path(__file__).parent.parent / "build" / "bench"))
    path.mkdir(parents=True, exist_ok=True)
    return path


def make_rows(count: int, seed: int = 1) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Return distinct random rows of shape (count, 30)."""
    return np.random.default_rng(seed).standard_normal((count, FEATURES), dtype=np.float32)


def _train(trees: int, seed: int) -> Any:
    import lightgbm

    rows = make_rows(20_000, seed=seed + 1_000)
    noise = np.random.default_rng(seed).standard_normal(len(rows))
    signal = rows[:, 0] * rows[:, 1] + np.sin(rows[:, 2] * 2) + rows[:, 3:].sum(axis=1) / 4
    return lightgbm.LGBMClassifier(
        n_estimators=trees, num_leaves=LEAVES, random_state=seed, n_jobs=1, deterministic=True, verbose=-1
    ).fit(rows, (signal + noise > 0).astype(np.int64))


def _export(model: Any) -> Any:
    from onnxmltools import convert_lightgbm
    from onnxmltools.convert.common.data_types import FloatTensorType

    inputs = [(INPUT, FloatTensorType([None, FEATURES]))]
    return convert_lightgbm(model, initial_types=inputs, zipmap=False, target_opset=15)


def _round_leaves(graph: Any) -> None:
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.name in ("class_weights", "target_weights"):
                exact = np.round(np.array(attribute.floats) * LEAF_STEPS) / LEAF_STEPS
                attribute.floats[:] = exact.astype(np.float32).tolist()


def _keep_output(graph: Any, name: str) -> None:
    for output in [output for output in graph.output if output.name != name]:
        graph.output.remove(output)


def make_model(seed: int = 7, trees: int = TREES) -> Path:
    """Return the path of the ONNX file; it is trained and exported once for each seed."""
    path = build_dir() / f"gbdt-{trees}x{LEAVES}-{seed}.onnx"
    if path.exists():
        return path
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.getLogger("onnxmltools").setLevel(logging.ERROR)
        exported = _export(_train(trees, seed))
    _round_leaves(exported.graph)
    _keep_output(exported.graph, OUTPUT)
    with tempfile.NamedTemporaryFile(dir=build_dir(), delete=False) as file:
        file.write(exported.SerializeToString())
    Path(file.name).replace(path)
    return path


def make_identity() -> Path:
    """Return the path of a model that answers with its input: what serving costs without a model."""
    from onnx import TensorProto, helper

    path = build_dir() / "identity.onnx"
    if not path.exists():
        shape = ["rows", FEATURES]
        graph = helper.make_graph(
            [helper.make_node("Identity", [INPUT], [OUTPUT])],
            "identity",
            [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, shape)],
            [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, shape)],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8)
        path.write_bytes(model.SerializeToString())
    return path


def make_mlp(hidden: tuple[int, int] = (64, 32), seed: int = 7) -> Path:
    """Return the path of a dense model over the same rows: two hidden layers, then one score a row."""
    from onnx import TensorProto, helper, numpy_helper, save

    wide, narrow = hidden
    path = build_dir() / f"mlp-{wide}-{narrow}-1-{seed}.onnx"
    if path.exists():
        return path
    random = np.random.default_rng(seed)
    nodes, weights, last = [], [], INPUT
    for layer, (width, following) in enumerate([(FEATURES, wide), (wide, narrow), (narrow, 1)]):
        matrix = random.normal(size=(width, following)) / np.sqrt(width)
        weights += [numpy_helper.from_array(matrix.astype("f4"), f"w{layer}")]
        weights += [numpy_helper.from_array(random.normal(size=following).astype("f4"), f"b{layer}")]
        nodes.append(helper.make_node("Gemm", [last, f"w{layer}", f"b{layer}"], [f"sum{layer}"]))
        last = "score" if following == 1 else f"out{layer}"
        nodes.append(helper.make_node("Sigmoid" if following == 1 else "Relu", [f"sum{layer}"], [last]))
    graph = helper.make_graph(
        nodes,
        "mlp",
        [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, ["rows", FEATURES])],
        [helper.make_tensor_value_info("score", TensorProto.FLOAT, ["rows", 1])],
        weights,
    )
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8), path)
    return path


def publish(root: Path, model: Path, version: int = 1) -> Path:
    """Put a graph into a repository under the benchmark model's name."""
    directory = root / NAME / str(version)
    directory.mkdir(parents=True)
    (directory / "model.onnx").write_bytes(model.read_bytes())
    return root


def make_repository(root: Path, versions: int = 1) -> Path:
    """Fill a repository with versions 1, 2, … of the model, each trained with another seed."""
    for version in range(1, versions + 1):
        publish(root, make_model(seed=6 + version), version)
    return root
