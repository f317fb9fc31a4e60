"""Encoders of categories: one-hot, ordinal, target.

Their fitted tables already say everything: which category goes where once the infrequent ones are grouped
and one is dropped, and where a missing or an unknown value goes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, TargetEncoder

from penstock.transform.sklearn.compose import gives_frame
from penstock.transform.sklearn.graph import FLOAT64, Graph, Matrix, Value, held_as
from penstock.transform.sklearn.impute import is_missing

__all__ = ["RULES"]

Array = np.ndarray[Any, Any]

EXACT = 2**53
"""Above, whole numbers are not exact in a double, and neighbours could not be told apart."""


@dataclass(frozen=True)
class Categories:
    """The categories of one column, those that are values apart from "missing".

    Attributes
    ----------
    value : Value
        What is looked up.
    known : pyarrow.Array
        Strings or doubles.
    indices : ndarray of int
        Of each in ``categories_``.
    missing : int or None
        The index of None or NaN in ``categories_``.
    """

    value: Value
    known: pa.Array
    indices: Array
    missing: int | None


def one_hot(graph: Graph, transformer: OneHotEncoder, matrix: Matrix) -> Matrix:
    """Each category a column of its own, but for the dropped and the grouped ones."""
    columns = _categories(graph, transformer, matrix)
    widths = [int(width) for width in transformer._n_features_outs]
    unknown: list[int | str] = []
    missing: list[int | str] = []
    arrays: dict[str, Any] = {}
    for i, column in enumerate(columns):
        places = _one_hot_places(transformer, i)
        unknown.append(_one_hot_unknown(transformer, i))
        missing.append(unknown[i] if column.missing is None else int(places[column.missing]))
        arrays[f"categories{i}"] = column.known
        arrays[f"columns{i}"] = places[column.indices].astype(np.int32)
    dtype = held_as(transformer.dtype)
    parameters: dict[str, object] = {
        "dtype": dtype.name,
        "widths": widths,
        "unknown": unknown,
        "missing": missing,
    }
    if _warns(transformer):
        parameters["warn"] = True
    values = graph.emit(
        "one_hot", [column.value for column in columns], dtype, parameters, arrays, count=sum(widths)
    )
    return Matrix(values, values, bool(transformer.sparse_output))


def _one_hot_places(transformer: OneHotEncoder, i: int) -> Array:
    """The output column of each category of input column i, -1 for the dropped one."""
    places = np.arange(len(transformer.categories_[i]))
    if transformer._infrequent_enabled and transformer._default_to_infrequent_mappings[i] is not None:
        places = np.asarray(transformer._default_to_infrequent_mappings[i])
    drop = None if transformer._drop_idx_after_grouping is None else transformer._drop_idx_after_grouping[i]
    if drop is None:
        return places
    return np.where(places == drop, -1, places - (places > drop))


def _one_hot_unknown(transformer: OneHotEncoder, i: int) -> int | str:
    if transformer.handle_unknown == "error":
        return "error"
    if transformer.handle_unknown == "ignore" or not transformer._infrequent_enabled:
        return -1
    infrequent = transformer._infrequent_indices[i]
    return -1 if infrequent is None else int(_one_hot_places(transformer, i)[infrequent[0]])


def _warns(transformer: OneHotEncoder) -> bool:
    if transformer.handle_unknown == "warn":
        return True
    return transformer.drop is not None and transformer.handle_unknown != "error"


def ordinal(graph: Graph, transformer: OrdinalEncoder, matrix: Matrix) -> Matrix:
    """The index of each category; infrequent ones share the last."""
    rows: list[list[list[float]]] = []
    columns = _categories(graph, transformer, matrix)
    for i in range(len(columns)):
        index = np.arange(len(transformer.categories_[i]))
        if transformer._infrequent_enabled and transformer._default_to_infrequent_mappings[i] is not None:
            mapping = transformer._default_to_infrequent_mappings[i]
            index[: len(mapping)] = mapping
        codes = index.astype(float)
        if i in transformer._missing_indices:
            codes[transformer._missing_indices[i]] = transformer.encoded_missing_value
        rows.append(codes[:, None].tolist())
    known = transformer.handle_unknown == "error"
    unknown = None if known else [[float(transformer.unknown_value)]] * len(columns)
    dtype = held_as(transformer.dtype)
    values = _encode(graph, columns, rows, unknown, "ordinal", dtype)
    return Matrix(values, None if gives_frame(transformer) else values)


def target(graph: Graph, transformer: TargetEncoder, matrix: Matrix) -> Matrix:
    """The smoothed mean of the target in each category; the mean of all for one that is not known."""
    columns = _categories(graph, transformer, matrix)
    width = len(transformer.classes_) if transformer.target_type_ == "multiclass" else 1
    means = np.atleast_1d(np.asarray(transformer.target_mean_, dtype=float)).tolist()
    encodings = [np.asarray(encoding, dtype=float) for encoding in transformer.encodings_]
    rows = [np.stack(encodings[i * width : (i + 1) * width], axis=1).tolist() for i in range(len(columns))]
    values = _encode(graph, columns, rows, [means] * len(columns), "target", FLOAT64, width)
    return Matrix(values, values)


def _encode(
    graph: Graph,
    columns: list[Categories],
    rows: list[list[list[float]]],
    unknown: list[list[float]] | None,
    kind: str,
    dtype: np.dtype[Any],
    width: int = 1,
) -> tuple[Value, ...]:
    """`rows` has the codes of each category of each column; `unknown` those of any other."""
    arrays: dict[str, Any] = {}
    unknown_rows: list[int | str] = []
    missing_rows: list[int | str] = []
    for i, column in enumerate(columns):
        table = list(rows[i])
        if unknown is None:
            unknown_rows.append("error")
        else:
            unknown_rows.append(len(table))
            table.append(unknown[i])
        missing_rows.append(unknown_rows[i] if column.missing is None else column.missing)
        arrays[f"categories{i}"] = column.known
        arrays[f"codes{i}"] = column.indices.astype(np.int32)
        arrays[f"values{i}"] = np.asarray(table, dtype=np.float64).ravel()
    parameters = {
        "dtype": dtype.name,
        "kind": kind,
        "width": width,
        "unknown": unknown_rows,
        "missing": missing_rows,
    }
    inputs = [column.value for column in columns]
    return graph.emit("encode", inputs, dtype, parameters, arrays, count=len(columns) * width)


def _categories(graph: Graph, transformer: Any, matrix: Matrix) -> list[Categories]:
    return [
        _column(graph, value, categories)
        for value, categories in zip(matrix.values, transformer.categories_, strict=True)
    ]


def _column(graph: Graph, value: Value, categories: Array) -> Categories:
    items = categories.tolist()
    absent = [index for index, item in enumerate(items) if is_missing(item)]
    if len(absent) > 1:
        graph.refuse(
            f'the categories of input "{value.name}" hold both None and NaN, which are one and the same '
            "missing value outside Python; fit the encoder on data that have only one of them"
        )
    indices = np.array([index for index, item in enumerate(items) if not is_missing(item)], dtype=np.int32)
    present = [items[index] for index in indices]
    missing = absent[0] if absent else None
    if all(isinstance(item, bool | int | float) for item in present) and (
        present or categories.dtype.kind != "O"
    ):
        large = [item for item in present if isinstance(item, int) and abs(item) >= EXACT]
        if large:
            graph.refuse(
                f'category {large[0]} of input "{value.name}" is beyond 2^53, where whole numbers are not '
                "exact in a double; make the column text"
            )
        known = pa.array(np.array(present, dtype=np.float64))
        return Categories(graph.number(value), known, indices, missing)
    wrong = [item for item in present if not isinstance(item, str)]
    if wrong:
        graph.refuse(
            f'category {wrong[0]!r} of input "{value.name}" is {type(wrong[0]).__name__}; '
            "categories must be all text or all numbers"
        )
    if not present and not graph.is_text(value):
        # Nothing but missing values was seen: either type would do, and another step may know.
        value = graph.text(value) if graph.undecided(value) else value
        if not graph.is_text(value):
            return Categories(value, pa.array([], pa.float64()), indices, missing)
    try:
        known = pa.array(present, pa.string())
    except UnicodeEncodeError:
        graph.refuse(f'a category of input "{value.name}" is not valid Unicode: it has a lone surrogate')
    return Categories(graph.text(value), known, indices, missing)


RULES = {OneHotEncoder: one_hot, OrdinalEncoder: ordinal, TargetEncoder: target}
