"""Column types of data that somebody shows us as an example."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from penstock.errors import TransformError
from penstock.transform.spec import TYPES

__all__ = ["has_names", "types"]


def types(example: Any) -> dict[str, str | None]:
    """The type of each column, in order; None where the values leave it open (no values, or only nulls).

    Raises
    ------
    TransformError
        Where a column holds what no transform takes.
    """
    if isinstance(example, pa.Schema):
        return {field.name: _of_arrow(field.name, field.type) for field in example}
    if isinstance(example, Mapping):
        return {str(name): _of_values(str(name), values) for name, values in example.items()}
    if type(example).__module__.partition(".")[0] == "pandas" and hasattr(example, "iloc"):
        return {
            str(name): _of_pandas(str(name), example.iloc[:, i]) for i, name in enumerate(example.columns)
        }
    if hasattr(example, "__arrow_c_stream__"):
        return types(pa.RecordBatchReader.from_stream(example).schema)
    if hasattr(example, "__arrow_c_schema__"):
        return types(pa.schema(example))
    return _of_matrix(np.asarray(example))


def has_names(example: Any) -> bool:
    """Whether the columns of an example are known by name, not only by position."""
    if type(example).__module__.partition(".")[0] == "pandas" and hasattr(example, "columns"):
        return all(isinstance(name, str) for name in example.columns)
    named = ("__arrow_c_stream__", "__arrow_c_schema__")
    return isinstance(example, pa.Schema | Mapping) or any(hasattr(example, name) for name in named)


def _of_matrix(array: np.ndarray[Any, Any]) -> dict[str, str | None]:
    if array.ndim != 2:
        raise TransformError(f"example: expected a table or an array of 2 dimensions, got {array.ndim}")
    names = [f"x{i}" for i in range(array.shape[1])]
    return {name: _of_values(name, array[:, i]) for i, name in enumerate(names)}


def _of_pandas(name: str, column: Any) -> str | None:
    if isinstance(column.dtype, np.dtype):
        return _of_values(name, column.to_numpy())
    return _of_arrow(name, _inferred(name, column).type)


def _of_values(name: str, values: Any) -> str | None:
    if isinstance(values, pa.Array | pa.ChunkedArray):
        return _of_arrow(name, values.type)
    if isinstance(values, np.ndarray) and values.dtype.kind in "biuf":
        return "float32" if values.dtype == np.float16 else values.dtype.name
    return _of_arrow(name, _inferred(name, values).type)


def _inferred(name: str, values: Iterable[Any]) -> pa.Array:
    if isinstance(values, np.ndarray) and values.dtype.kind in "UT":
        return pa.array([], pa.string())
    try:
        return pa.array(values, from_pandas=True)
    except (pa.ArrowInvalid, pa.ArrowTypeError, TypeError) as error:
        raise TransformError(f'example, column "{name}": neither numbers nor text: {error}') from error


def _of_arrow(name: str, kind: pa.DataType) -> str | None:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if pa.types.is_null(kind):
        return None
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return "string"
    if pa.types.is_float16(kind):
        return "float32"
    if pa.types.is_timestamp(kind):
        return f"timestamp[{kind.unit}]"
    known = {"float": "float32", "double": "float64", "date32[day]": "date32"}
    found = known.get(str(kind), str(kind))
    if found not in TYPES:
        raise TransformError(f'example, column "{name}": {kind} is not a type that a transform takes')
    return found
