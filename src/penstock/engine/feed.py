"""From raw columns to the inputs of a graph, through the transform of a bundle.

The transform itself: penstock.transform. Read next: pipeline.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from penstock.bundle.signature import Signature, TensorSpec, format_shape, quoted
from penstock.engine.arrow import arrow_array
from penstock.engine.columns import to_inputs
from penstock.engine.session import Arrays
from penstock.errors import BundleError, SignatureError
from penstock.transform import Column, Transform

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Feed", "raw_arrays", "raw_inputs"]

_DATATYPES: Final = {
    "bool": "BOOL",
    "int8": "INT8",
    "int16": "INT16",
    "int32": "INT32",
    "int64": "INT64",
    "uint8": "UINT8",
    "uint16": "UINT16",
    "uint32": "UINT32",
    "uint64": "UINT64",
    "float32": "FP32",
    "float64": "FP64",
    "string": "BYTES",
    "date32": "INT32",
    "timestamp[s]": "INT64",
    "timestamp[ms]": "INT64",
    "timestamp[us]": "INT64",
    "timestamp[ns]": "INT64",
}
"""Column type to the datatype of its tensor. Dates are days, timestamps counts of their unit, since 1970 UTC."""


def raw_inputs(columns: Iterable[Column]) -> tuple[TensorSpec, ...]:
    """Return what clients send for columns of concrete types: a tensor ``[-1]`` each.

    Examples
    --------
    >>> raw_inputs([Column(name="age", type="float32")])
    (TensorSpec(name='age', datatype='FP32', shape=(-1,)),)
    """
    return tuple(TensorSpec(column.name, _DATATYPES[column.type], (-1,)) for column in columns)


def raw_arrays(table: pa.Table, columns: Iterable[Column]) -> Arrays:
    """Return columns of a table as the arrays that clients send.

    Raises
    ------
    SignatureError
        Where a column is missing, cannot be cast without changing a value, or has a null that its
        tensor cannot hold.
    """
    import pyarrow as pa

    arrays = {}
    for column in columns:
        if column.name not in table.schema.names:
            raise SignatureError(f'missing column "{column.name}"')
        try:
            typed = table[column.name].cast(pa.type_for_alias(column.type))
        except pa.ArrowException as error:
            raise SignatureError(f'column "{column.name}": expected {column.type}: {error}') from None
        if pa.types.is_date32(typed.type):
            typed = typed.cast(pa.int32())
        elif pa.types.is_timestamp(typed.type):
            typed = typed.cast(pa.int64())
        arrays[column.name] = arrow_array(column.name, typed)
    return arrays


class Feed:
    """A transform whose outputs fill the inputs of a graph.

    Parameters
    ----------
    transform : Transform
        With concrete column types.
    graph_inputs : sequence of TensorSpec
        A transform with one output fills a graph with one input, whatever they are
        called; else they go by name.

    Attributes
    ----------
    transform : Transform
    inputs : tuple of TensorSpec
        What clients send.

    Raises
    ------
    BundleError
        Naming the output that does not fit, what was expected and what the transform gives.
    """

    __slots__ = ("_flat", "_names", "inputs", "transform")

    def __init__(self, transform: Transform, graph_inputs: Sequence[TensorSpec]) -> None:
        self.transform = transform
        self.inputs = raw_inputs(transform.columns)
        outputs = {output.name: output for output in transform.outputs}
        wanted = {spec.name: spec for spec in graph_inputs}
        if len(outputs) == len(wanted) == 1:
            pairs = [(next(iter(outputs.values())), next(iter(wanted.values())))]
        elif outputs.keys() == wanted.keys():
            pairs = [(outputs[name], spec) for name, spec in wanted.items()]
        else:
            raise BundleError(
                f"expected a transform with the outputs {quoted(wanted)}, the inputs of the graph; "
                f"got {quoted(outputs)}"
            )
        for output, spec in pairs:
            width = len(output.values)
            fits = len(spec.shape) == 2 and spec.shape[1] in (-1, width)
            flat = len(spec.shape) == 1 and width == 1
            if spec.datatype == "BYTES" or spec.dtype.name != output.dtype or not (fits or flat):
                raise BundleError(
                    f'input "{spec.name}" of the graph is {spec.datatype} {format_shape(spec.shape)}; '
                    f'output "{output.name}" of the transform is {output.dtype} {format_shape((-1, width))}'
                )
        self._names = {output.name: spec.name for output, spec in pairs}
        self._flat = [spec.name for _, spec in pairs if len(spec.shape) == 1]

    def run(self, columns: Arrays, rows: int) -> Arrays:
        """Return the inputs of the graph for columns that match the signature."""
        return self._named(self.transform.run(columns, rows))

    def to_inputs(self, columns: Any, signature: Signature) -> tuple[Arrays, int]:
        """Return columns as a caller has them as the arrays that clients send; other columns are left aside.

        Raises
        ------
        SignatureError
            See :func:`raw_arrays` and :func:`penstock.engine.columns.to_inputs`.
        """
        import pyarrow as pa

        if not isinstance(columns, Mapping):
            columns = raw_arrays(pa.table(columns), self.transform.columns)
        known = {spec.name for spec in self.inputs}
        return to_inputs({name: column for name, column in columns.items() if name in known}, signature)

    def transform_columns(self, columns: Any) -> tuple[Arrays, int]:
        """Return the inputs of the graph, and the rows, for whatever :meth:`Transform.transform` takes.

        Raises
        ------
        SignatureError
            When the columns do not fit the transform.
        """
        result = self.transform.transform(columns)
        if not isinstance(result, dict):
            result = {self.transform.outputs[0].name: result}
        inputs = self._named(result)
        return inputs, len(next(iter(inputs.values())))

    def _named(self, outputs: Arrays) -> Arrays:
        inputs = {self._names[name]: array for name, array in outputs.items()}
        for name in self._flat:
            inputs[name] = inputs[name].reshape(-1)
        return inputs
