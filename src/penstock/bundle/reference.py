"""Golden inputs from data like that which a model will see."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

import msgspec
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

__all__ = ["Measured", "Reference", "inputs_from_reference", "inputs_of", "raw_from_reference", "raw_types"]

_log = logging.getLogger(__name__)
_ROWS: Final = 16
_PART_ROWS: Final = 8192


class Reference(msgspec.Struct, frozen=True):
    """Data like that which a model will see.

    Attributes
    ----------
    head : pyarrow.Table or mapping of str to array
        Its first rows, or all.
    batches : callable
        Gives all of it anew, as an iterator of tables.
    """

    head: Any
    batches: Callable[[], Iterator[Any]]

    @classmethod
    def of(cls, data: Any) -> Reference:
        """Take a table, record batch, data frame, mapping, or what gives an iterable of record batches.

        Raises
        ------
        BundleError
            When it is none of them, or there is no row.
        """
        import pyarrow as pa

        if isinstance(data, Mapping):
            return cls(data, lambda: _cut(_columns_of(data)))
        if callable(data):
            head = next((batch for batch in data() if len(batch)), None)
            if head is None:
                raise BundleError("reference: expected at least one row, got none")
            return cls(pa.table(head), lambda: map(pa.table, data()))
        try:
            table = data if isinstance(data, pa.Table) else pa.table(data)
        except (TypeError, ValueError, pa.ArrowException) as error:
            raise BundleError(
                f"reference: expected a table, a record batch or a data frame: {error}"
            ) from None
        return cls(table, lambda: _cut(table))

    def without(self, column: str) -> Reference:
        """Return the same less a column, such as the label.

        Raises
        ------
        BundleError
            When there is no such column.
        """
        if isinstance(self.head, Mapping):
            names, head = [*self.head], {name: part for name, part in self.head.items() if name != column}
        else:
            names = self.head.column_names
            head = self.head.drop_columns([column]) if column in names else self.head
        if column not in names:
            raise BundleError(f'reference: expected a column "{column}", got {", ".join(names)}')
        return Reference(head, lambda: (table.drop_columns([column]) for table in self.batches()))


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """What a baseline has besides counts.

    Attributes
    ----------
    label : str, optional
        Column of the reference that was to be predicted.
    prediction : str
        Output that predicts it; may be empty where there is no choice.
    threshold : float
        Probability from which on a prediction is positive.
    multivariate : bool
        Whether it keeps a sample of rows.
    """

    label: str | None = None
    prediction: str = ""
    threshold: float = 0.5
    multivariate: bool = False

    def inputs(self, reference: Reference) -> Reference:
        """Return a reference without its label."""
        return reference if self.label is None else reference.without(self.label)


def _columns_of(columns: Mapping[str, Any]) -> pa.Table:
    import pyarrow as pa

    arrays = {name: np.asarray(column) for name, column in columns.items()}
    return pa.table({name: column for name, column in arrays.items() if column.ndim == 1})


def _cut(table: pa.Table) -> Iterator[pa.Table]:
    return (table.slice(first, _PART_ROWS) for first in range(0, len(table), _PART_ROWS))


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
        return to_inputs(inputs_of(table, signature), signature)[0]
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


def inputs_of(table: pa.RecordBatch | pa.Table, signature: Signature) -> Arrays:
    """Return the inputs of a graph that the columns of a table fill, by name or as its one matrix; cast."""
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
