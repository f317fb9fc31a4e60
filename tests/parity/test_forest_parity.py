"""Compiled forests beside ONNX Runtime, bit for bit: what exporters write, and trees of every mode."""

from __future__ import annotations

import functools
import logging
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightgbm
import models
import numpy as np
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnxmltools import convert_lightgbm
from onnxmltools.convert.common.data_types import FloatTensorType
from skl2onnx import to_onnx
from sklearn import ensemble, tree

from penstock.forest import CompiledGraph, compile_graph
from penstock.forest._forest import Forest
from penstock.forest.compile import probes
from penstock.forest.ensemble import Nodes, Output
from penstock.forest.graph import read_ensemble

FEATURES = 6
MODES = ("BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ")
KERNELS = ("none", "avx2", "avx512")


def reference(path: Path) -> Any:
    """A session that sums in the order of the trees: one thread does."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def kernels(path: Path) -> list[tuple[str, CompiledGraph]]:
    """The forest with every kernel that this processor has."""
    ensemble_of = read_ensemble(path.read_bytes())
    return [(name, CompiledGraph(ensemble_of, kernel=name)) for name in KERNELS if has_kernel(name)]


@functools.cache
def has_kernel(name: str) -> bool:
    """Whether this processor has the kernel; the one for every processor is always there."""
    empty = Nodes(
        roots=[], true_child=[], false_child=[], feature=[], threshold=[], test=[], missing_is_true=[],
        first_vote=[0], vote_target=[], vote_value=[],
    )  # fmt: skip
    try:
        Forest(empty, 1, Output(), kernel=name)
    except ValueError:
        return False
    return True


def rows_of(count: int, seed: int = 0, missing: float = 0.05) -> np.ndarray[Any, Any]:
    random = np.random.default_rng(seed)
    rows = random.normal(size=(count, FEATURES)).astype(np.float32)
    rows[random.random(rows.shape) < missing] = np.nan
    return rows


def assert_same_bits(path: Path, rows: np.ndarray[Any, Any]) -> None:
    session = reference(path)
    names = [output.name for output in session.get_outputs()]
    expected = session.run(names, {session.get_inputs()[0].name: rows})
    for kernel, compiled in kernels(path):
        got = compiled.run(names, {session.get_inputs()[0].name: rows})
        for name, ours, theirs in zip(names, got, expected, strict=True):
            assert (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape), (kernel, name)
            assert ours.tobytes() == theirs.tobytes(), (kernel, name)


X = rows_of(1500)
FILLED = np.nan_to_num(X)
BINARY = (FILLED[:, 0] * FILLED[:, 1] > 0).astype(np.int64)
THREE = np.digitize(FILLED[:, 0] + FILLED[:, 2], [-1, 1])
REAL = FILLED[:, 0] * 2 + FILLED[:, 3]


def of_lightgbm(model: Any, target: Any) -> Any:
    kinds = [("input", FloatTensorType([None, FEATURES]))]
    return convert_lightgbm(model.fit(X, target), initial_types=kinds, zipmap=False, target_opset=15)


def of_sklearn(model: Any, target: Any, rows: Any = FILLED) -> Any:
    model.fit(rows, target)
    options = {id(model): {"zipmap": False}} if hasattr(model, "classes_") else None
    return to_onnx(model, rows[:1], options=options)


EXPORTS: dict[str, Callable[[], Any]] = {
    "lightgbm binary": lambda: of_lightgbm(lightgbm.LGBMClassifier(n_estimators=20, verbose=-1), BINARY),
    "lightgbm classes": lambda: of_lightgbm(lightgbm.LGBMClassifier(n_estimators=8, verbose=-1), THREE),
    "lightgbm regressor": lambda: of_lightgbm(lightgbm.LGBMRegressor(n_estimators=20, verbose=-1), REAL),
    "lightgbm 60 leaves": lambda: of_lightgbm(
        lightgbm.LGBMRegressor(n_estimators=20, num_leaves=60, verbose=-1), REAL
    ),
    "forest regressor": lambda: of_sklearn(ensemble.RandomForestRegressor(20, max_leaf_nodes=32), REAL),
    "forest of two targets": lambda: of_sklearn(
        ensemble.RandomForestRegressor(20, max_leaf_nodes=32), np.stack([REAL, -REAL], axis=1)
    ),
    "forest binary": lambda: of_sklearn(ensemble.RandomForestClassifier(20, max_leaf_nodes=32), BINARY),
    "forest classes": lambda: of_sklearn(ensemble.RandomForestClassifier(20, max_leaf_nodes=64), THREE),
    "extra trees": lambda: of_sklearn(ensemble.ExtraTreesRegressor(20, max_leaf_nodes=20), REAL),
    "boosting regressor": lambda: of_sklearn(ensemble.GradientBoostingRegressor(n_estimators=20), REAL),
    "boosting binary": lambda: of_sklearn(ensemble.GradientBoostingClassifier(n_estimators=20), BINARY),
    "boosting classes": lambda: of_sklearn(ensemble.GradientBoostingClassifier(n_estimators=20), THREE),
    "histograms binary": lambda: of_sklearn(ensemble.HistGradientBoostingClassifier(max_iter=20), BINARY, X),
    "histograms classes": lambda: of_sklearn(ensemble.HistGradientBoostingClassifier(max_iter=20), THREE, X),
    "histograms regressor": lambda: of_sklearn(ensemble.HistGradientBoostingRegressor(max_iter=20), REAL, X),
    "tree regressor": lambda: of_sklearn(tree.DecisionTreeRegressor(max_leaf_nodes=20), REAL),
    "tree classes": lambda: of_sklearn(tree.DecisionTreeClassifier(max_leaf_nodes=20), THREE),
}


@pytest.mark.parametrize("name", EXPORTS)
def test_exported_models_give_the_same_bits(name: str, tmp_path: Path) -> None:
    logging.getLogger("onnxmltools").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exported = EXPORTS[name]()
    path = tmp_path / "model.onnx"
    path.write_bytes(exported.SerializeToString())
    session = reference(path)
    names = [output.name for output in session.get_outputs()]
    compile_graph(path, FEATURES, names, session.run)  # it is compiled, and passes its own examination
    nodes = read_ensemble(path.read_bytes()).nodes
    assert_same_bits(path, np.concatenate([rows_of(700, 1), rows_of(300, 2, 0), probes(nodes, FEATURES)]))


@settings(max_examples=60)
@given(
    seed=st.integers(0, 2**32 - 1),
    leaves=st.sampled_from([1, 2, 31, 32, 33, 63]),
    targets=st.integers(1, 3),
    modes=st.lists(st.sampled_from(MODES), min_size=1, max_size=6, unique=True),
    missing=st.booleans(),
    rows=st.sampled_from([1, 7, 8, 9, 16, 17, 32, 33, 63, 64, 65, 130]),
    aggregate=st.sampled_from(["SUM", "AVERAGE"]),
    based=st.booleans(),
)
def test_trees_of_every_mode_give_the_same_bits(
    tmp_path_factory: pytest.TempPathFactory,
    seed: int,
    leaves: int,
    targets: int,
    modes: list[str],
    missing: bool,
    rows: int,
    aggregate: str,
    based: bool,
) -> None:
    random = np.random.default_rng(seed)
    trees = models.random_trees(
        random, leaves=leaves, features=FEATURES, targets=targets, modes=modes, missing=missing
    )
    trees["aggregate_function"] = aggregate
    if based:
        trees["base_values"] = random.normal(size=targets).astype(np.float32).tolist()
    path = models.forest(tmp_path_factory.mktemp("forest") / "m.onnx", trees, features=FEATURES)
    special = np.array(
        [np.nan, np.inf, -np.inf, 0.0, -0.0, 1e-45, -1e-45, 3e38, 0.25, -0.25], dtype=np.float32
    )
    x = (random.integers(-9, 9, size=(rows, FEATURES)) / 4).astype(np.float32)
    x = np.where(random.random(x.shape) < 0.2, random.choice(special, x.shape), x)
    assert_same_bits(path, x)


@pytest.mark.parametrize("post", ["NONE", "LOGISTIC", "SOFTMAX"])
@pytest.mark.parametrize("classes", [2, 3, 5])
@pytest.mark.parametrize("positive", [False, True])
def test_classifiers_compile_only_to_the_same_answers(
    tmp_path: Path, post: str, classes: int, positive: bool
) -> None:
    """Whatever the operator does with scores and labels: it is done the same, or left to ONNX Runtime."""
    random = np.random.default_rng(classes)
    compiled = 0
    for votes_of_one in (False, True):
        trees = models.random_trees(random, targets=1 if votes_of_one else classes, features=FEATURES)
        votes = {
            name.replace("target_", "class_"): trees.pop(name) for name in list(trees) if "target_" in name
        }
        del trees["n_targets"]
        if positive:
            votes["class_weights"] = np.abs(votes["class_weights"]).tolist()
        labels = list(range(10, 10 + classes))
        path = models.forest(
            tmp_path / f"{votes_of_one}.onnx",
            {**trees, **votes, "post_transform": post, "classlabels_int64s": labels},
            features=FEATURES,
        )
        session = reference(path)
        try:
            compile_graph(path, FEATURES, ["label", "scores"], session.run)
        except ValueError:
            continue
        compiled += 1
        assert_same_bits(path, rows_of(500, 3))
    assert compiled or classes == 2
