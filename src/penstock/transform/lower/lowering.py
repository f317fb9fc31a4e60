"""Lowering of a whole spec: only what the outputs need, everything once, raw columns read where possible.

Read next: value.py, then numeric.py, categorical.py and combination.py, one function an operation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from penstock.errors import SignatureError
from penstock.transform.lower import categorical, combination, numeric
from penstock.transform.lower.coding import Source
from penstock.transform.lower.graph import Graph
from penstock.transform.lower.lowered import Lowered
from penstock.transform.lower.outputs import stores
from penstock.transform.lower.schedule import assign_registers, order
from penstock.transform.lower.step import Step
from penstock.transform.lower.value import Raw, Text, Value
from penstock.transform.operations import OPERATIONS
from penstock.transform.spec import Column, Operation, Spec
from penstock.transform.types import NUMBERS

__all__ = ["lower"]

LOWERINGS: dict[str, Callable[[Step], list[Value]]] = {
    name: getattr(module, name) for module in (numeric, categorical, combination) for name in module.__all__
}
assert LOWERINGS.keys() == OPERATIONS.keys()


def lower(spec: Spec, types: Mapping[str, str]) -> Lowered:
    """Lower ``spec`` for columns of these types.

    Parameters
    ----------
    spec : Spec
        Checked.
    types : mapping of str to str
        Type of each raw column; needed of those that the spec leaves open as ``number``, which may be any
        number or ``null`` (a column without a value).

    Returns
    -------
    Lowered

    Raises
    ------
    SignatureError
        A column that must be a number has another type, or none is given.
    TransformError
        An output holds what is no number; an expression does not compile.
    """
    graph = Graph()
    values: dict[str, Value] = {}
    for position, column in enumerate(spec.columns):
        values[column.name] = _raw(graph, position, column, types)
    for operation in _needed(spec):
        step = Step(graph, operation, tuple(values[name] for name in operation.inputs), spec.arrays)
        values.update(zip(operation.outputs, LOWERINGS[operation.op](step), strict=True))
    nodes = order(stores(spec.outputs, values))
    registers, instructions = assign_registers(nodes)
    return Lowered(
        columns=tuple(column.name for column in spec.columns),
        registers=registers,
        instructions=instructions,
        tables=graph.tables,
        texts=graph.texts,
        outputs=[(output.dtype, len(output.values)) for output in spec.outputs],
        lookups={i: node.lookup for i, node in enumerate(nodes) if node.lookup is not None},
        holds=tuple(graph.holds),
    )


def _needed(spec: Spec) -> list[Operation]:
    """Operations that some output depends on, in order."""
    names = {name for output in spec.outputs for name in output.values}
    needed = []
    for operation in reversed(spec.operations):
        if names.intersection(operation.outputs):
            names.update(operation.inputs)
            needed.append(operation)
    return needed[::-1]


def _raw(graph: Graph, position: int, column: Column, types: Mapping[str, str]) -> Value:
    if column.type == "string":
        return Text(graph, column.name, Source(position, column.name, True, column.missing))
    if column.type != "number":
        return Raw(graph, column.name, column.type, position)
    got = types.get(column.name)
    if got is None:
        raise SignatureError(f'column "{column.name}": expected a type of number, got none')
    if got == "null":
        got = "float64"
    if got not in NUMBERS:
        raise SignatureError(f'column "{column.name}": expected a number, got {got}')
    return Raw(graph, column.name, got, position)
