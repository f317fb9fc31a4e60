"""The definition of a transform: operations over named, typed columns, and their fitted parameters.

Data, not code: JSON for the operations, Arrow arrays for the parameters, one
file, one digest. What each operation means: operations/. Read next: transform.py.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

import msgspec

from penstock.errors import TransformError

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["FORMAT", "TYPES", "Column", "Operation", "Output", "Spec"]

FORMAT = 1

TYPES = (
    "number",
    "bool",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "float32",
    "float64",
    "string",
    "date32",
    "timestamp[s]",
    "timestamp[ms]",
    "timestamp[us]",
    "timestamp[ns]",
)
"""What a raw column may hold. ``number`` is open: the type that comes decides the arithmetic."""


class Column(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One raw column.

    Attributes
    ----------
    name : str
    type : str
        One of :data:`TYPES`.
    missing : tuple of str
        Texts that count as missing; for columns of strings, whose tensors on the wire have no nulls.
    """

    name: str
    type: str
    missing: tuple[str, ...] = ()


class Operation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One step: values in, values out.

    Attributes
    ----------
    op : str
        A name of :data:`penstock.transform.operations.OPERATIONS`.
    inputs, outputs : tuple of str
        Names of values. Raw columns are values under their own names; every other value is the output
        of exactly one operation before.
    parameters : dict
        JSON scalars and lists of them.
    arrays : dict of str to str
        Fitted parameters: what the operation calls them, and their names in :attr:`Spec.arrays`.
    """

    op: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    parameters: dict[str, object] = {}
    arrays: dict[str, str] = {}


class Output(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One matrix that comes out.

    Attributes
    ----------
    name : str
    dtype : str
        ``float32``, ``float64``, ``int32`` or ``int64``.
    values : tuple of str
        The value in each column of the matrix.
    names : tuple of str
        What people call each column, as ``get_feature_names_out`` does; as many as values.
    """

    name: str
    dtype: str
    values: tuple[str, ...]
    names: tuple[str, ...] = ()


DTYPES = ("float32", "float64", "int32", "int64")


class Spec(msgspec.Struct, frozen=True, kw_only=True, eq=False, dict=True):
    """A whole transform. Specs are equal when their digests are.

    Attributes
    ----------
    format : int
    columns : tuple of Column
        Raw columns, in the order of a matrix of them.
    operations : tuple of Operation
        In an order in which every value is made before it is used.
    outputs : tuple of Output
    arrays : dict of str to pyarrow.Array
        Fitted parameters: float32, float64, int32, int64 or string. Copied, by name in order.

    Raises
    ------
    TransformError
        When built of parts that do not make a transform, naming the part.
    """

    format: int = FORMAT
    columns: tuple[Column, ...]
    operations: tuple[Operation, ...] = ()
    outputs: tuple[Output, ...]
    arrays: dict[str, pa.Array] = {}

    def __post_init__(self) -> None:
        from penstock.transform.file import canonical_array
        from penstock.transform.operations import check_all

        if self.format != FORMAT:
            newer = "; a newer version of Penstock wrote it" if self.format > FORMAT else ""
            raise TransformError(f"expected format {FORMAT}, got {self.format}{newer}")
        arrays = {name: canonical_array(name, self.arrays[name]) for name in sorted(self.arrays)}
        msgspec.structs.force_setattr(self, "arrays", arrays)
        _check_columns(self.columns)
        _check_values(self)
        _check_arrays(self)
        check_all(self)
        _check_outputs(self)

    def __eq__(self, other: object) -> bool:
        return self.digest == other.digest if isinstance(other, Spec) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.digest)

    @functools.cached_property
    def digest(self) -> str:
        """SHA-256, in hexadecimal, of what the transform is; not of how its file is laid out."""
        from penstock.transform.file import digest_of

        return digest_of(self)

    def to_bytes(self) -> bytes:
        """Return the file of the transform: the same bytes for equal specs."""
        from penstock.transform.file import write

        return write(self)

    @staticmethod
    def from_bytes(data: bytes, source: str = "transform") -> Spec:
        """Read the file of a transform; ``source`` says in errors where it came from.

        Raises
        ------
        TransformError
            When the data are not the file of a transform, are damaged, or a newer version wrote them.
        """
        from penstock.transform.file import read

        return read(data, source)


def _check_columns(columns: tuple[Column, ...]) -> None:
    if not columns:
        raise TransformError("expected at least 1 column, got none")
    _check_unique((column.name for column in columns), "column")
    for column in columns:
        if column.type not in TYPES:
            raise TransformError(
                f'column "{column.name}": expected a type of {", ".join(TYPES)}; got {column.type}'
            )
        if column.missing and column.type != "string":
            raise TransformError(
                f'column "{column.name}": texts that count as missing are for columns of strings, '
                f"this one is {column.type}"
            )


def _check_unique(names: Iterable[str], noun: str) -> None:
    seen = set()
    for name in names:
        if not name:
            raise TransformError(f"expected a name for every {noun}, got an empty one")
        if name in seen:
            raise TransformError(f'expected one {noun} "{name}", got more than one')
        seen.add(name)


def _check_values(spec: Spec) -> None:
    made = {column.name for column in spec.columns}
    later = {name for operation in spec.operations for name in operation.outputs}
    for position, operation in enumerate(spec.operations):
        where = f"operation {position} ({operation.op})"
        for name in operation.inputs:
            if name not in made:
                what = "is used before it is made" if name in later else "is no column and nothing makes it"
                raise TransformError(f'{where}: value "{name}" {what}')
        for name in operation.outputs:
            if name in made:
                raise TransformError(f'{where}: value "{name}" is made twice')
            made.add(name)
        for name, value in operation.parameters.items():
            _check_parameter(value, f'{where}: parameter "{name}"')


def _check_parameter(value: object, where: str) -> None:
    if isinstance(value, list | tuple):
        for one in value:
            _check_parameter(one, where)
    elif value is None or type(value) in (bool, str):
        pass
    elif type(value) is int:
        if not -(2**63) <= value < 2**64:
            raise TransformError(f"{where}: {value} does not fit 64 bits")
    elif type(value) is float:
        if not math.isfinite(value):
            raise TransformError(f"{where}: {value} has no place in JSON; an array can hold it")
    else:
        kind = type(value)
        raise TransformError(
            f"{where}: expected a JSON scalar or a list, got {kind.__module__}.{kind.__qualname__}"
        )


def _check_arrays(spec: Spec) -> None:
    used = set()
    for position, operation in enumerate(spec.operations):
        for name, stored in operation.arrays.items():
            if stored not in spec.arrays:
                raise TransformError(
                    f'operation {position} ({operation.op}): array "{name}": '
                    f'the transform has no array "{stored}"'
                )
            used.add(stored)
    for stored in spec.arrays:
        if stored not in used:
            raise TransformError(f'no operation uses array "{stored}"')


def _check_outputs(spec: Spec) -> None:
    from penstock.transform.operations import OPERATIONS

    if not spec.outputs:
        raise TransformError("expected at least 1 output, got none")
    _check_unique((output.name for output in spec.outputs), "output")
    kinds = {column.name: column.type for column in spec.columns}
    for operation in spec.operations:
        kinds.update(dict.fromkeys(operation.outputs, OPERATIONS[operation.op].result))
    for output in spec.outputs:
        where = f'output "{output.name}"'
        if output.dtype not in DTYPES:
            raise TransformError(f"{where}: expected dtype {', '.join(DTYPES)}; got {output.dtype}")
        if not output.values:
            raise TransformError(f"{where}: expected at least 1 value, got none")
        if output.names and len(output.names) != len(output.values):
            raise TransformError(
                f"{where}: expected {len(output.values)} names, one for each value, got {len(output.names)}"
            )
        for name in output.values:
            if name not in kinds:
                raise TransformError(f'{where}: value "{name}" is no column and nothing makes it')
            if kinds[name] == "string" or kinds[name].startswith(("date", "timestamp")):
                raise TransformError(f'{where}: value "{name}": expected a number, got {kinds[name]}')
