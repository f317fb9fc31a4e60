"""Golden inputs from data like that which a model will see."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from penstock.bundle.signature import Signature, TensorSpec
from penstock.engine.arrow import arrow_array, arrow_matrix, is_number
from penstock.engine.columns import to_inputs
from penstock.engine.session import Arrays
from penstock.errors import BundleError, SignatureError

if TYPE_CHECKING:
    import pyarrow as pa

    from penstock.engine.feed import Feed
    from penstock.transform import Column

__all__ = ["as_table", "inputs_from_reference", "raw_from_reference", "raw_types"]

_log = logging.getLogger(__name__)
_ROWS: Final = 16


def as_table(reference: Any) -> pa.Table:
    """Return a table, record batch or data frame as a table.

    Raises
    ------
    BundleError
        When it is none of them.
    """
    import pyarrow as pa

    try:
        return reference if isinstance(reference, pa.Table) else pa.table(reference)
    except (TypeError, ValueError, pa.ArrowException) as error:
        raise BundleError(f"reference: expected a table, a record batch or a data frame: {error}") from None


def inputs_from_reference(reference: Any, signature: Signature) -> Arrays | None:
    """Return the first rows of a reference as inputs.

    Parameters
    ----------
    reference : pyarrow.Table, pyarrow.RecordBatch or mapping of str to array
        Columns are matched with the inputs by name and cast within their kind (float64 to float32,
        int32 to float32, never float to int); others are left aside. Where the one input is a float
        matrix that no column is named after, its k columns are the k numeric columns, in order.
    signature : Signature

    Returns
    -------
    dict of str to ndarray or None
        At most 16 rows; None, with the reason in the log, where the columns do not fill the inputs
        or the model takes no rows.
    """
    import pyarrow as pa

    if not signature.batched:
        _log.info("no golden rows: the model is not batched, so rows of the reference do not fit it")
        return None
    try:
        if isinstance(reference, Mapping):
            head = {name: np.asarray(column)[:_ROWS] for name, column in reference.items()}
            if all(spec.name in head for spec in signature.inputs):
                named = {spec.name: _cast(head[spec.name], spec) for spec in signature.inputs}
                return to_inputs(named, signature)[0]
            table = pa.table({name: column for name, column in head.items() if column.ndim == 1})
        else:
            table = reference.slice(0, _ROWS)
        return to_inputs(_from_table(table, signature), signature)[0]
    except (SignatureError, pa.ArrowException) as error:
        _log.warning("no golden rows: the reference does not fill the inputs: %s", error)
        return None


def raw_types(data: Any) -> dict[str, str]:
    """Return the type of each numeric column, as a transform names it.

    Parameters
    ----------
    data : pyarrow.Table, pyarrow.RecordBatch, mapping of str to array or None
        A column of integers or booleans with nulls is ``float64``: as a tensor it has no other way to
        say that a value is missing.

    Examples
    --------
    >>> raw_types({"age": np.zeros(1, np.float32), "state": np.array(["MA"])})
    {'age': 'float32'}
    """
    import pyarrow as pa

    if data is None:
        return {}
    if isinstance(data, Mapping):
        arrays = {name: np.asarray(column) for name, column in data.items()}
        return {name: array.dtype.name for name, array in arrays.items() if array.dtype.kind in "biuf"}
    types = {}
    for field, column in zip(data.schema, data.columns, strict=True):
        if is_number(field.type):
            nullable = column.null_count > 0 and not pa.types.is_floating(field.type)
            types[field.name] = "float64" if nullable else np.dtype(field.type.to_pandas_dtype()).name
    return types


def raw_from_reference(reference: Any, feed: Feed) -> Arrays | None:
    """Return the first rows of a reference as the raw columns that clients send.

    Parameters
    ----------
    reference : pyarrow.Table or mapping of str to array
        Columns are matched by name and cast where no value changes; others are left aside.
    feed : Feed

    Returns
    -------
    dict of str to ndarray or None
        At most 16 rows, of those without a null in a column whose tensor has none; None, with the
        reason in the log, where there is no such row or the columns are not all there.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        table = pa.table(dict(reference) if isinstance(reference, Mapping) else reference)
        table = table.select([column.name for column in feed.transform.columns])
        for column in feed.transform.columns:
            if not (column.missing or column.type.startswith(("float", "timestamp"))):
                table = table.filter(pc.is_valid(table[column.name]))
        head = table.slice(0, _ROWS)
        typed = {column.name: _typed(head[column.name], column) for column in feed.transform.columns}
        return feed.to_inputs(typed)[0]
    except (KeyError, SignatureError, pa.ArrowException) as error:
        _log.warning("no golden rows: the reference does not fill the raw columns: %s", error)
        return None


def _typed(values: pa.ChunkedArray, column: Column) -> pa.ChunkedArray:
    import pyarrow as pa

    try:
        return values.cast(pa.type_for_alias(column.type))
    except pa.ArrowException as error:
        raise SignatureError(f'column "{column.name}": expected {column.type}: {error}') from None


def _from_table(table: pa.RecordBatch | pa.Table, signature: Signature) -> Arrays:
    names = table.schema.names
    first = signature.inputs[0]
    if (
        len(signature.inputs) == 1
        and first.name not in names
        and len(first.shape) == 2
        and first.dtype.kind == "f"
    ):
        numeric = [field.name for field in table.schema if is_number(field.type)]
        return {first.name: arrow_matrix(table.select(numeric), first)}
    present = [spec for spec in signature.inputs if spec.name in names]
    return {spec.name: _cast(arrow_array(spec.name, table.column(spec.name)), spec) for spec in present}


def _cast(array: np.ndarray[Any, Any], spec: TensorSpec) -> np.ndarray[Any, Any]:
    if spec.datatype != "BYTES" and np.can_cast(array.dtype, spec.dtype, casting="same_kind"):
        with np.errstate(over="ignore"):
            return array.astype(spec.dtype)
    return array
