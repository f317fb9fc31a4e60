"""Reads an ONNX graph that is one ensemble of trees and nothing else, as exporters of boosted trees write it.

What the operators mean is said in https://onnx.ai/onnx/operators/; where that leaves something open, ONNX
Runtime's answer counts. Read next: compile.py, which compares the two.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec
import numpy as np

from penstock.forest.ensemble import AT_MOST, EQUAL, Nodes, Output
from penstock.protos import message_class

__all__ = ["Ensemble", "NotCompiledError", "read_ensemble"]

_CLASSIFIER: Final = "TreeEnsembleClassifier"
_REGRESSOR: Final = "TreeEnsembleRegressor"
_INT64: Final = 7
_FLOAT: Final = 1

# Mode: the test, whether its outcome is turned around, and whether the threshold itself fails it.
_MODES: Final = {
    "BRANCH_LEQ": (AT_MOST, False, False),
    "BRANCH_LT": (AT_MOST, False, True),
    "BRANCH_GT": (AT_MOST, True, False),
    "BRANCH_GTE": (AT_MOST, True, True),
    "BRANCH_EQ": (EQUAL, False, False),
    "BRANCH_NEQ": (EQUAL, True, False),
}
_LEAF: Final = "LEAF"

_Attributes = Mapping[str, Any]


class NotCompiledError(ValueError):
    """The graph is not one that is compiled; says why."""


class Ensemble(msgspec.Struct, frozen=True, kw_only=True):
    """One ensemble, and which outputs of the graph it gives.

    Attributes
    ----------
    input : str
    scores : tuple of str
        Outputs that are the scores, of shape (n_rows, n_outputs).
    labels : tuple of str
        Outputs that are the label.
    nodes : Nodes
    targets : int
    output : Output
    """

    input: str
    scores: tuple[str, ...]
    labels: tuple[str, ...]
    nodes: Nodes
    targets: int
    output: Output


def read_ensemble(data: bytes) -> Ensemble:
    """Return the ensemble that an ONNX file is.

    Raises
    ------
    NotCompiledError
        When it is something else, or has parts that are not compiled.
    """
    graph = message_class("ModelProto", "onnx").FromString(data).graph
    found = [node for node in graph.node if node.op_type in (_CLASSIFIER, _REGRESSOR)]
    if len(found) != 1:
        raise NotCompiledError(f"expected one ensemble of trees, got {len(found)}")
    ensemble = found[0]
    follow = _follower(graph)
    source = follow(ensemble.input[0])
    if source not in {value.name for value in graph.input}:
        raise NotCompiledError(f'the trees take "{source}", which is computed')
    classifier = ensemble.op_type == _CLASSIFIER
    scores, labels = [], []
    for output in graph.output:
        origin = follow(output.name)
        if origin == ensemble.output[-1]:
            scores.append(output.name)
        elif classifier and origin == ensemble.output[0]:
            labels.append(output.name)
        else:
            raise NotCompiledError(f'output "{output.name}" is computed from more than the trees')
    attributes = {attribute.name: attribute for attribute in ensemble.attribute}
    for name in attributes:
        if name.endswith("_as_tensor"):
            raise NotCompiledError(f"{name}: trees of doubles")
    read = _classifier if classifier else _regressor
    nodes, targets, output = read(attributes, bool(labels))
    return Ensemble(
        input=source, scores=tuple(scores), labels=tuple(labels), nodes=nodes, targets=targets, output=output
    )


def _follower(graph: Any) -> Any:
    """Return what finds the tensor that a tensor is a copy of."""
    ones = {tensor.name for tensor in graph.initializer if _is_one(tensor)}
    copies: dict[str, str] = {}
    for node in graph.node:
        inputs = [name for name in node.input if not (node.op_type == "Mul" and name in ones)]
        casts = [attribute.i for attribute in node.attribute if attribute.name == "to"]
        # The label is cast to what it is, an integer; the scores are floats.
        copy = node.op_type in ("Identity", "Mul") or (
            node.op_type == "Cast" and casts in ([_INT64], [_FLOAT])
        )
        if copy and len(inputs) == 1:
            copies[node.output[0]] = inputs[0]

    def follow(name: str) -> str:
        while name in copies:
            name = copies[name]
        return name

    return follow


def _is_one(tensor: Any) -> bool:
    if tensor.data_type != _FLOAT or list(tensor.dims) not in ([], [1]):
        return False
    values = np.frombuffer(tensor.raw_data, np.float32) if tensor.raw_data else np.array(tensor.float_data)
    return bool(values.size == 1 and values[0] == 1)


def _ints(attributes: _Attributes, name: str) -> np.ndarray[Any, np.dtype[np.int64]]:
    return np.array(attributes[name].ints if name in attributes else (), dtype=np.int64)


def _floats(attributes: _Attributes, name: str) -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.array(attributes[name].floats if name in attributes else (), dtype=np.float32)


def _text(attributes: _Attributes, name: str, default: str) -> str:
    return attributes[name].s.decode() if name in attributes else default


def _regressor(attributes: _Attributes, labelled: bool) -> tuple[Nodes, int, Output]:
    targets = attributes["n_targets"].i if "n_targets" in attributes else 1
    post = _text(attributes, "post_transform", "NONE")
    if post != "NONE":
        raise NotCompiledError(f"post_transform {post} of a regressor")
    aggregate = _text(attributes, "aggregate_function", "SUM")
    if aggregate not in ("SUM", "AVERAGE"):
        raise NotCompiledError(f"aggregate_function {aggregate}")
    nodes = _nodes(attributes, "target", targets)
    base = _floats(attributes, "base_values")
    if base.size not in (0, targets):
        raise NotCompiledError("base_values that are not one a target")
    divisor = len(nodes.roots) if aggregate == "AVERAGE" else 1
    return nodes, targets, Output(divisor=divisor, base=tuple(base.tolist()))


def _classifier(attributes: _Attributes, labelled: bool) -> tuple[Nodes, int, Output]:
    integers, texts = _ints(attributes, "classlabels_int64s"), "classlabels_strings" in attributes
    if labelled and texts:
        raise NotCompiledError("labels that are texts")
    classes = len(attributes["classlabels_strings"].strings) if texts else integers.size
    labels = tuple(integers.tolist()) if labelled else ()
    post = _text(attributes, "post_transform", "NONE")
    base = _floats(attributes, "base_values")
    voted = np.unique(_ints(attributes, "class_ids"))
    if classes < 2 or voted.size == 0:
        raise NotCompiledError("fewer than two classes")
    if classes == 2 and voted.size == 1:
        # One score speaks for both classes: a probability where no leaf is negative, else a log odds.
        positive = not (_floats(attributes, "class_weights") < 0).any()
        complement = positive and base.size < 2
        if base.size > 2 or not (complement or post == "LOGISTIC"):
            raise NotCompiledError("one score for two classes, without a sigmoid")
        output = Output(
            link="complement" if complement else "sigmoids",
            base=tuple(base[-1:].tolist()),
            labels=labels,
            cut=0.5 if positive else 0.0,
        )
        return _nodes(attributes, "class", 1), 1, output
    links = {"NONE": "none", "LOGISTIC": "sigmoid", "SOFTMAX": "softmax"}
    if post not in links:
        raise NotCompiledError(f"post_transform {post}")
    if base.size not in (0, classes) or (classes == 2 and (base.size or labels)):
        raise NotCompiledError("two classes with votes for each, with base values or a label")
    nodes = _nodes(attributes, "class", classes)
    _check_votes(nodes, classes)
    return nodes, classes, Output(link=links[post], base=tuple(base.tolist()), labels=labels)


def _check_votes(nodes: Nodes, classes: int) -> None:
    """A class that no leaf of a row votes for is left out by ONNX Runtime: some tree must always vote."""
    leaves = nodes.true_child < 0
    tree = np.cumsum(np.isin(np.arange(len(leaves)), nodes.roots)) - 1
    counts = np.zeros((len(nodes.roots), classes), dtype=np.int64)
    voters = np.repeat(np.arange(len(leaves)), np.diff(nodes.first_vote))
    np.add.at(counts, (tree[voters], nodes.vote_target), 1)
    if not (counts == np.bincount(tree[leaves], minlength=len(nodes.roots))[:, None]).any(axis=0).all():
        raise NotCompiledError("a class that not every row has a vote for")


def _nodes(attributes: _Attributes, votes: str, targets: int) -> Nodes:
    """Return the nodes in the order of the file, which is tree by tree, its root first."""
    trees, ids = _ints(attributes, "nodes_treeids"), _ints(attributes, "nodes_nodeids")
    count = len(trees)
    modes = [mode.decode() for mode in attributes["nodes_modes"].strings]
    unknown = set(modes) - {_LEAF, *_MODES}
    if unknown:
        raise NotCompiledError(f"nodes of mode {', '.join(sorted(unknown))}")
    starts = np.flatnonzero(np.r_[True, trees[1:] != trees[:-1]]) if count else np.zeros(0, dtype=np.int64)
    if len(np.unique(trees)) != len(starts):
        raise NotCompiledError("trees that lie between each other")
    place = _Places(trees, ids)
    leaf = np.array([mode == _LEAF for mode in modes], dtype=bool)
    test, turned, strict = (
        np.array([_MODES.get(mode, (0, False, False))[part] for mode in modes], dtype=np.uint8)
        for part in range(3)
    )
    threshold = _floats(attributes, "nodes_values").copy()
    inner = ~leaf
    # x < t is x <= the float before t.
    below = (strict == 1) & inner
    if len(threshold) != count or np.isnan(threshold[inner]).any() or np.isneginf(threshold[below]).any():
        raise NotCompiledError("thresholds that nothing can be compared with")
    threshold[below] = np.nextafter(threshold[below], np.float32(-np.inf))
    yes, no = _ints(attributes, "nodes_truenodeids"), _ints(attributes, "nodes_falsenodeids")
    tracks = _ints(attributes, "nodes_missing_value_tracks_true")
    # NaN fails every comparison but "not equal"; a test that is turned around fails where the node's holds.
    different = np.array([mode == "BRANCH_NEQ" for mode in modes], dtype=bool)
    missing_is_true = different | (tracks == 1 if tracks.size else np.zeros(count, dtype=bool))
    children = [np.full(count, -1, dtype=np.int32) for _ in range(2)]
    for ours, theirs in zip(children, (yes, no), strict=True):
        ours[inner] = place.of(trees[inner], theirs[inner])
    flip = (turned == 1) & inner
    children[0][flip], children[1][flip] = children[1][flip], children[0][flip].copy()
    voters = place.of(_ints(attributes, f"{votes}_treeids"), _ints(attributes, f"{votes}_nodeids"))
    if not leaf[voters].all():
        raise NotCompiledError("votes of nodes that are no leaves")
    order = np.argsort(voters, kind="stable")
    ids_of_targets = _ints(attributes, f"{votes}_ids")
    target = np.zeros(len(order), dtype=np.int32) if targets == 1 else ids_of_targets[order]
    return Nodes(
        roots=starts.astype(np.int32),
        true_child=children[0],
        false_child=children[1],
        feature=np.where(inner, _ints(attributes, "nodes_featureids"), 0).astype(np.int32),
        threshold=threshold,
        test=test,
        missing_is_true=(missing_is_true ^ flip),
        first_vote=np.r_[0, np.cumsum(np.bincount(voters, minlength=count))].astype(np.int64),
        vote_target=target.astype(np.int32),
        vote_value=_floats(attributes, f"{votes}_weights")[order],
    )


class _Places:
    """Finds nodes by the numbers of their tree and their own."""

    def __init__(self, trees: np.ndarray[Any, Any], ids: np.ndarray[Any, Any]) -> None:
        numbers = self._packed(trees, ids)
        self._order = np.argsort(numbers)
        self._sorted = numbers[self._order]
        if (np.diff(self._sorted) == 0).any():
            raise NotCompiledError("two nodes of one number")

    @staticmethod
    def _packed(trees: np.ndarray[Any, Any], ids: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        if any(part.size and (part.min() < 0 or part.max() >= 2**31) for part in (trees, ids)):
            raise NotCompiledError("numbers of nodes out of range")
        numbers: np.ndarray[Any, Any] = trees << 31 | ids
        return numbers

    def of(self, trees: np.ndarray[Any, Any], ids: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Return indices; raises NotCompiledError where there is no such node."""
        wanted = self._packed(trees, ids)
        found = np.searchsorted(self._sorted, wanted)
        if wanted.size and (found.max() >= len(self._sorted) or (self._sorted[found] != wanted).any()):
            raise NotCompiledError("a node that is not there")
        places: np.ndarray[Any, Any] = self._order[found]
        return places
