"""What goes into a model and what comes out: names, datatypes, shapes.

Datatypes carry the names of the Open Inference Protocol. The one mapping
between them and numpy dtypes stands here. Read next: manifest.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec
import numpy as np

from penstock.errors import SignatureError

__all__ = ["DATATYPES", "Signature", "TensorSpec", "datatype_of", "format_shape", "matches", "quoted"]

DATATYPES: Final[dict[str, np.dtype[Any]]] = {
    "BOOL": np.dtype(np.bool_),
    "UINT8": np.dtype(np.uint8),
    "UINT16": np.dtype(np.uint16),
    "UINT32": np.dtype(np.uint32),
    "UINT64": np.dtype(np.uint64),
    "INT8": np.dtype(np.int8),
    "INT16": np.dtype(np.int16),
    "INT32": np.dtype(np.int32),
    "INT64": np.dtype(np.int64),
    "FP16": np.dtype(np.float16),
    "FP32": np.dtype(np.float32),
    "FP64": np.dtype(np.float64),
    "BYTES": np.dtype(np.object_),
}
"""Datatype name to numpy dtype, in native byte order. BYTES elements are ``str`` (or UTF-8 ``bytes``)."""

_NAMES: Final[dict[np.dtype[Any], str]] = {dtype: name for name, dtype in DATATYPES.items()}
_MAX_RANK: Final = 64


def datatype_of(dtype: np.dtype[Any]) -> str | None:
    """Return the datatype that a numpy dtype carries, or None where there is none.

    Byte order does not matter; text and byte-string dtypes are BYTES.

    Examples
    --------
    >>> datatype_of(np.dtype(">f4")), datatype_of(np.dtype("U3")), datatype_of(np.dtype("c8"))
    ('FP32', 'BYTES', None)
    """
    if dtype.kind in "US":
        return "BYTES"
    return _NAMES.get(dtype.newbyteorder("="))


def format_shape(shape: Iterable[int]) -> str:
    """Write a shape as every message does: ``[-1,30]``."""
    return f"[{','.join(map(str, shape))}]"


def matches(shape: Sequence[int], expected: Sequence[int]) -> bool:
    """Tell whether a concrete shape fits a declared one, where -1 accepts any size."""
    return len(shape) == len(expected) and all(
        want in (-1, got) for got, want in zip(shape, expected, strict=True)
    )


class TensorSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One input or output.

    Parameters
    ----------
    name : str
        Not empty.
    datatype : str
        A key of :data:`DATATYPES`.
    shape : tuple of int
        Sizes of the dimensions; -1 is variable. ``()`` is a scalar.

    Examples
    --------
    >>> TensorSpec("input", "FP32", (-1, 30)).dtype
    dtype('float32')
    """

    name: str
    datatype: str
    shape: tuple[int, ...]

    def __post_init__(self) -> None:
        if not self.name:
            raise ValueError("expected a tensor name, got an empty one")
        if self.datatype not in DATATYPES:
            raise ValueError(
                f'tensor "{self.name}": expected one of {", ".join(DATATYPES)}, got "{self.datatype}"'
            )
        if len(self.shape) > _MAX_RANK or any(size < -1 for size in self.shape):
            raise ValueError(
                f'tensor "{self.name}": expected sizes of -1 or more in at most {_MAX_RANK} dimensions, '
                f"got {format_shape(self.shape)}"
            )

    @property
    def dtype(self) -> np.dtype[Any]:
        """The numpy dtype; ``object`` for BYTES."""
        return DATATYPES[self.datatype]

    @property
    def element_bytes(self) -> int:
        """Bytes of one element on the wire; 0 for BYTES, whose elements vary."""
        return 0 if self.datatype == "BYTES" else self.dtype.itemsize


class Signature(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Inputs and outputs of a model, in the order of its graph.

    Parameters
    ----------
    inputs, outputs : tuple of TensorSpec
        At least one each; names are unique on either side.
    batched : bool
        Dimension 0 of every input and output is -1 and counts rows that do not influence each
        other: requests may share a run, and a large request may be cut into several.
    """

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    batched: bool

    def __post_init__(self) -> None:
        for side, specs in (("input", self.inputs), ("output", self.outputs)):
            if not specs:
                raise ValueError(f"expected at least one {side}, got none")
            names = [spec.name for spec in specs]
            if len(set(names)) != len(names):
                raise ValueError(f"expected unique {side} names, got {quoted(names)}")
        if self.batched:
            for spec in (*self.inputs, *self.outputs):
                if spec.shape[:1] != (-1,):
                    raise ValueError(
                        f'tensor "{spec.name}" of a batched model: expected dimension 0 to be -1, '
                        f"got shape {format_shape(spec.shape)}"
                    )

    def check_outputs(self, names: Sequence[str] | None) -> tuple[str, ...]:
        """Return the outputs to answer with, in the order asked for; all of them for none or an empty list.

        Raises
        ------
        SignatureError
            When a name is unknown or repeated.
        """
        known = [spec.name for spec in self.outputs]
        if not names:
            return tuple(known)
        seen: set[str] = set()
        for name in names:
            if name not in known:
                raise SignatureError(
                    f'unknown output "{name}"; expected outputs: {quoted(known)}', reason="output"
                )
            if name in seen:
                raise SignatureError(f'output "{name}" is requested more than once', reason="output")
            seen.add(name)
        return tuple(names)


def quoted(names: Iterable[str]) -> str:
    """Write names as every message does: ``"a", "b"``."""
    return ", ".join(f'"{name}"' for name in names)
