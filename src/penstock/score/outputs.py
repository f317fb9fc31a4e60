"""Which outputs of a model are written, and as what columns."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec
import numpy as np
import pyarrow as pa

from penstock.bundle.signature import Signature, TensorSpec, format_shape, quoted
from penstock.errors import ConfigError, InferenceError

__all__ = ["OutputColumn", "choose_outputs"]

_CHOICE: Final = re.compile(r"(?P<name>.+?)(?:\[(?P<index>\d+)\])?(?:=(?P<alias>.+))?", re.DOTALL)


class OutputColumn(msgspec.Struct, frozen=True):
    """One column of what is written.

    Attributes
    ----------
    name : str
        Of the column.
    tensor : str
        Of the model.
    index : int or None
        One column of a matrix; None writes the whole tensor.
    type : pyarrow.DataType
    """

    name: str
    tensor: str
    index: int | None
    type: Any

    def column(self, tensor: np.ndarray[Any, Any]) -> pa.Array:
        """Return the column of a batch; numbers are not copied where the tensor is written whole.

        Raises
        ------
        InferenceError
            When the tensor has not the shape that the signature says.
        """
        if self.index is not None:
            if tensor.ndim != 2 or tensor.shape[1] <= self.index:
                raise InferenceError(
                    f'output "{self.tensor}": expected more than {self.index} columns, '
                    f"got shape {format_shape(tensor.shape)}"
                )
            return _flat(tensor[:, self.index], self.type)
        kinds, kind = [], self.type
        while pa.types.is_nested(kind):
            kinds.append(kind)
            kind = kind.value_type
        sizes = tensor.shape[1 : 1 + len(kinds)]
        for level, size in zip(kinds, sizes, strict=True):
            if pa.types.is_fixed_size_list(level) and level.list_size != size:
                raise InferenceError(
                    f'output "{self.tensor}": expected rows of {level.list_size} values, got {size}'
                )
        column = _flat(tensor, kind)
        for level, size in zip(reversed(kinds), reversed(sizes), strict=True):
            if pa.types.is_fixed_size_list(level):
                column = pa.FixedSizeListArray.from_arrays(column, type=level)
            else:
                lists = len(column) // size if size else len(tensor)
                offsets = np.arange(lists + 1, dtype=np.int32) * size
                column = pa.ListArray.from_arrays(_flat(offsets, pa.int32()), column)
        return column


def _flat(tensor: np.ndarray[Any, Any], kind: pa.DataType) -> pa.Array:
    """Return all values of a tensor as a column; numbers that lie side by side are not copied."""
    if tensor.dtype.kind == "O":
        return pa.array(tensor.reshape(-1).tolist(), type=kind)
    values = np.packbits(tensor.reshape(-1), bitorder="little") if tensor.dtype.kind == "b" else tensor
    # pa.array would look for pandas, and import it where it is installed.
    data = pa.py_buffer(np.ascontiguousarray(values).reshape(-1))
    return pa.Array.from_buffers(kind, tensor.size, [None, data])


def choose_outputs(
    signature: Signature, outputs: Sequence[str] | Mapping[str, str] | None = None
) -> tuple[OutputColumn, ...]:
    """Return the columns for a choice of outputs.

    Parameters
    ----------
    signature : Signature
        Of a batched model.
    outputs : sequence of str, mapping of str to str, optional
        ``NAME``, ``NAME[i]`` for one column of a matrix, either with ``=COLUMN`` to call it so; or by
        column name. Every output under its own name where left out.

    Returns
    -------
    tuple of OutputColumn
        A matrix ``[-1,k]`` is a FixedSizeList column, ``[-1,1]`` and ``[-1]`` are plain ones.

    Raises
    ------
    ConfigError
        On an unknown output, an index that it has not, or a column name twice.

    Examples
    --------
    >>> x, y = TensorSpec("x", "FP32", (-1, 3)), TensorSpec("p", "FP32", (-1, 2))
    >>> [column.name for column in choose_outputs(Signature((x,), (y,), batched=True), ["p[1]=score"])]
    ['score']
    """
    if isinstance(outputs, str):
        raise ConfigError(f"outputs: expected a list of names, got the text {outputs!r}")
    specs = {spec.name: spec for spec in signature.outputs}
    if isinstance(outputs, Mapping):
        choices: Iterable[tuple[str, str | None]] = [(text, alias) for alias, text in outputs.items()]
    else:
        choices = [(text, None) for text in (outputs or list(specs))]
    columns = [_choice(specs, text, alias) for text, alias in choices]
    if not columns:
        raise ConfigError("outputs: expected at least one")
    names = [column.name for column in columns]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f'outputs: the column "{name}" would be written more than once; name it with =')
    return tuple(columns)


def _choice(specs: Mapping[str, TensorSpec], text: str, alias: str | None) -> OutputColumn:
    # An output may have brackets or an equals sign in its name: what is one, is meant.
    if text in specs:
        return OutputColumn(alias or text, text, None, _arrow_type(specs[text], None))
    match = _CHOICE.fullmatch(text)
    name = match["name"] if match else text
    if match is None or name not in specs:
        raise ConfigError(f'unknown output "{name}"; expected outputs: {quoted(specs)}')
    spec = specs[name]
    index = None if match["index"] is None else int(match["index"])
    if index is not None and (len(spec.shape) != 2 or (0 <= spec.shape[1] <= index)):
        raise ConfigError(f'output "{name}" of shape {format_shape(spec.shape)} has no column {index}')
    shown = name if index is None else f"{name}[{index}]"
    return OutputColumn(alias or match["alias"] or shown, name, index, _arrow_type(spec, index))


def _arrow_type(spec: TensorSpec, index: int | None) -> pa.DataType:
    kind = pa.string() if spec.datatype == "BYTES" else pa.from_numpy_dtype(spec.dtype)
    if index is not None or spec.shape[1:] == (1,):
        return kind
    for size in reversed(spec.shape[1:]):
        kind = pa.list_(kind, size) if size >= 0 else pa.list_(kind)
    return kind
