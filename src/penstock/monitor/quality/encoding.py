"""Counts of quality, and the part of a baseline, as bytes: a mark, a version, a digest, then msgpack."""

from __future__ import annotations

import hashlib
import struct
from typing import Any, TypeVar

import msgspec
import numpy as np

from penstock.errors import BundleError, ConfigError
from penstock.monitor.quality.counts import QualityCounts, shapes
from penstock.monitor.quality.moments import Moments
from penstock.monitor.quality.target import Form, Target, Task

__all__ = ["FORMAT", "decode_counts", "encode_counts", "read", "write"]

FORMAT = 1

_MARK = b"penstock quality"
_HEADER = struct.Struct("<16sH32s")
_MOMENTS = ("log_loss", "brier", "residual", "error", "absolute_error", "squared_error")
_ARRAYS = {"confusion": "<i8", "scores": "<i8", "confident": "<i8", "confidence": "<f8"}

T = TypeVar("T")


class _Target(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    task: Task
    label: str
    prediction: tuple[str, ...]
    form: Form
    classes: tuple[str, ...]
    threshold: float


class _Counts(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    target: _Target
    rows: int
    invalid: int
    arrays: dict[str, tuple[bytes, bytes]]
    moments: dict[str, tuple[int, float, float]]


def write(value: msgspec.Struct) -> bytes:
    """Return a struct as bytes."""
    body = msgspec.msgpack.encode(value)
    return _HEADER.pack(_MARK, FORMAT, hashlib.sha256(body).digest()) + body


def read(data: bytes, kind: type[T], source: str) -> T:
    """Read what :func:`write` wrote.

    Raises
    ------
    BundleError
        Where the bytes are damaged, truncated, of a newer format, or something else.
    """
    if bytes(data[: len(_MARK)]) != _MARK or len(data) < _HEADER.size:
        raise BundleError(f"{source}: expected counts of quality, got other data")
    _, version, digest = _HEADER.unpack_from(data)
    if version != FORMAT:
        newer = "; a newer version of Penstock wrote it" if version > FORMAT else ""
        raise BundleError(f"{source}: expected quality of format {FORMAT}, got {version}{newer}")
    body = memoryview(data)[_HEADER.size :]
    if hashlib.sha256(body).digest() != digest:
        raise BundleError(f"{source}: the quality is damaged or truncated: its digest does not match")
    try:
        return msgspec.msgpack.decode(body, type=kind)
    except msgspec.MsgspecError as error:
        raise BundleError(f"{source}: the quality is not well formed: {error}") from None


def encode_counts(counts: QualityCounts) -> bytes:
    """Return counts as bytes; the same counts give the same bytes everywhere."""
    target = counts.target
    return write(
        _Counts(
            _Target(*(getattr(target, name) for name in _Target.__struct_fields__)),
            counts.rows,
            counts.invalid,
            {name: _sparse(getattr(counts, name), dtype) for name, dtype in _ARRAYS.items()},
            {name: _plain(getattr(counts, name)) for name in _MOMENTS},
        )
    )


def decode_counts(data: bytes, source: str) -> QualityCounts:
    """Read counts; see :meth:`QualityCounts.from_bytes`."""
    parts = read(data, _Counts, source)
    try:
        target = Target(**msgspec.structs.asdict(parts.target))
        fields: dict[str, Any] = {
            name: _dense(parts.arrays[name], _ARRAYS[name], shape) for name, shape in shapes(target).items()
        }
        fields |= {name: Moments(*parts.moments[name]) for name in _MOMENTS}
    except (ConfigError, KeyError, ValueError, IndexError) as error:
        raise BundleError(f"{source}: the quality is not well formed: {error}") from None
    return QualityCounts(target=target, rows=parts.rows, invalid=parts.invalid, **fields)


def _plain(moments: Moments) -> tuple[int, float, float]:
    return int(moments.rows), float(moments.mean), float(moments.m2)


def _sparse(array: np.ndarray[Any, Any], dtype: str) -> tuple[bytes, bytes]:
    """Return where an array is not 0, and what it is there."""
    values = np.ascontiguousarray(array, dtype).ravel()
    (at,) = np.nonzero(values)
    return at.astype("<u4").tobytes(), values[at].tobytes()


def _dense(parts: tuple[bytes, bytes], dtype: str, shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
    at, values = np.frombuffer(parts[0], "<u4"), np.frombuffer(parts[1], dtype)
    if len(at) != len(values):
        raise ValueError("expected a place for each count")
    array = np.zeros(int(np.prod(shape)), dtype[1:])
    array[at] = values
    return array.reshape(shape)
