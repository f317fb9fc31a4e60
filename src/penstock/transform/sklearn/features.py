"""New features from old ones, and fewer of them: polynomials, projections, selections, functions."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.decomposition import PCA, IncrementalPCA, TruncatedSVD
from sklearn.feature_selection import SelectorMixin
from sklearn.preprocessing import FunctionTransformer, PolynomialFeatures

from penstock.transform.instructions import UNARIES
from penstock.transform.sklearn.compose import gives_frame
from penstock.transform.sklearn.graph import BOOL, FLOAT32, FLOAT64, Dtype, Graph, Matrix, Value
from penstock.transform.sklearn.scale import as_floats

__all__ = ["RULES", "select"]

FUNCTIONS: dict[Any, str] = {
    **{getattr(np, name): name for name in UNARIES if name != "identity"},
    np.fabs: "abs",
    np.positive: "identity",
    np.radians: "deg2rad",
    np.degrees: "rad2deg",
}
"""Functions of NumPy, by themselves: a name can lie."""

WRAPS = ("square", "negative", "reciprocal")
"""Functions whose results NumPy fits into the integers that it was given."""

KEEPS_INTEGERS = ("abs", "sign", "floor", "ceil", "identity")


def polynomial(graph: Graph, transformer: PolynomialFeatures, matrix: Matrix) -> Matrix:
    """Products of columns, multiplied in scikit-learn's order: the last factor first."""
    inputs, dtype = graph.numbers(matrix)
    terms = [
        combination[::-1]
        for combination in transformer._combinations(
            n_features=transformer.n_features_in_,
            min_degree=transformer._min_degree,
            max_degree=transformer._max_degree,
            interaction_only=transformer.interaction_only,
            include_bias=transformer.include_bias,
        )
    ]
    arrays = {
        "terms": np.array([factor for term in terms for factor in term], dtype=np.int32),
        "counts": np.array([len(term) for term in terms], dtype=np.int32),
    }
    values = graph.emit("polynomial", inputs, dtype, {}, arrays, count=len(terms))
    return Matrix(values, values, matrix.sparse)


def pca(graph: Graph, transformer: PCA | IncrementalPCA, matrix: Matrix) -> Matrix:
    """Projected, centred after that, and scaled when whitened."""
    components = as_floats(transformer.components_)
    arrays = {"subtract": (np.reshape(as_floats(transformer.mean_), (1, -1)) @ components.T).ravel()}
    if transformer.whiten:
        scale = np.sqrt(as_floats(transformer.explained_variance_))
        arrays["divide"] = np.maximum(scale, np.finfo(scale.dtype).eps)
    return _projected(graph, matrix, components, arrays)


def truncated_svd(graph: Graph, transformer: TruncatedSVD, matrix: Matrix) -> Matrix:
    """Projected."""
    return _projected(graph, matrix, as_floats(transformer.components_), {})


def _projected(graph: Graph, matrix: Matrix, components: Any, arrays: dict[str, Any]) -> Matrix:
    inputs, dtype = graph.numbers(matrix)
    if components.dtype == FLOAT64:
        dtype = FLOAT64
    values = graph.emit(
        "project", inputs, dtype, {}, {"matrix": components.ravel(), **arrays}, count=len(components)
    )
    return Matrix(values, values)


def select(graph: Graph, transformer: SelectorMixin, matrix: Matrix) -> Matrix:
    """Some of the columns; no operation."""
    for value in matrix.values:
        graph.number(value)
    kept = np.flatnonzero(transformer.get_support()).tolist()
    if matrix.whole is None and not gives_frame(transformer):
        matrix = Matrix(matrix.values, matrix.values, matrix.sparse)
    return matrix.take(kept)


def function(graph: Graph, transformer: FunctionTransformer, matrix: Matrix) -> Matrix:
    """A function of NumPy, or none at all; anything else cannot be read, only run."""
    if transformer.kw_args:
        graph.refuse(f"a function with kw_args={transformer.kw_args!r} does not convert")
    func = transformer.func
    if func is None:
        return matrix
    if transformer.validate and matrix.whole is None:
        matrix = Matrix(matrix.values, matrix.values, matrix.sparse)
    if func is np.isnan:
        values = graph.emit("missing_indicator", graph.numbers(matrix)[0], BOOL, {"dtype": "bool"})
        return Matrix(values, matrix.whole and values, matrix.sparse)
    try:
        name = FUNCTIONS[func]
    except (KeyError, TypeError):
        called = getattr(func, "__qualname__", None) or getattr(func, "__name__", None) or repr(func)
        known = ", ".join(sorted(set(FUNCTIONS.values())))
        graph.refuse(f'the function "{called}" does not convert; those of NumPy that do: {known}')
    values = tuple(value for part in graph.columnwise(matrix) for value in _called(graph, name, part))
    return Matrix(values, None if matrix.whole is None else values, matrix.sparse)


def _called(graph: Graph, name: str, matrix: Matrix) -> tuple[Value, ...]:
    inputs, stored = graph.numbers(matrix)
    dtype: Dtype | None = stored
    kept = graph.kept(matrix)
    if kept is not None and kept.kind in "iu":
        if name in WRAPS:
            graph.refuse(f"numpy.{name} of {kept} wraps around; convert the column to floats first")
        if name in KEEPS_INTEGERS:
            dtype = kept
        elif kept.itemsize == 1:
            graph.refuse(f"numpy.{name} of {kept} gives half precision; convert the column to floats first")
        elif kept.itemsize == 2:
            inputs, dtype, stored = graph.cast(inputs, FLOAT32), FLOAT32, FLOAT32
    return graph.emit("function", inputs, dtype, {"name": name}, stored=stored)


RULES = {
    PolynomialFeatures: polynomial,
    PCA: pca,
    IncrementalPCA: pca,
    TruncatedSVD: truncated_svd,
    FunctionTransformer: function,
}
