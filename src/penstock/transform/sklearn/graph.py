"""The transform that a conversion builds, and the types of the values in it as scikit-learn has them.

scikit-learn computes each step in the common type of one array. Here each column is its own value, so
every step says which values were one array: see :class:`Matrix`. Read next: compose.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, NoReturn

import numpy as np
import pyarrow as pa
import sklearn
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from penstock.errors import TransformError
from penstock.transform.spec import Column, Operation

__all__ = ["Dtype", "Graph", "Matrix", "Value"]

Dtype = np.dtype[Any]

TEXT = np.dtype(object)
FLOAT32 = np.dtype(np.float32)
FLOAT64 = np.dtype(np.float64)
BOOL = np.dtype(bool)


@dataclass(frozen=True)
class Value:
    """One column, at one point of the transform.

    Attributes
    ----------
    name : str
    dtype : numpy.dtype or None
        What scikit-learn would hold; object for text. None where only the data will tell.
    stored : numpy.dtype or None
        What the transform holds: as dtype, but for integers that an operation keeps as floats.
    kin : int or None
        Values of one operation have one type, even where only the data will tell which: they share this.
    """

    name: str
    dtype: Dtype | None
    stored: Dtype | None
    kin: int | None = None


@dataclass(frozen=True)
class Matrix:
    """What scikit-learn passes from one step to the next.

    Attributes
    ----------
    values : tuple of Value
    whole : tuple of Value or None
        All values whose common type is the type of every value here: those of the array that these
        columns were taken from. None for a frame, each column of which has a type of its own.
    sparse : bool
        Whether scikit-learn would have a sparse matrix: it scales those in another way.
    """

    values: tuple[Value, ...]
    whole: tuple[Value, ...] | None = None
    sparse: bool = False

    @property
    def origin(self) -> tuple[Value, ...]:
        """The values that decide the type."""
        return self.values if self.whole is None else self.whole

    def take(self, indices: Sequence[int]) -> Matrix:
        """Some columns of it."""
        return replace(self, values=tuple(self.values[index] for index in indices))


OBJECT = Value("", TEXT, TEXT)
"""Among the values of an origin: the array is one of objects, though no value in it is text."""


class Graph:
    """Columns, operations and arrays, growing step by step.

    Parameters
    ----------
    types : dict of str to (str or None)
        The type of each raw column in order; None where it is not known and the first step that reads the
        column decides between ``number`` and ``string``.
    rules : dict
        How each class of transformer converts: a function of the graph, the fitted transformer and the
        matrix it gets, which returns the matrix it gives.
    fallback : callable
        The same for every other class; refuses what it does not know.
    """

    def __init__(
        self,
        types: Mapping[str, str | None],
        rules: Mapping[type, Callable[[Graph, Any, Matrix], Matrix]],
        fallback: Callable[[Graph, Any, Matrix], Matrix],
    ) -> None:
        self.types = dict(types)
        self.operations: list[Operation] = []
        self.arrays: dict[str, pa.Array] = {}
        self._rules = rules
        self._fallback = fallback
        self._path: list[str] = []
        self._names = set(types)
        self._counter = 0
        self._promoted: dict[tuple[str, ...], dict[str, Value]] = {}

    # The way to where the conversion is.

    def apply(self, transformer: Any, matrix: Matrix, step: str | None = None) -> Matrix:
        """Convert one fitted transformer; `step` is its name in what holds it."""
        with self.step(step):
            rule = self._rules.get(type(transformer), self._fallback)
            try:
                if rule is not self._fallback:
                    check_is_fitted(transformer)
                return rule(self, transformer, matrix)
            except NotFittedError:
                self.refuse(f"{type(transformer).__name__} is not fitted")
            except AttributeError as error:
                if getattr(error, "obj", None) is not transformer:
                    raise
                self.refuse(
                    f'{type(transformer).__name__} has no attribute "{error.name}": was it fitted by another '
                    f"version of scikit-learn than {sklearn.__version__}, which is installed?"
                )

    @contextmanager
    def step(self, name: str | None) -> Iterator[None]:
        """Within: names and refusals carry this step."""
        if name is None:
            yield
            return
        self._path.append(name)
        yield
        self._path.pop()

    def refuse(self, reason: str) -> NoReturn:
        """Raise :class:`~penstock.errors.TransformError`, saying at which step."""
        path = "/".join(self._path)
        raise TransformError(f'step "{path}": {reason}' if path else reason)

    # Raw columns.

    def raw(self) -> Matrix:
        """All raw columns."""
        return Matrix(tuple(self._raw(name, type_) for name, type_ in self.types.items()))

    def columns(self, names: Sequence[str]) -> tuple[Column, ...]:
        """What the transform declares; a column that no step has read is a number."""
        return tuple(Column(name=name, type=self.types[name] or "number") for name in names)

    def _raw(self, name: str, type_: str | None) -> Value:
        if type_ is None or type_ == "number":
            return Value(name, None, None)
        if type_ == "string":
            return Value(name, TEXT, TEXT)
        if type_ == "date32":
            dtype = np.dtype("datetime64[D]")
        elif type_.startswith("timestamp"):
            dtype = np.dtype(f"datetime64{type_.removeprefix('timestamp')}")
        else:
            dtype = np.dtype(type_)
        return Value(name, dtype, dtype)

    def is_text(self, value: Value) -> bool:
        """Whether a value is known to be text."""
        return (value.dtype is not None and value.dtype == TEXT) or self.types.get(value.name) == "string"

    def undecided(self, value: Value) -> bool:
        """Whether a value is a raw column that no step has read and whose type is not known."""
        return value.name in self.types and self.types[value.name] is None

    def text(self, value: Value) -> Value:
        """The value, which a step reads as text."""
        if self.is_text(value):
            return value
        if value.name not in self.types or self.types[value.name] is not None:
            self.refuse(f"{self._called(value)} is read as text here but holds numbers")
        self.types[value.name] = "string"
        return value

    def number(self, value: Value) -> Value:
        """The value, which a step reads as a number."""
        if self.is_text(value):
            self.refuse(f"{self._called(value)} is read as a number here but holds text")
        if _is_time(value):
            self.refuse(f"{self._called(value)} is read as a number here but holds {self.types[value.name]}")
        if value.name in self.types and self.types[value.name] is None:
            self.types[value.name] = "number"
        return value

    def _called(self, value: Value) -> str:
        return f'column "{value.name}"' if value.name in self.types else "an input"

    # Types.

    def numbers(self, matrix: Matrix) -> tuple[tuple[Value, ...], Dtype | None]:
        """The values of a matrix as scikit-learn would have them in one array of floats.

        Returns
        -------
        values : tuple of Value
            An operation over all of them computes in the right type.
        dtype : numpy.dtype or None
            That type; None where only the data will tell.
        """
        values = tuple(map(self.number, matrix.values))
        known = [value.dtype for value in matrix.origin]
        if any(self.is_text(value) or _is_time(value) for value in matrix.origin):
            common: Dtype | None = FLOAT64
        elif any(dtype is None for dtype in known):
            common = None
        else:
            common = _floating([dtype for dtype in known if dtype is not None])
        if common is None:
            kin = {value.kin for value in matrix.origin}
            if {value.name for value in values} != {v.name for v in matrix.origin} and (
                len(kin) > 1 or None in kin
            ):
                promoted = self._promote(matrix.origin)
                values = tuple(promoted[value.name] for value in values)
        elif _floating([v.stored for v in values if v.stored is not None]) != common or any(
            value.stored is None for value in values
        ):
            values = self.cast(values, common)
        return values, common

    def kept(self, matrix: Matrix) -> Dtype | None:
        """The type of one array of a matrix whose integers stay integers; None where data will tell."""
        known = [value.dtype for value in matrix.origin if value.dtype is not None]
        if len(known) < len(matrix.origin) or not known:
            return None
        return np.result_type(*known) if all(dtype.kind in "biuf" for dtype in known) else FLOAT64

    def columnwise(self, matrix: Matrix) -> list[Matrix]:
        """The parts of a matrix that an elementwise function sees as one array each."""
        if matrix.whole is not None:
            return [matrix]
        return [Matrix((value,), None, matrix.sparse) for value in matrix.values]

    def cast(self, values: Sequence[Value], dtype: Dtype) -> tuple[Value, ...]:
        """The values, converted one by one."""
        # NumPy takes None for float64.
        wrong = [value for value in values if value.stored is None or value.stored != dtype]
        made = dict(zip(wrong, self.emit("cast", wrong, dtype, {"dtype": dtype.name}), strict=True))
        return tuple(made.get(value, value) for value in values)

    def settled(self, matrix: Matrix) -> Matrix:
        """The same as a frame: no column's type depends on that of another any more."""
        if matrix.whole is None:
            return matrix
        values, _ = self.numbers(matrix)
        return replace(matrix, values=values, whole=None)

    def _promote(self, whole: Sequence[Value]) -> dict[str, Value]:
        key = tuple(value.name for value in whole)
        if key not in self._promoted:
            for value in whole:
                self.number(value)
            distinct = list(dict.fromkeys(whole))
            made = self.emit("function", distinct, None, {"name": "identity"})
            self._promoted[key] = {old.name: new for old, new in zip(distinct, made, strict=True)}
        return self._promoted[key]

    # Operations.

    def emit(
        self,
        op: str,
        inputs: Sequence[Value],
        dtype: Dtype | None,
        parameters: Mapping[str, object] | None = None,
        arrays: Mapping[str, Any] | None = None,
        count: int | None = None,
        stored: Dtype | None = None,
    ) -> tuple[Value, ...]:
        """Add an operation.

        Parameters
        ----------
        op : str
        inputs : sequence of Value
            Without any, and where nothing comes out, nothing is added.
        dtype : numpy.dtype or None
            What scikit-learn would hold in what comes out.
        parameters : dict, optional
        arrays : dict of str to array, optional
        count : int, optional
            How many values come out; as many as go in, unless given.
        stored : numpy.dtype, optional
            What the operation gives, if not `dtype`.

        Returns
        -------
        values : tuple of Value
        """
        count = len(inputs) if count is None else count
        if not inputs or not count:
            return ()
        kin = len(self.operations)
        stored = dtype if stored is None else stored
        outputs = tuple(Value(self._fresh(op), dtype, stored, kin) for _ in range(count))
        label = f"{op}{kin}"
        named = {}
        for key, array in (arrays or {}).items():
            name = f"{label}.{key}"
            self.arrays[name] = (
                array if isinstance(array, pa.Array) else pa.array(np.ascontiguousarray(array))
            )
            named[key] = name
        self.operations.append(
            Operation(
                op=op,
                inputs=tuple(value.name for value in inputs),
                outputs=tuple(value.name for value in outputs),
                parameters=dict(parameters or {}),
                arrays=named,
            )
        )
        return outputs

    def _fresh(self, op: str) -> str:
        base = "/".join(self._path) or op
        while True:
            name = f"{base}#{self._counter}"
            self._counter += 1
            if name not in self._names:
                self._names.add(name)
                return name


def _is_time(value: Value) -> bool:
    return value.dtype is not None and value.dtype.kind == "M"


def held_as(dtype: Any) -> Dtype:
    """The type in which a transform holds what scikit-learn has in `dtype`: no half precision."""
    dtype = np.dtype(dtype)
    return FLOAT32 if dtype == np.float16 else dtype


def _floating(dtypes: Sequence[Dtype]) -> Dtype:
    """The type of floats that scikit-learn computes in where an array would be of these types."""
    if not dtypes:
        return FLOAT64
    common = np.result_type(*dtypes)
    return FLOAT32 if common in (np.float16, np.float32) else FLOAT64
