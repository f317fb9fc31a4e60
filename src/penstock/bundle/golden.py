"""Golden rows: inputs with the outputs that a bundle must reproduce before it serves.

Stored as one uncompressed ``.npz`` file that numpy reads without pickle. Text is kept as offsets
and UTF-8 bytes.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from penstock.bundle.signature import TensorSpec, datatype_of, format_shape
from penstock.errors import BundleError

__all__ = ["Golden", "compare"]

_Array = np.ndarray[Any, Any]
_INDEX: Final = "index"


class Golden(msgspec.Struct, frozen=True):
    """Inputs, the outputs expected for them, and how far apart floats may be.

    Parameters
    ----------
    inputs, outputs : dict of str to ndarray
        As a pipeline takes and gives them.
    rtol, atol : float
        A float ``got`` agrees with ``expected`` where ``|got - expected| <= atol + rtol * |expected|``.
        Integers, bools and text must be equal.
    """

    inputs: dict[str, _Array]
    outputs: dict[str, _Array]
    rtol: float
    atol: float

    def save(self, path: Path) -> None:
        """Write the rows, not the tolerance; equal rows give equal bytes."""
        index = _Index(inputs=_specs(self.inputs), outputs=_specs(self.outputs))
        entries: dict[str, _Array] = {_INDEX: np.frombuffer(msgspec.json.encode(index), dtype=np.uint8)}
        for side, arrays in (("input", self.inputs), ("output", self.outputs)):
            for position, array in enumerate(arrays.values()):
                entries |= _packed(f"{side}.{position}", array)
        with path.open("wb") as file:
            np.savez(file, allow_pickle=False, **entries)

    @classmethod
    def load(cls, path: Path, rtol: float, atol: float) -> Golden:
        """Read rows.

        Raises
        ------
        BundleError
            When the file cannot be read or is not what :meth:`save` wrote.
        """
        try:
            with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as entries:
                index = msgspec.json.decode(entries[_INDEX].tobytes(), type=_Index)
                inputs = _unpacked(entries, "input", index.inputs)
                outputs = _unpacked(entries, "output", index.outputs)
        except (OSError, ValueError, KeyError, IndexError, EOFError, zipfile.BadZipFile) as error:
            raise BundleError(
                f"{path}: expected golden rows, got a file that cannot be read: {error}"
            ) from None
        return cls(inputs=inputs, outputs=outputs, rtol=rtol, atol=atol)


class _Index(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Names, datatypes and concrete shapes of the arrays in the file, in order."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]


def _specs(arrays: Mapping[str, _Array]) -> tuple[TensorSpec, ...]:
    specs = []
    for name, array in arrays.items():
        datatype = datatype_of(array.dtype)
        if datatype is None:
            raise BundleError(f'golden rows: tensor "{name}" has dtype {array.dtype}, which is not served')
        specs.append(TensorSpec(name, datatype, array.shape))
    return tuple(specs)


def _packed(key: str, array: _Array) -> dict[str, _Array]:
    if datatype_of(array.dtype) != "BYTES":
        return {key: np.asarray(array, dtype=array.dtype.newbyteorder("<"))}
    text = [_utf8(item) for item in array.flat]
    offsets = np.cumsum([0, *map(len, text)], dtype="<i8")
    return {key: np.frombuffer(b"".join(text), dtype=np.uint8), f"{key}.offsets": offsets}


def _unpacked(entries: Any, side: str, specs: tuple[TensorSpec, ...]) -> dict[str, _Array]:
    arrays = {}
    for position, spec in enumerate(specs):
        key = f"{side}.{position}"
        array = np.asarray(entries[key])
        if spec.datatype == "BYTES":
            array = _text(array.tobytes(), entries[f"{key}.offsets"])
        if datatype_of(array.dtype) != spec.datatype:
            raise ValueError(f'tensor "{spec.name}" has dtype {array.dtype}, expected {spec.datatype}')
        arrays[spec.name] = array.astype(spec.dtype, copy=False).reshape(spec.shape)
    return arrays


def _text(data: bytes, offsets: _Array) -> _Array:
    bounds = [int(offset) for offset in offsets]
    text = np.empty(max(len(bounds) - 1, 0), dtype=object)
    for position in range(len(text)):
        text[position] = data[bounds[position] : bounds[position + 1]].decode()
    return text


def _utf8(item: Any) -> bytes:
    return item if isinstance(item, bytes) else str(item).encode()


def compare(expected: Mapping[str, _Array], got: Mapping[str, _Array], rtol: float, atol: float) -> None:
    """Check outputs against golden ones.

    Parameters
    ----------
    expected, got : mapping of str to ndarray
        Outputs that ``got`` has and ``expected`` has not are not looked at.
    rtol, atol : float
        See :class:`Golden`. NaN agrees with NaN, an infinity with the same infinity.

    Raises
    ------
    BundleError
        Naming the first output and row that disagree, what was expected and what came.

    Examples
    --------
    >>> compare({"p": np.array([0.5, 1.0])}, {"p": np.array([0.5, 1.1])}, rtol=1e-4, atol=1e-5)
    Traceback (most recent call last):
    penstock.errors.BundleError: golden rows disagree: output "p", row 1: expected 1.0, got 1.1
    """
    for name, want in expected.items():
        if name not in got:
            raise BundleError(f'golden rows disagree: output "{name}" is missing')
        have = got[name]
        if datatype_of(want.dtype) != datatype_of(have.dtype) or want.shape != have.shape:
            raise BundleError(
                f'golden rows disagree: output "{name}": expected {datatype_of(want.dtype)} '
                f"{format_shape(want.shape)}, got {datatype_of(have.dtype)} {format_shape(have.shape)}"
            )
        differs = np.argwhere(~_agree(want, have, rtol, atol))
        if len(differs):
            where = tuple(int(position) for position in differs[0])
            row, column = (where[0], where[1:]) if where else (0, ())
            place = f"row {row}" + (f", column {format_shape(column)}" if column else "")
            raise BundleError(
                f'golden rows disagree: output "{name}", {place}: '
                f"expected {_shown(want[where])}, got {_shown(have[where])}"
            )


def _agree(want: _Array, have: _Array, rtol: float, atol: float) -> _Array:
    if want.dtype.kind == "f":
        wide_want, wide_have = want.astype(np.float64), have.astype(np.float64)
        return np.asarray(np.isclose(wide_have, wide_want, rtol=rtol, atol=atol, equal_nan=True))
    if want.dtype.kind == "O":
        pairs = zip(want.flat, have.flat, strict=True)
        equal = [_utf8(first) == _utf8(second) for first, second in pairs]
        return np.array(equal, dtype=bool).reshape(want.shape)
    return np.asarray(want == have)


def _shown(value: Any) -> str:
    text = repr(value.item() if isinstance(value, np.generic) else value)
    return text if len(text) <= 80 else f"{text[:77]}..."
