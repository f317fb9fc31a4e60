"""What holds other transformers: ColumnTransformer, Pipeline, FeatureUnion, nested to any depth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.utils._set_output import _get_output_config

from penstock.transform.sklearn.graph import BOOL, FLOAT32, FLOAT64, OBJECT, Graph, Matrix

__all__ = ["RULES", "gives_frame"]


def column_transformer(graph: Graph, transformer: ColumnTransformer, matrix: Matrix) -> Matrix:
    """Each part from its columns, side by side as declared."""
    if not hasattr(transformer, "transformers_"):
        graph.refuse("ColumnTransformer is not fitted")
    parts = []
    for name, inner, columns, weight in transformer._iter(
        fitted=True, column_as_labels=False, skip_drop=True, skip_empty_columns=True
    ):
        indices = transformer._transformer_to_input_indices[name]
        if not len(indices):
            continue
        if np.isscalar(columns):
            with graph.step(name):
                graph.refuse(f"column {columns!r} is selected as a vector; select [{columns!r}] instead")
        part = graph.apply(inner, matrix.take(indices), name)
        parts.append(_weighted(graph, part, weight, name))
    return _side_by_side(graph, parts, gives_frame(transformer), bool(transformer.sparse_output_))


def pipeline(graph: Graph, transformer: Pipeline, matrix: Matrix) -> Matrix:
    """Each step from the one before."""
    for name, step in transformer.steps:
        if step is None or step == "passthrough":
            continue
        if not hasattr(step, "transform"):
            with graph.step(name):
                graph.refuse(
                    f"{type(step).__name__} predicts and does not transform; "
                    "convert the steps before it: pipeline[:-1]"
                )
        matrix = graph.apply(step, matrix, name)
    return matrix


def feature_union(graph: Graph, transformer: FeatureUnion, matrix: Matrix) -> Matrix:
    """Every part from all columns, side by side."""
    parts = []
    for name, inner, weight in transformer._iter():
        parts.append(_weighted(graph, graph.apply(inner, matrix, name), weight, name))
    sparse = any(part.sparse for part in parts)
    return _side_by_side(graph, parts, gives_frame(transformer), sparse)


def gives_frame(transformer: Any) -> bool:
    """Whether a transformer is set to give a data frame, whose columns keep their types."""
    return bool(_get_output_config("transform", transformer)["dense"] != "default")


def _side_by_side(graph: Graph, parts: Sequence[Matrix], frame: bool, sparse: bool) -> Matrix:
    if frame:
        parts = [graph.settled(part) for part in parts]
    values = tuple(value for part in parts for value in part.values)
    if frame:
        return Matrix(values, None, sparse)
    whole = tuple(value for part in parts for value in part.origin)
    if not sparse and any(map(_becomes_objects, parts)):
        whole += (OBJECT,)
    return Matrix(values, whole, sparse)


def _becomes_objects(part: Matrix) -> bool:
    """Whether a part is a frame of booleans and other numbers, for which NumPy has no common type."""
    dtypes = {value.dtype for value in part.values if value.dtype is not None}
    return part.whole is None and BOOL in dtypes and len(dtypes) > 1


def _weighted(graph: Graph, matrix: Matrix, weight: float | None, name: str) -> Matrix:
    if weight is None or weight == 1:
        return matrix
    with graph.step(name):
        inputs, dtype = graph.numbers(matrix)
        # NumPy rounds the weight to the type of the array. -0.0 is what adding leaves everything as it is.
        parameter = FLOAT32 if np.float64(np.float32(weight)) == weight else FLOAT64
        if dtype is not None:
            parameter = dtype
        if dtype is None and parameter == FLOAT64:
            graph.refuse(
                f"a weight of {weight!r} needs the types of the columns: give an example of the data"
            )
        arrays = {
            "scale": np.full(len(inputs), weight, parameter),
            "min": np.full(len(inputs), -0.0, parameter),
        }
        values = graph.emit("min_max_scale", inputs, dtype, {"clip": False}, arrays)
    return Matrix(values, values, matrix.sparse)


RULES = {ColumnTransformer: column_transformer, Pipeline: pipeline, FeatureUnion: feature_union}
