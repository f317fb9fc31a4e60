"""One operation while it is lowered: its inputs as values, its parameters as numbers.

Read next: numeric.py, categorical.py, combination.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from penstock.transform.lower.coding import Source
from penstock.transform.lower.graph import Graph, Ref
from penstock.transform.lower.value import Computed, Group, Hot, Value
from penstock.transform.operations import OPERATIONS
from penstock.transform.spec import Operation
from penstock.transform.types import matrix_type, register_kind, type_class

__all__ = ["Step"]


class Step:
    """What the lowering of one operation needs.

    Attributes
    ----------
    graph : Graph
    operation : Operation
    inputs : tuple of Value
    result : str
        Type of the outputs.
    kind : str
        Register of the inputs, where they are computed on as one matrix.
    """

    def __init__(
        self, graph: Graph, operation: Operation, inputs: tuple[Value, ...], arrays: Mapping[str, pa.Array]
    ) -> None:
        self.graph = graph
        self.operation = operation
        self.inputs = inputs
        self._arrays = arrays
        types = [value.type for value in inputs]
        self.result = OPERATIONS[operation.op].result_type(operation, types, arrays)
        computed = inputs and all(type_class(one) == "number" for one in types)
        self.kind: str = register_kind(matrix_type(types)) if computed else "double"

    def parameter(self, name: str, default: Any = None) -> Any:
        """Value of a parameter."""
        return self.operation.parameters.get(name, default)

    def array(self, name: str) -> pa.Array:
        """An array that is there."""
        return self._arrays[self.operation.arrays[name]]

    def has(self, name: str) -> bool:
        """Whether there is an array of that name."""
        return name in self.operation.arrays

    def numbers(self, name: str) -> npt.NDArray[np.float64]:
        """An array of numbers, in double."""
        return np.asarray(self.array(name).to_numpy(zero_copy_only=False), np.float64)

    def rounded(self, number: float) -> float:
        """A number as the inputs' type has it."""
        return float(np.float32(number)) if self.kind == "float" else float(number)

    def wide(self, name: str) -> bool:
        """Whether NumPy, given this array and the inputs, would compute in double and round the result."""
        return self.kind == "float" and self.array(name).type == pa.float64()

    def registers(self) -> list[Ref]:
        """Registers of all inputs, as one matrix."""
        return [value.number(self.kind) for value in self.inputs]

    def computed(self, refs: Iterable[Ref], sources: Sequence[Source | None] | None = None) -> list[Value]:
        """The outputs, one of each register."""
        names = self.operation.outputs
        of = sources or [None] * len(names)
        return [
            Computed(self.graph, name, self.result, ref, source)
            for name, ref, source in zip(names, refs, of, strict=True)
        ]

    def hot(self, groups: Iterable[Group]) -> list[Value]:
        """The outputs, columns of groups one after the other."""
        columns = [(group, index) for group in groups for index in range(group.width)]
        return [
            Hot(self.graph, name, self.result, group, index)
            for name, (group, index) in zip(self.operation.outputs, columns, strict=True)
        ]
