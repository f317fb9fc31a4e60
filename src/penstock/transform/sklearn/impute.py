"""SimpleImputer and MissingIndicator."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.utils._mask import _get_mask

from penstock.transform.sklearn.compose import gives_frame
from penstock.transform.sklearn.graph import BOOL, FLOAT64, TEXT, Graph, Matrix, Value

__all__ = ["RULES", "is_missing"]


def is_missing(value: object) -> bool:
    """Whether a scalar is None, NaN or pandas.NA: all are one and the same "missing" here."""
    if value is None or type(value).__name__ == "NAType":
        return True
    return isinstance(value, float | np.floating) and bool(np.isnan(value))


def simple_imputer(graph: Graph, transformer: SimpleImputer, matrix: Matrix) -> Matrix:
    """Missing values filled; columns that had none but missing ones are left out; indicators behind."""
    statistics = np.asarray(transformer.statistics_)
    if transformer.keep_empty_features:
        kept = list(range(len(statistics)))
    else:
        kept = np.flatnonzero(~_get_mask(statistics, np.nan)).tolist()
    fills = statistics[kept].astype(transformer._fill_dtype)
    values = _filled(graph, transformer, matrix.take(kept), fills, numeric=fills.dtype != TEXT)
    if transformer.indicator_ is not None:
        values += _indicators(graph, matrix, transformer.indicator_.features_, transformer.missing_values)
    whole = None if gives_frame(transformer) else values
    return Matrix(values, whole, matrix.sparse)


def _filled(
    graph: Graph, transformer: SimpleImputer, matrix: Matrix, fills: np.ndarray[Any, Any], numeric: bool
) -> tuple[Value, ...]:
    if numeric:
        inputs, stored = graph.numbers(matrix)
        keeps = transformer.strategy in ("most_frequent", "constant")
        dtype = graph.kept(matrix) if keeps else stored
        parameters = {"missing": _missing_number(graph, transformer.missing_values)}
        filled = {"fill": fills.astype(np.float64)}
        return graph.emit("impute", inputs, dtype, parameters, filled, stored=stored)
    # An array of objects: every value by itself.
    values: list[Value] = []
    arrays: dict[str, Any]
    missing: object
    for value, fill in zip(matrix.values, fills, strict=True):
        if isinstance(fill, str):
            text = [graph.text(value)]
            missing = _missing_text(graph, transformer.missing_values)
            arrays = {"fill": pa.array([str(fill)], pa.string())}
            values += graph.emit("impute_text", text, TEXT, {"missing": missing}, arrays)
        elif isinstance(fill, int | float | np.number):
            if graph.is_text(value):
                graph.refuse(f'column "{value.name}" holds text and would be filled with the number {fill!r}')
            inputs = graph.cast([graph.number(value)], FLOAT64)
            missing = _missing_number(graph, transformer.missing_values)
            arrays = {"fill": np.array([fill], np.float64)}
            values += graph.emit("impute", inputs, FLOAT64, {"missing": missing}, arrays)
        else:
            graph.refuse(f"missing values would be filled with {fill!r}, neither text nor a number")
    return tuple(values)


def missing_indicator(graph: Graph, transformer: MissingIndicator, matrix: Matrix) -> Matrix:
    """One where a value is missing, zero elsewhere."""
    values = _indicators(graph, matrix, transformer.features_, transformer.missing_values)
    sparse = transformer.sparse is True or (transformer.sparse == "auto" and matrix.sparse)
    return Matrix(values, None if gives_frame(transformer) else values, sparse)


def _indicators(
    graph: Graph, matrix: Matrix, features: np.ndarray[Any, Any], marker: object
) -> tuple[Value, ...]:
    values: list[Value] = []
    for value in matrix.take(features.tolist()).values:
        missing: object
        inputs: tuple[Value, ...]
        if isinstance(marker, str) or graph.is_text(value):
            inputs = (graph.text(value),)
            missing = _missing_text(graph, marker)
        elif is_missing(marker):
            inputs, missing = (value,), None  # text or number, whichever another step finds
        else:
            inputs, _ = graph.numbers(matrix.take([matrix.values.index(value)]))
            missing = _missing_number(graph, marker)
        values += graph.emit("missing_indicator", inputs, BOOL, {"missing": missing, "dtype": "bool"})
    return tuple(values)


def _missing_number(graph: Graph, marker: object) -> str | float:
    if is_missing(marker):
        return "nan"
    if not isinstance(marker, int | float | np.number) or not np.isfinite(marker):
        graph.refuse(f"missing_values={marker!r} cannot mark what is missing among numbers")
    return float(marker)


def _missing_text(graph: Graph, marker: object) -> str | None:
    if is_missing(marker):
        return None
    if not isinstance(marker, str):
        graph.refuse(f"missing_values={marker!r} cannot mark what is missing among texts")
    return str(marker)


RULES = {SimpleImputer: simple_imputer, MissingIndicator: missing_indicator}
