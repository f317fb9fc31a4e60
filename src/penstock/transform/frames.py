"""Columns of data frames, as arrays that can be bound.

pandas is looked at only when the caller has loaded it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["array_from_pandas", "column_arrays", "in_one_piece"]


def column_arrays(frame: Any) -> Iterable[Any]:
    """Return the array of each column of a pandas frame, without copies."""
    # Private to pandas, and the one way to all columns without a Series for each.
    arrays = getattr(frame, "_iter_column_arrays", None)
    if arrays is not None:
        return arrays()  # type: ignore[no-any-return]
    return [frame.iloc[:, place].array for place in range(frame.shape[1])]


def array_from_pandas(values: Any) -> Any:
    """Turn the array of a pandas column into a numpy or an Arrow array, without a copy where it can be."""
    import pandas
    import pyarrow as pa

    if isinstance(values, pandas.arrays.DatetimeArray):
        return values.view("i8").view(f"datetime64[{values.unit}]")
    if isinstance(values, pandas.arrays.NumpyExtensionArray):
        return values.to_numpy()
    if hasattr(values, "__arrow_array__"):
        array = values.__arrow_array__()
        return in_one_piece(array) if isinstance(array, pa.ChunkedArray) else array
    if isinstance(values, pandas.Categorical):
        return pa.array(values, from_pandas=True)
    return np.asarray(values)


def in_one_piece(column: Any) -> pa.Array:
    """Return a chunked column, from whatever library, as one Arrow array."""
    import pyarrow as pa

    if not isinstance(column, pa.ChunkedArray):
        column = pa.chunked_array(column)
    if column.num_chunks == 1:
        return column.chunk(0)
    if column.num_chunks == 0:
        return pa.array([], column.type)
    if pa.types.is_string(column.type) or pa.types.is_string_view(column.type):
        # 32-bit offsets may not reach over all chunks together.
        column = column.cast(pa.large_string())
    if pa.types.is_dictionary(column.type):
        try:
            column = column.unify_dictionaries()
        except pa.ArrowException:  # a null among the values, or values of a kind that pyarrow does not unify
            return in_one_piece(column.cast(column.type.value_type))
    return pa.concat_arrays(column.chunks)
