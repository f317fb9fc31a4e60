"""ONNX models for tests: each function writes one graph and returns its path."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

Dim = int | str | None

ONNX_TYPES = {
    "BOOL": TensorProto.BOOL,
    "UINT8": TensorProto.UINT8,
    "UINT16": TensorProto.UINT16,
    "UINT32": TensorProto.UINT32,
    "UINT64": TensorProto.UINT64,
    "INT8": TensorProto.INT8,
    "INT16": TensorProto.INT16,
    "INT32": TensorProto.INT32,
    "INT64": TensorProto.INT64,
    "FP16": TensorProto.FLOAT16,
    "FP32": TensorProto.FLOAT,
    "FP64": TensorProto.DOUBLE,
    "BYTES": TensorProto.STRING,
}


def publish(repository: Path, name: str, version: int, build: Callable[..., Path], **options: Any) -> Path:
    """Write a model as a bare bundle, `<repository>/<name>/<version>/model.onnx`; return its directory."""
    return build(repository / name / str(version) / "model.onnx", **options).parent


def save(path: Path, graph: onnx.GraphProto, **options: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, path, **options)
    return path


def tensor(name: str, datatype: str, shape: Sequence[Dim] | None) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, ONNX_TYPES[datatype], shape)


def constant(name: str, value: Any, dtype: str = "f4") -> onnx.TensorProto:
    return numpy_helper.from_array(np.asarray(value, dtype=dtype), name)


def affine(path: Path, *, features: int = 4, outputs: int = 2, bias: float = 0.0, dim: Dim = "rows") -> Path:
    """`y = x @ w + bias`, where `w[i, j] = (i + 1) * (j + 1)`; x is FP32 [-1,features]."""
    weights = np.outer(np.arange(1, features + 1), np.arange(1, outputs + 1))
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["xw"]), helper.make_node("Add", ["xw", "b"], ["y"])],
        "affine",
        [tensor("x", "FP32", [dim, features])],
        [tensor("y", "FP32", [dim, outputs])],
        [constant("w", weights), constant("b", [bias])],
    )
    return save(path, graph)


def affine_of(x: np.ndarray[Any, Any], *, outputs: int = 2, bias: float = 0.0) -> np.ndarray[Any, Any]:
    """What `affine` answers."""
    weights = np.outer(np.arange(1, x.shape[1] + 1), np.arange(1, outputs + 1))
    return (x.astype("f8") @ weights + bias).astype("f4")


def forest(path: Path, ensemble: Mapping[str, Any], *, features: int = 4, dim: Dim = "rows") -> Path:
    """An ensemble of trees, of these attributes of the operator; a label comes before the scores."""
    classifier = "classlabels_int64s" in ensemble
    outputs = [tensor("label", "INT64", [dim])] if classifier else []
    outputs.append(tensor("scores", "FP32", [dim, None]))
    node = helper.make_node(
        "TreeEnsembleClassifier" if classifier else "TreeEnsembleRegressor",
        ["x"],
        [output.name for output in outputs],
        domain="ai.onnx.ml",
        **ensemble,
    )
    graph = helper.make_graph([node], "forest", [tensor("x", "FP32", [dim, features])], outputs)
    path.parent.mkdir(parents=True, exist_ok=True)
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path)
    return path


def random_trees(
    random: np.random.Generator,
    *,
    trees: int = 5,
    leaves: int = 12,
    features: int = 4,
    targets: int = 1,
    modes: Sequence[str] = ("BRANCH_LEQ",),
    missing: bool = False,
) -> dict[str, Any]:
    """Attributes of a regressor whose trees have so many leaves at most; values are multiples of 1/64."""
    nodes: list[dict[str, Any]] = []
    votes: list[tuple[int, int, int, float]] = []
    for tree in range(trees):
        own: list[dict[str, Any]] = [{"mode": "LEAF"}]
        for _ in range(random.integers(0, leaves)):
            at = random.choice([i for i, node in enumerate(own) if node["mode"] == "LEAF"])
            own[at] = {"mode": random.choice(modes), "true": len(own), "false": len(own) + 1}
            own += [{"mode": "LEAF"}, {"mode": "LEAF"}]
        for number, node in enumerate(own):
            nodes.append({"tree": tree, "node": number, "true": 0, "false": 0} | node)
            if node["mode"] == "LEAF":
                for target in range(targets):
                    votes.append((tree, number, target, int(random.integers(-64, 64)) / 64))
    inner = [node["mode"] != "LEAF" for node in nodes]
    made = {
        "n_targets": targets,
        "nodes_treeids": [node["tree"] for node in nodes],
        "nodes_nodeids": [node["node"] for node in nodes],
        "nodes_modes": [node["mode"] for node in nodes],
        "nodes_featureids": [int(random.integers(0, features)) if is_inner else 0 for is_inner in inner],
        "nodes_values": [float(random.integers(-8, 8)) / 4 if is_inner else 0.0 for is_inner in inner],
        "nodes_truenodeids": [node["true"] for node in nodes],
        "nodes_falsenodeids": [node["false"] for node in nodes],
        "target_treeids": [vote[0] for vote in votes],
        "target_nodeids": [vote[1] for vote in votes],
        "target_ids": [vote[2] for vote in votes],
        "target_weights": [vote[3] for vote in votes],
    }
    if missing:
        made["nodes_missing_value_tracks_true"] = random.integers(0, 2, len(nodes)).tolist()
    return made


def identity(path: Path, *, datatype: str = "FP32", shape: Sequence[Dim] = ("rows", 3)) -> Path:
    """`y = x`, for any datatype."""
    graph = helper.make_graph(
        [helper.make_node("Identity", ["x"], ["y"])],
        "identity",
        [tensor("x", datatype, shape)],
        [tensor("y", datatype, shape)],
    )
    return save(path, graph)


def several(path: Path) -> Path:
    """Inputs a FP32 [-1,2], b INT64 [-1], s BYTES [-1,1]; outputs total FP32 [-1,2] = a + b, next INT64 [-1]
    = b + 1, text BYTES [-1,1] = s."""
    graph = helper.make_graph(
        [
            helper.make_node("Cast", ["b"], ["b_float"], to=TensorProto.FLOAT),
            helper.make_node("Unsqueeze", ["b_float", "axis"], ["b_column"]),
            helper.make_node("Add", ["a", "b_column"], ["total"]),
            helper.make_node("Add", ["b", "one"], ["next"]),
            helper.make_node("Identity", ["s"], ["text"]),
        ],
        "several",
        [tensor("a", "FP32", ["n", 2]), tensor("b", "INT64", ["n"]), tensor("s", "BYTES", ["n", 1])],
        [
            tensor("total", "FP32", ["n", 2]),
            tensor("next", "INT64", ["n"]),
            tensor("text", "BYTES", ["n", 1]),
        ],
        [constant("axis", [1], "i8"), constant("one", 1, "i8")],
    )
    return save(path, graph)


def unbatched(path: Path) -> Path:
    """x FP32 [3], y = 2 x, total (a scalar) = the sum of x: no batch dimension."""
    graph = helper.make_graph(
        [
            helper.make_node("Mul", ["x", "two"], ["y"]),
            helper.make_node("ReduceSum", ["x"], ["total"], keepdims=0),
        ],
        "unbatched",
        [tensor("x", "FP32", [3])],
        [tensor("y", "FP32", [3]), tensor("total", "FP32", [])],
        [constant("two", 2)],
    )
    return save(path, graph)


def two_symbols(path: Path) -> Path:
    """x FP32 [n], z FP32 [m]: two dynamic sizes, so no one row dimension; y [n,m] is their outer product."""
    graph = helper.make_graph(
        [
            helper.make_node("Unsqueeze", ["x", "one"], ["column"]),
            helper.make_node("Unsqueeze", ["z", "zero"], ["row"]),
            helper.make_node("Mul", ["column", "row"], ["y"]),
        ],
        "two_symbols",
        [tensor("x", "FP32", ["n"]), tensor("z", "FP32", ["m"])],
        [tensor("y", "FP32", ["n", "m"])],
        [constant("one", [1], "i8"), constant("zero", [0], "i8")],
    )
    return save(path, graph)


def mean_of_rows(path: Path) -> Path:
    """Looks batched by its inputs, but y [k] holds one value for however many rows x [n,2] has."""
    graph = helper.make_graph(
        [helper.make_node("ReduceMean", ["x"], ["y"], axes=[0, 1], keepdims=0)],
        "mean_of_rows",
        [tensor("x", "FP32", ["n", 2])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
    )
    return save(path, graph)


def lookup(path: Path) -> Path:
    """y = table[x], x INT64 [-1]: fails at run time for an x outside -4..3. The table is 10, 20, 30, 40."""
    graph = helper.make_graph(
        [helper.make_node("Gather", ["table", "x"], ["y"])],
        "lookup",
        [tensor("x", "INT64", ["n"])],
        [tensor("y", "FP32", ["n"])],
        [constant("table", [10, 20, 30, 40])],
    )
    return save(path, graph)


def never_zero(path: Path) -> Path:
    """y = table[x - 1] for x in 1..4, the table 10, 20, 30, 40: zeros fail, so only good inputs warm it."""
    graph = helper.make_graph(
        [
            helper.make_node("Sub", ["x", "five"], ["shifted"]),
            helper.make_node("Gather", ["table", "shifted"], ["y"]),
        ],
        "never_zero",
        [tensor("x", "INT64", ["n"])],
        [tensor("y", "FP32", ["n"])],
        [constant("table", [10, 20, 30, 40]), constant("five", 5, "i8")],
    )
    return save(path, graph)


def slow(path: Path, *, steps: int = 50, size: int = 256) -> Path:
    """y = x for x FP32 [-1,1], after `steps` products of `size` × `size` matrices (0.2 ms each at 256)."""
    body = helper.make_graph(
        [
            helper.make_node("MatMul", ["state", "mixer"], ["mixed"]),
            helper.make_node("Identity", ["go"], ["go_on"]),
        ],
        "body",
        [tensor("step", "INT64", []), tensor("go", "BOOL", []), tensor("state", "FP32", [size, size])],
        [tensor("go_on", "BOOL", []), tensor("mixed", "FP32", [size, size])],
    )
    graph = helper.make_graph(
        [
            helper.make_node("ReduceMax", ["x"], ["peak"], keepdims=0),
            helper.make_node("Add", ["mixer", "peak"], ["start"]),
            helper.make_node("Loop", ["steps", "yes", "start"], ["end"], body=body),
            helper.make_node("ReduceMax", ["end"], ["worked"], keepdims=0),
            helper.make_node("Mul", ["worked", "zero"], ["nothing"]),
            helper.make_node("Add", ["x", "nothing"], ["y"]),
        ],
        "slow",
        [tensor("x", "FP32", ["n", 1])],
        [tensor("y", "FP32", ["n", 1])],
        [
            constant("mixer", np.full((size, size), 1 / size)),
            constant("steps", steps, "i8"),
            constant("yes", True, "?"),
            constant("zero", 0),
        ],
    )
    return save(path, graph)


def dense(path: Path, *, features: int = 8, hidden: int = 16, external: bool = False) -> Path:
    """As PyTorch exports a small classifier: Gemm, Relu, Gemm, Softmax over [batch,features]."""
    rng = np.random.default_rng(7)
    graph = helper.make_graph(
        [
            helper.make_node("Gemm", ["input", "fc1.weight", "fc1.bias"], ["/fc1/Gemm_output_0"], transB=1),
            helper.make_node("Relu", ["/fc1/Gemm_output_0"], ["/act/Relu_output_0"]),
            helper.make_node("Gemm", ["/act/Relu_output_0", "fc2.weight", "fc2.bias"], ["logits"], transB=1),
            helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
        ],
        "main_graph",
        [tensor("input", "FP32", ["batch", features])],
        [tensor("logits", "FP32", ["batch", 3]), tensor("probabilities", "FP32", ["batch", 3])],
        [
            constant("fc1.weight", rng.normal(size=(hidden, features))),
            constant("fc1.bias", rng.normal(size=hidden)),
            constant("fc2.weight", rng.normal(size=(3, hidden))),
            constant("fc2.bias", rng.normal(size=3)),
        ],
    )
    if not external:
        return save(path, graph)
    where = {"save_as_external_data": True, "location": f"{path.name}.data", "size_threshold": 0}
    return save(path, graph, **where)


def bfloat16(path: Path) -> Path:
    """A datatype that is not served."""
    value = helper.make_tensor_value_info("x", TensorProto.BFLOAT16, ["n"])
    out = helper.make_tensor_value_info("y", TensorProto.BFLOAT16, ["n"])
    return save(path, helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "g", [value], [out]))


def unknown_operator(path: Path) -> Path:
    """A well-formed file whose graph does not load."""
    node = helper.make_node("NoSuchOperator", ["x"], ["y"])
    return save(
        path, helper.make_graph([node], "g", [tensor("x", "FP32", ["n"])], [tensor("y", "FP32", ["n"])])
    )


def training_data(rows: int = 400, features: int = 5) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    rng = np.random.default_rng(3)
    x = rng.normal(size=(rows, features)).astype(np.float32)
    return x, (x[:, 0] + x[:, 1] * x[:, 2] > 0).astype(np.int64)


def lightgbm(
    path: Path, *, features: int = 5, trees: int = 10, leaves: int = 7, rows: int = 400, zipmap: bool = False
) -> Path:
    """A LightGBM binary classifier; input [-1,features], outputs label and probabilities."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import lightgbm
        import onnxmltools
        from onnxmltools.convert.common.data_types import FloatTensorType

        x, y = training_data(rows, features)
        settings = {"objective": "binary", "num_leaves": leaves, "verbosity": -1, "num_threads": 1, "seed": 1}
        booster = lightgbm.train(settings, lightgbm.Dataset(x, y), trees)
        types = [("input", FloatTensorType([None, features]))]
        model = onnxmltools.convert_lightgbm(booster, initial_types=types, zipmap=zipmap)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(model.SerializeToString())
    return path


def sklearn(path: Path, *, zipmap: bool = False, text_labels: bool = False, columns: bool = False) -> Path:
    """A scaler and a logistic regression on 5 features; outputs label and probabilities.

    With `columns` the inputs are f0 … f4, FP32 [-1,1] each, instead of one matrix.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from skl2onnx import to_onnx
        from skl2onnx.common.data_types import FloatTensorType
        from sklearn.compose import ColumnTransformer
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        x, y = training_data()
        labels = np.array(["no", "yes"])[y] if text_labels else y
        scaler: Any = StandardScaler()
        types = [("input", FloatTensorType([None, 5]))]
        if columns:
            scaler = ColumnTransformer([("scale", scaler, [0, 1, 2, 3, 4])])
            types = [(f"f{i}", FloatTensorType([None, 1])) for i in range(5)]
        fitted = make_pipeline(scaler, LogisticRegression()).fit(x, labels)
        model = to_onnx(
            fitted, initial_types=types, options={id(fitted): {"zipmap": zipmap}}, target_opset=17
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(model.SerializeToString())
    return path
