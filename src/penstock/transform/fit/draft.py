"""A spec in the making: values, and the operations that make them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from penstock.transform.spec import Column, Operation, Output, Spec
from penstock.transform.types import TypeClass, matrix_type, type_class

__all__ = ["Draft", "Value"]


@dataclass(frozen=True, slots=True)
class Value:
    """A value of the spec while its feature is fitted.

    Attributes
    ----------
    name : str
        In the spec.
    label : str
        What people call it.
    type : str
        As of a column; of computed numbers float32 or float64.
    text_of : str
        For a text: the raw column that it comes from.
    fill : str or None
        For a text: what stands where that column has none.
    """

    name: str
    label: str
    type: str
    text_of: str = ""
    fill: str | None = None

    @property
    def kind(self) -> TypeClass:
        """Number, text or time."""
        return type_class(self.type)

    def called(self, label: str) -> Value:
        """Return the value under another label."""
        return replace(self, label=label)


class Draft:
    """The spec so far.

    Parameters
    ----------
    types : mapping
        The type of each raw column.
    """

    def __init__(self, types: Mapping[str, str]) -> None:
        self.columns = tuple(Column(name=name, type=kind) for name, kind in types.items())
        self.operations: list[Operation] = []
        self.arrays: dict[str, pa.Array] = {}
        self._taken = set(types)

    def add(
        self,
        op: str,
        inputs: Sequence[Value],
        labels: Iterable[str],
        *,
        parameters: Mapping[str, object] | None = None,
        arrays: Mapping[str, pa.Array | np.ndarray] | None = None,
        dtype: str | None = None,
    ) -> list[Value]:
        """Append an operation; return the values that it makes, one for each label.

        ``dtype`` is their type, where it is not that in which the inputs are computed on together.
        """
        number = len(self.operations)
        kind = dtype or matrix_type(value.type for value in inputs)
        outputs = [Value(self._free(f"{op}{number}.{label}"), label, kind) for label in labels]
        names = {}
        for name, array in (arrays or {}).items():
            names[name] = f"{number}.{name}"
            self.arrays[names[name]] = array if isinstance(array, pa.Array) else pa.array(array)
        self.operations.append(
            Operation(
                op=op,
                inputs=tuple(value.name for value in inputs),
                outputs=tuple(value.name for value in outputs),
                parameters=dict(parameters or {}),
                arrays=names,
            )
        )
        return outputs

    def spec(self, outputs: Iterable[Output]) -> Spec:
        """Return the spec with these outputs."""
        return Spec(
            columns=self.columns,
            operations=tuple(self.operations),
            outputs=tuple(outputs),
            arrays=dict(self.arrays),
        )

    def _free(self, name: str) -> str:
        found, count = name, 2
        while found in self._taken:
            found, count = f"{name}~{count}", count + 1
        self._taken.add(found)
        return found
