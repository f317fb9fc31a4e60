"""From raw columns to the inputs of a graph, through the transform of a bundle.

The transform itself: penstock.transform. Read next: pipeline.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from penstock.bundle.signature import Signature, TensorSpec, format_shape, quoted
from penstock.engine.session import Arrays
from penstock.errors import BundleError, SignatureError, TransformError
from penstock.transform import Column, Output, PrefixedText, Transform

if TYPE_CHECKING:
    from penstock.batching import Runner

__all__ = ["Feed", "raw_inputs"]

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
"""Column type to datatype of its tensor. Dates are days, timestamps counts of their unit, since 1970 UTC."""


def raw_inputs(columns: Iterable[Column]) -> tuple[TensorSpec, ...]:
    """Return what clients send for columns of concrete types: a tensor ``[-1]`` each.

    Examples
    --------
    >>> raw_inputs([Column(name="age", type="float32")])
    (TensorSpec(name='age', datatype='FP32', shape=(-1,)),)
    """
    return tuple(TensorSpec(column.name, _DATATYPES[column.type], (-1,)) for column in columns)


class Feed:
    """A transform whose outputs fill the inputs of a graph; compiled here, before the first request.

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
    text : type
        Makes a column that :meth:`run` takes of the elements of a BYTES tensor and their number.

    Raises
    ------
    BundleError
        Naming the column whose type is open, or the output that does not fit, what was expected and what
        the transform gives; and where the transform does not compile.
    """

    text = PrefixedText

    __slots__ = ("_dtypes", "_flat", "_graph_names", "_names", "inputs", "transform")

    def __init__(self, transform: Transform, graph_inputs: Sequence[TensorSpec]) -> None:
        for column in transform.columns:
            if column.type not in _DATATYPES:
                raise BundleError(
                    f'column "{column.name}" of the transform: expected a type, got an open {column.type}; '
                    "penstock pack settles it"
                )
        self.transform = transform
        self.inputs = raw_inputs(transform.columns)
        self._dtypes = {spec.name: spec.dtype for spec in self.inputs}
        self._graph_names = [spec.name for spec in graph_inputs]
        pairs = _pairs(transform.outputs, graph_inputs)
        self._names = {output.name: spec.name for output, spec in pairs}
        self._flat = [spec.name for _, spec in pairs if len(spec.shape) == 1]
        try:
            self.run({name: np.empty(0, dtype) for name, dtype in self._dtypes.items()}, 0)
        except TransformError as error:
            raise BundleError(f"the transform does not compile: {error}") from None

    def signature(self, graph: Signature) -> Signature:
        """Return what clients see of a graph; raises BundleError where its rows do not batch."""
        if not graph.batched:
            raise BundleError("a transform needs a graph whose rows batch")
        return Signature(self.inputs, graph.outputs, batched=True)

    def run(self, columns: Arrays, rows: int) -> Arrays:
        """Return the inputs of the graph for columns that match the signature."""
        return self._named(self.transform.run(columns, rows))

    def runner(self, model: Runner) -> Runner | None:
        """Return what runs a compiled graph from raw columns on without Python; None where that cannot be."""
        if self._flat:
            return None
        places = {name: place for place, name in enumerate(self._graph_names)}
        fills = {output: places[name] for output, name in self._names.items()}
        return self.transform.runner(self._dtypes, fills, model)

    def run_golden(self, columns: Arrays) -> Arrays:
        """Return the inputs of the graph for golden rows; raises BundleError where one is refused."""
        try:
            return self.run(columns, len(next(iter(columns.values()))))
        except SignatureError as error:
            raise BundleError(f"the golden rows cannot be run: {error}") from None

    def to_inputs(self, columns: Any) -> tuple[Arrays, int]:
        """Return columns as a caller has them as the arrays that clients send, and the rows.

        Parameters
        ----------
        columns
            Whatever :meth:`Transform.tensors` takes; other columns are left aside.

        Raises
        ------
        SignatureError
            When the columns do not fit the transform, a missing value has no place in its tensor, or
            there are no rows.
        """
        inputs = self.transform.tensors(columns, self._dtypes)
        return inputs, _some_rows(inputs)

    def transform_columns(self, columns: Any) -> tuple[Arrays, int]:
        """Return the inputs of the graph, and the rows, for whatever :meth:`Transform.transform` takes.

        Raises
        ------
        SignatureError
            When the columns do not fit the transform, or there are no rows.
        """
        result = self.transform.transform(columns)
        if not isinstance(result, dict):
            result = {self.transform.outputs[0].name: result}
        inputs = self._named(result)
        return inputs, _some_rows(inputs)

    def _named(self, outputs: Arrays) -> Arrays:
        inputs = {self._names[name]: array for name, array in outputs.items()}
        for name in self._flat:
            inputs[name] = inputs[name].reshape(-1)
        return inputs


def _some_rows(inputs: Arrays) -> int:
    rows = len(next(iter(inputs.values())))
    if not rows:
        raise SignatureError("expected at least 1 row, got none")
    return rows


def _pairs(outputs: Sequence[Output], graph_inputs: Sequence[TensorSpec]) -> list[tuple[Output, TensorSpec]]:
    """Return each output of a transform with the input of the graph that it fills."""
    wanted = {spec.name: spec for spec in graph_inputs}
    if len(outputs) == len(wanted) == 1:
        pairs = [(outputs[0], graph_inputs[0])]
    elif {output.name for output in outputs} == wanted.keys():
        pairs = [(output, wanted[output.name]) for output in outputs]
    else:
        raise BundleError(
            f"expected a transform with the outputs {quoted(wanted)}, the inputs of the graph; "
            f"got {quoted(output.name for output in outputs)}"
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
    return pairs
