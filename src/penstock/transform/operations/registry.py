"""All operations by name, and the check of a spec's operations against them.

Read next: definition.py.
"""

from __future__ import annotations

from penstock.errors import TransformError
from penstock.transform.operations.categorical import CATEGORICAL
from penstock.transform.operations.combination import COMBINATION
from penstock.transform.operations.definition import nearest
from penstock.transform.operations.numeric import NUMERIC
from penstock.transform.spec import Operation, Spec
from penstock.transform.types import TypeClass, type_class

__all__ = ["OPERATIONS", "check", "check_all"]

OPERATIONS = {definition.name: definition for definition in (*NUMERIC, *CATEGORICAL, *COMBINATION)}
"""The definition of each operation, by name."""


def check(operation: Operation, spec: Spec) -> None:
    """Raise TransformError unless ``operation``, one of ``spec``'s, is well-formed.

    That values are made before they are used is for :class:`Spec` to check, not here.
    """
    position = next((i for i, one in enumerate(spec.operations) if one is operation), None)
    _check(operation, position, spec, _value_classes(spec))


def check_all(spec: Spec) -> None:
    """Check every operation of ``spec``, in time linear in their number."""
    classes = _value_classes(spec)
    for position, operation in enumerate(spec.operations):
        _check(operation, position, spec, classes)


def _check(operation: Operation, position: int | None, spec: Spec, classes: dict[str, TypeClass]) -> None:
    definition = OPERATIONS.get(operation.op)
    if definition is None:
        where = "operation" if position is None else f"operation {position}"
        raise TransformError(
            f'{where}: unknown operation "{operation.op}"{nearest(operation.op, OPERATIONS)}'
        )
    fallback = definition.inputs[0] if definition.inputs else "number"
    inputs = tuple(classes.get(name, fallback) for name in operation.inputs)
    definition.check(operation, spec, inputs, position)


def _value_classes(spec: Spec) -> dict[str, TypeClass]:
    classes: dict[str, TypeClass] = {column.name: type_class(column.type) for column in spec.columns}
    for operation in spec.operations:
        result = OPERATIONS[operation.op].result if operation.op in OPERATIONS else "matrix"
        classes.update(dict.fromkeys(operation.outputs, "text" if result == "string" else "number"))
    return classes
