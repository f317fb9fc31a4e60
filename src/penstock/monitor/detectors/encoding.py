"""Detectors as bytes: a mark, a version, a digest, then msgpack. Altered bytes are refused, not read."""

from __future__ import annotations

import hashlib
import struct
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from penstock.errors import BundleError, ConfigError

if TYPE_CHECKING:
    from penstock.monitor.detectors._detectors import Detector

    Kind = TypeVar("Kind", bound=Detector)

__all__ = ["FORMAT", "decode", "encode"]

FORMAT = 1

_MARK = b"penstock detector"
_HEADER = struct.Struct("<17sH32s")


class _Detector(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    name: str
    parameters: dict[str, Any]
    state: bytes


def encode(detector: Detector) -> bytes:
    """Return a detector as bytes."""
    parts = _Detector(type(detector).__name__, dict(detector.parameters), detector._save())
    body = msgspec.msgpack.encode(parts)
    return _HEADER.pack(_MARK, FORMAT, hashlib.sha256(body).digest()) + body


def decode(data: bytes, kind: type[Kind]) -> Kind:
    """Return the detector that :func:`encode` wrote, which has to be of a class."""
    from penstock.monitor import detectors

    data = bytes(data)
    if len(data) < _HEADER.size or not data.startswith(_MARK):
        raise BundleError("expected the bytes of a detector, got other or truncated data")
    _, version, digest = _HEADER.unpack_from(data)
    if version != FORMAT:
        newer = "; a newer version of Penstock wrote it" if version > FORMAT else ""
        raise BundleError(f"expected a detector of format {FORMAT}, got {version}{newer}")
    body = data[_HEADER.size :]
    if hashlib.sha256(body).digest() != digest:
        raise BundleError("the detector is damaged or truncated: its digest does not match")
    try:
        parts = msgspec.msgpack.decode(body, type=_Detector)
    except msgspec.MsgspecError as error:
        raise BundleError(f"the detector is not well formed: {error}") from None
    found = detectors.DETECTORS.get(parts.name)
    if found is None or not issubclass(found, kind):
        raise BundleError(f"expected the bytes of {kind.__name__}, got those of {parts.name}")
    try:
        detector = found(**parts.parameters)
    except (ConfigError, TypeError) as error:
        raise BundleError(f"the parameters of the {parts.name} are not sound: {error}") from None
    if not detector._load(parts.state):
        raise BundleError(f"the state of the {parts.name} does not fit its parameters")
    return detector
