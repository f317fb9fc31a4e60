"""Scalers, each with the operations and the rounding of its ``transform``."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, Normalizer, RobustScaler, StandardScaler

from penstock.transform.sklearn.graph import Graph, Matrix, Value

__all__ = ["RULES", "standard"]

Array = np.ndarray[Any, Any]


def standard(graph: Graph, transformer: StandardScaler, matrix: Matrix) -> Matrix:
    """(x - mean) / scale in the type of x."""
    mean = transformer.mean_ if transformer.with_mean else None
    scale = transformer.scale_ if transformer.with_std else None
    if matrix.sparse:
        return _scaled_sparse(graph, matrix, scale)
    return _floats(graph, matrix, "standard_scale", mean=mean, scale=scale)


def min_max(graph: Graph, transformer: MinMaxScaler, matrix: Matrix) -> Matrix:
    """X * scale + min, clipped to the range if so asked."""
    parameters: dict[str, object] = {"clip": bool(transformer.clip)}
    if transformer.clip:
        low, high = transformer.feature_range
        parameters |= {"low": float(low), "high": float(high)}
    arrays = {"scale": transformer.scale_, "min": transformer.min_}
    return _floats(graph, matrix, "min_max_scale", parameters, **arrays)


def max_abs(graph: Graph, transformer: MaxAbsScaler, matrix: Matrix) -> Matrix:
    """X / scale, clipped to [-1, 1] if so asked."""
    if matrix.sparse:
        limits = (-1.0, 1.0) if transformer.clip else None
        return _scaled_sparse(graph, matrix, transformer.scale_, limits)
    parameters: dict[str, object] = {"clip": bool(transformer.clip)}
    return _floats(graph, matrix, "max_abs_scale", parameters, scale=transformer.scale_)


def robust(graph: Graph, transformer: RobustScaler, matrix: Matrix) -> Matrix:
    """(x - center) / scale."""
    center = transformer.center_ if transformer.with_centering else None
    scale = transformer.scale_ if transformer.with_scaling else None
    if matrix.sparse:
        return _scaled_sparse(graph, matrix, scale)
    return _floats(graph, matrix, "robust_scale", center=center, scale=scale)


def normalizer(graph: Graph, transformer: Normalizer, matrix: Matrix) -> Matrix:
    """Each row divided by its norm."""
    return _floats(graph, matrix, "normalize", {"norm": transformer.norm})


def _floats(
    graph: Graph,
    matrix: Matrix,
    op: str,
    parameters: dict[str, object] | None = None,
    **arrays: Array | None,
) -> Matrix:
    inputs, dtype = graph.numbers(matrix)
    present = {key: as_floats(array) for key, array in arrays.items() if array is not None}
    if not present and not parameters:
        # Nothing to subtract, nothing to divide by: what is left is the conversion to floats.
        op, parameters = "function", {"name": "identity"}
    values = graph.emit(op, inputs, dtype, parameters, present)
    return Matrix(values, values, matrix.sparse)


def _scaled_sparse(
    graph: Graph, matrix: Matrix, scale: Array | None, limits: tuple[float, float] | None = None
) -> Matrix:
    """scikit-learn multiplies sparse matrices by 1 / scale, in double, and divides dense ones."""
    inputs, dtype = graph.numbers(matrix)
    values: tuple[Value, ...] = inputs
    if scale is None:
        values = graph.emit("function", inputs, dtype, {"name": "identity"})
    else:
        factors = 1.0 / as_floats(scale)
        # Adding -0.0 leaves everything as it is.
        arrays = {"scale": factors, "min": np.full(len(factors), -0.0, factors.dtype)}
        parameters: dict[str, object] = {"clip": limits is not None}
        if limits is not None:
            parameters |= {"low": limits[0], "high": limits[1]}
        values = graph.emit("min_max_scale", inputs, dtype, parameters, arrays)
    return Matrix(values, values, matrix.sparse)


def as_floats(array: Array) -> Array:
    """A fitted parameter in its own type, or in float64 where that is not one of floats."""
    array = np.asarray(array)
    return array if array.dtype in (np.float32, np.float64) else array.astype(np.float64)


RULES = {
    StandardScaler: standard,
    MinMaxScaler: min_max,
    MaxAbsScaler: max_abs,
    RobustScaler: robust,
    Normalizer: normalizer,
}
