"""What a spec-level operation takes and gives, and the check of one operation against it.

Read next: parameters.py.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from penstock.errors import TransformError
from penstock.transform.spec import Operation, Spec
from penstock.transform.types import TypeClass, matrix_type

__all__ = ["Array", "Case", "Definition", "Parameter", "nearest"]


class Case:
    """One operation of a spec while it is checked: its counts, parameters and arrays, and how to complain.

    Attributes
    ----------
    operation : Operation
    inputs, outputs : int
        How many.
    classes : tuple of str
        Class of each input's type.
    """

    def __init__(
        self, operation: Operation, arrays: Mapping[str, pa.Array], classes: tuple[TypeClass, ...], where: str
    ) -> None:
        self.operation = operation
        self.inputs = len(operation.inputs)
        self.outputs = len(operation.outputs)
        self.classes = classes
        self._arrays = arrays
        self._where = where

    def refuse(self, what: str) -> TransformError:
        """Error that names the operation and its position."""
        return TransformError(f"{self._where}: {what}")

    def parameter(self, name: str, default: object = None) -> object:
        """Value of a parameter."""
        return self.operation.parameters.get(name, default)

    def array(self, name: str) -> pa.Array | None:
        """Array that the operation calls ``name``, or None when it has none."""
        stored = self.operation.arrays.get(name)
        return None if stored is None else self._arrays[stored]

    def numbers(self, name: str) -> npt.NDArray[Any]:
        """An array of numbers that is there."""
        array = self.array(name)
        assert array is not None
        return np.asarray(array.to_numpy(zero_copy_only=False))

    def length(self, name: str) -> int:
        """Length of an array; 0 when there is none."""
        array = self.array(name)
        return 0 if array is None else len(array)


@dataclass(frozen=True)
class Parameter:
    """One parameter: a JSON scalar, or a list of them with one for each input.

    Attributes
    ----------
    name : str
    expected : str
        What it may be, in the words of an error.
    accepts : callable
        Whether one value is that.
    each : bool
        A list, one value for each input.
    optional : bool
    """

    name: str
    expected: str
    accepts: Callable[[object], bool]
    each: bool = False
    optional: bool = False

    def check(self, case: Case) -> None:
        """Raise TransformError unless the operation has this parameter and may have it."""
        parameters = case.operation.parameters
        if self.name not in parameters:
            if self.optional:
                return
            raise case.refuse(f'parameter "{self.name}" is missing; expected {self.expected}')
        value = parameters[self.name]
        if not self.each:
            self._check_one(case, value, self.name)
            return
        if not isinstance(value, list | tuple):
            raise case.refuse(f'parameter "{self.name}": expected a list of {case.inputs}, got {value!r}')
        if len(value) != case.inputs:
            raise case.refuse(
                f'parameter "{self.name}": expected {case.inputs} values, one an input, got {len(value)}'
            )
        for i, one in enumerate(value):
            self._check_one(case, one, f"{self.name}[{i}]")

    def _check_one(self, case: Case, value: object, name: str) -> None:
        if not self.accepts(value):
            raise case.refuse(f'parameter "{name}": expected {self.expected}, got {value!r}')


FLOATS = (pa.float32(), pa.float64())
TEXTS = (pa.string(), pa.large_string())


@dataclass(frozen=True)
class Array:
    """One fitted array of an operation.

    Attributes
    ----------
    name : str
        With ``{}`` for the position of the input, when there is one array for each.
    types : tuple of pyarrow.DataType
        What it may hold; never nulls.
    length : callable or None
        Of a :class:`Case`; None leaves it to the definition's own check.
    optional : bool
    """

    name: str
    types: tuple[pa.DataType, ...]
    length: Callable[[Case], int] | None = None
    optional: bool = False

    def names(self, case: Case) -> list[str]:
        """What the operation calls it: one name, or one for each input."""
        return [self.name.format(i) for i in range(case.inputs)] if "{}" in self.name else [self.name]

    def check(self, case: Case) -> None:
        """Raise TransformError unless the operation has this array and may have it."""
        for name in self.names(case):
            if name not in case.operation.arrays:
                if self.optional:
                    continue
                raise case.refuse(f'array "{name}" is missing')
            try:
                array = case.array(name)
            except KeyError:
                stored = case.operation.arrays[name]
                raise case.refuse(f'array "{name}": the transform has no array "{stored}"') from None
            assert array is not None
            if array.type not in self.types:
                expected = " or ".join(str(kind) for kind in self.types)
                raise case.refuse(f'array "{name}": expected {expected}, got {array.type}')
            if array.null_count:
                raise case.refuse(f'array "{name}": expected no nulls, got {array.null_count}')
            if self.length is not None and len(array) != (expected_length := self.length(case)):
                raise case.refuse(f'array "{name}": expected {expected_length} values, got {len(array)}')


@dataclass(frozen=True)
class Definition:
    """A spec-level operation.

    Attributes
    ----------
    name : str
    doc : str
        What it computes, in words and formula.
    inputs : tuple of str
        Classes that an input may be of.
    least, most : int or None
        How many inputs.
    outputs : callable
        How many outputs, of a :class:`Case` whose parameters and arrays are right.
    result : str
        Type of the outputs: ``matrix`` (see :func:`penstock.transform.types.matrix_type`), ``dtype`` (the
        parameter of that name, ``float64`` by default), ``dtype or matrix``, ``projection`` (common type of
        the matrix and the array ``matrix``), or the type itself.
    parameters : tuple of Parameter
    arrays : tuple of Array
    also : callable
        What else must hold, of the same :class:`Case`.
    """

    name: str
    doc: str
    inputs: tuple[TypeClass, ...]
    outputs: Callable[[Case], int]
    result: str
    parameters: tuple[Parameter, ...] = ()
    arrays: tuple[Array, ...] = ()
    least: int = 1
    most: int | None = None
    also: Callable[[Case], None] = lambda case: None

    def check(
        self, operation: Operation, spec: Spec, classes: tuple[TypeClass, ...], position: int | None
    ) -> None:
        """Raise TransformError unless ``operation`` is one of these."""
        where = f"operation {self.name}" if position is None else f"operation {position} ({self.name})"
        case = Case(operation, spec.arrays, classes, where)
        self._check_inputs(case)
        self._check_names(case, "parameter", operation.parameters, [one.name for one in self.parameters])
        for parameter in self.parameters:
            parameter.check(case)
        self._check_names(
            case, "array", operation.arrays, [name for array in self.arrays for name in array.names(case)]
        )
        for array in self.arrays:
            array.check(case)
        self.also(case)
        if case.outputs != (expected := self.outputs(case)):
            raise case.refuse(f"expected {expected} outputs, got {case.outputs}")

    def _check_inputs(self, case: Case) -> None:
        if case.inputs < self.least:
            raise case.refuse(f"expected at least {self.least} inputs, got {case.inputs}")
        if self.most is not None and case.inputs > self.most:
            raise case.refuse(f"expected at most {self.most} inputs, got {case.inputs}")
        for name, got in zip(case.operation.inputs, case.classes, strict=True):
            if got not in self.inputs:
                raise case.refuse(f'input "{name}": expected a {" or ".join(self.inputs)}, got a {got}')

    def result_type(self, operation: Operation, types: Sequence[str], arrays: Mapping[str, pa.Array]) -> str:
        """Type of the outputs of ``operation``, given the types of its inputs."""
        dtype = cast("str | None", operation.parameters.get("dtype"))
        if self.result == "matrix":
            return matrix_type(types)
        if self.result == "dtype":
            return dtype or "float64"
        if self.result == "dtype or matrix":
            return dtype or matrix_type(types)
        if self.result == "projection":
            matrix = arrays[operation.arrays["matrix"]].type.to_pandas_dtype()
            return matrix_type([matrix_type(types), np.dtype(matrix).name])
        return self.result

    @staticmethod
    def _check_names(case: Case, noun: str, got: Iterable[str], known: list[str]) -> None:
        for name in got:
            if name not in known:
                raise case.refuse(f'unknown {noun} "{name}"{nearest(name, known)}')


def nearest(name: str, known: Iterable[str]) -> str:
    """The end of an error about an unknown name: the known one that is most like it, if any is.

    >>> nearest("standard_scaler", ["bin", "standard_scale"])
    '; did you mean "standard_scale"?'
    """
    close = difflib.get_close_matches(name, list(known), n=1)
    return f'; did you mean "{close[0]}"?' if close else ""
