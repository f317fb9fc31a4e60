"""Column types of data that somebody shows us as an example."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from penstock.errors import TransformError
from penstock.transform.spec import TYPES

__all__ = ["columns", "has_names", "type_of"]

NAMED = ("__arrow_c_stream__", "__arrow_c_schema__")


def columns(example: Any) -> dict[str, Any]:
    """The columns of an example in order: their values, or what Arrow says that they are.

    Raises
    ------
    TransformError
        Where the example is no table.
    """
    if isinstance(example, pa.Schema):
        return {field.name: field.type for field in example}
    if isinstance(example, Mapping):
        return {str(name): values for name, values in example.items()}
    if _is_pandas(example):
        return {str(name): example.iloc[:, i] for i, name in enumerate(example.columns)}
    if hasattr(example, "__arrow_c_stream__"):
        return columns(pa.RecordBatchReader.from_stream(example).schema)
    if hasattr(example, "__arrow_c_schema__"):
        return columns(pa.schema(example))
    array = np.asarray(example)
    if array.ndim != 2:
        raise TransformError(f"example: expected a table or an array of 2 dimensions, got {array.ndim}")
    return {f"x{i}": array[:, i] for i in range(array.shape[1])}


def has_names(example: Any) -> bool:
    """Whether the columns of an example are known by name, not only by position."""
    if _is_pandas(example):
        return all(isinstance(name, str) for name in example.columns)
    return isinstance(example, pa.Schema | Mapping) or any(hasattr(example, name) for name in NAMED)


def type_of(name: str, values: Any) -> str | None:
    """The type of one column; None where its values leave it open: there are none, or only nulls.

    Raises
    ------
    TransformError
        Where it holds what no transform takes.
    """
    if isinstance(values, pa.DataType):
        return _of_arrow(name, values)
    if isinstance(values, pa.Array | pa.ChunkedArray):
        return _of_arrow(name, values.type)
    dtype = getattr(values, "dtype", None)
    if isinstance(dtype, np.dtype) and dtype.kind in "biuf":
        return "float32" if dtype == np.float16 else dtype.name
    if isinstance(dtype, np.dtype) and dtype.kind in "UT":
        return "string"
    try:
        return _of_arrow(name, pa.array(values, from_pandas=True).type)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, TypeError) as error:
        raise TransformError(f'example, column "{name}": neither numbers nor text: {error}') from error


def _is_pandas(example: Any) -> bool:
    return type(example).__module__.partition(".")[0] == "pandas" and hasattr(example, "iloc")


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
