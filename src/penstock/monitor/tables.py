"""References in whatever container they come, as Arrow tables of numbers and text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from penstock.errors import ConfigError
from penstock.imports import imported
from penstock.monitor.profile import Kind
from penstock.transform.frames import column_arrays

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["kind_of", "tables_of"]


def tables_of(reference: Any, *, nan: bool = False) -> Iterator[pa.Table]:
    """Yield a reference table by table.

    Parameters
    ----------
    reference : data, or iterable of data
    nan : bool, default False
        Leave NaN in the floats of one pandas frame, where it is null otherwise: for who counts both alike.

    Raises
    ------
    ConfigError
        Where it has no named columns.
    """
    import pyarrow as pa

    if isinstance(reference, pa.RecordBatchReader):
        for batch in reference:
            yield pa.Table.from_batches([batch])
    elif isinstance(reference, Mapping):
        yield _from_mapping(reference)
    elif hasattr(reference, "__arrow_c_stream__") or hasattr(reference, "__arrow_c_array__"):
        yield _from_arrow(reference, nan)
    elif isinstance(reference, Iterable) and not isinstance(reference, str | bytes | np.ndarray):
        for part in reference:
            yield from tables_of(part)
    else:
        raise ConfigError(
            f"reference: expected named columns: a table, a data frame, a dict or batches of them, "
            f"got {type(reference).__name__}"
        )


def _from_mapping(columns: Mapping[str, Any]) -> pa.Table:
    import pyarrow as pa

    arrays = {}
    for name, values in columns.items():
        try:
            is_arrow = hasattr(values, "__arrow_c_stream__") or hasattr(values, "__arrow_c_array__")
            arrays[name] = values if is_arrow else pa.array(values, from_pandas=True)
        except (pa.ArrowException, ValueError, TypeError) as error:
            raise ConfigError(f'column "{name}": expected numbers or text: {error}') from None
    lengths = {name: len(values) for name, values in arrays.items()}
    if len(set(lengths.values())) > 1:
        raise ConfigError(f"reference: expected columns of one length, got {lengths}")
    return pa.table(arrays)


def _from_arrow(data: Any, nan: bool) -> pa.Table:
    import pyarrow as pa

    if isinstance(data, pa.Table):
        return data
    if isinstance(data, pa.RecordBatch):
        return pa.Table.from_batches([data])
    pandas = imported("pandas")
    try:
        if pandas is not None and isinstance(data, pandas.DataFrame):
            return _from_pandas(data, nan)
        return pa.table(data)
    except pa.ArrowException as error:
        raise ConfigError(f"reference: expected columns of numbers and text: {error}") from None


def _from_pandas(frame: Any, nan: bool) -> pa.Table:
    """Return a frame as a table in which NaN is null, or may be.

    Floats without a NaN are taken as they lie: reading them twice is cheaper than what Arrow does, which
    writes down for each whether it is null.
    """
    import pyarrow as pa

    arrays = list(column_arrays(frame))
    plain = [_is_float(array) and (nan or _is_full(array)) for array in arrays]
    names = [str(name) for name in frame.columns]
    if all(plain):
        return pa.Table.from_arrays([pa.array(array) for array in arrays], names)
    rest = pa.Table.from_pandas(frame.loc[:, [not one for one in plain]], preserve_index=False)
    others = zip(rest.schema.names, rest.columns, strict=True)
    pairs = [
        (name, pa.array(array)) if own else next(others)
        for name, array, own in zip(names, arrays, plain, strict=True)
    ]
    return pa.Table.from_arrays([array for _, array in pairs], [name for name, _ in pairs])


def _is_float(array: Any) -> bool:
    return type(array) is np.ndarray and array.dtype in (np.float32, np.float64)


def _is_full(array: Any) -> bool:
    return not np.isnan(array.min(initial=np.inf))


def kind_of(name: str, kind: pa.DataType) -> tuple[Kind, str]:
    """Return how a column is counted, and the type that is noted.

    Raises
    ------
    ConfigError
        Where it is neither numbers nor text.
    """
    import pyarrow as pa

    value = kind.value_type if pa.types.is_dictionary(kind) else kind
    if pa.types.is_boolean(value):
        return "numeric", "bool"
    if pa.types.is_integer(value):
        return "numeric", str(value)
    if pa.types.is_float16(value) or pa.types.is_float32(value):
        return "numeric", "float32"
    if pa.types.is_float64(value) or pa.types.is_null(value):
        return "numeric", "float64"
    texts = (pa.string(), pa.large_string(), pa.string_view(), pa.binary(), pa.large_binary())
    if value in texts:
        return "categorical", "string"
    hint = "; leave it out, or give its parts as numbers" if pa.types.is_temporal(value) else ""
    raise ConfigError(f'column "{name}": expected numbers, booleans or text, got {kind}{hint}')
