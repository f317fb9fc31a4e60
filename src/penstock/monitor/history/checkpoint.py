"""The open window as bytes: a mark, a version, a digest, then msgpack. Altered bytes are refused."""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass

import msgspec

from penstock.errors import BundleError
from penstock.monitor.profile import Profile
from penstock.monitor.window import Window

__all__ = ["FORMAT", "OpenWindow", "decode", "encode"]

FORMAT = 1

_MARK = b"penstock window\0"
_HEADER = struct.Struct("<16sH32s")


@dataclass(frozen=True, kw_only=True)
class OpenWindow:
    """What a process had counted of a version, but not yet closed, when it last saved it.

    Attributes
    ----------
    version : int
    window : Window or None
        None where it had no row.
    extra : bytes
        What else was saved with it.
    """

    version: int
    window: Window | None = None
    extra: bytes = b""


class _Counted(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    begin_s: float
    end_s: float
    complete: bool
    profile: bytes


class _Open(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    model: str
    version: int
    counted: _Counted | None
    extra: bytes


def encode(model: str, saved: OpenWindow) -> bytes:
    """Return an open window as bytes; no pickle."""
    window = saved.window
    counted = None
    if window is not None:
        profile = window.profile.to_bytes()
        counted = _Counted(float(window.begin_s), float(window.end_s), window.complete, profile)
    body = msgspec.msgpack.encode(_Open(model, saved.version, counted, saved.extra))
    return _HEADER.pack(_MARK, FORMAT, hashlib.sha256(body).digest()) + body


def decode(model: str, data: bytes, source: str) -> OpenWindow:
    """Read an open window.

    Raises
    ------
    BundleError
        Naming the source, where the bytes are damaged, truncated, of another model or a newer format.
    """
    if len(data) < _HEADER.size or not data.startswith(_MARK):
        raise BundleError(f"{source}: expected an open window of Penstock, got other data")
    _, version, digest = _HEADER.unpack_from(data)
    if version != FORMAT:
        raise BundleError(f"{source}: expected format {FORMAT}, got {version}")
    body = memoryview(data)[_HEADER.size :]
    if hashlib.sha256(body).digest() != digest:
        raise BundleError(f"{source}: the open window is damaged or truncated: its digest does not match")
    try:
        parts = msgspec.msgpack.decode(body, type=_Open)
    except msgspec.MsgspecError as error:
        raise BundleError(f"{source}: the open window is not well formed: {error}") from None
    if parts.model != model:
        raise BundleError(f'{source}: expected a window of "{model}", got one of "{parts.model}"')
    window = None
    if parts.counted is not None:
        window = Window(
            model=model,
            version=parts.version,
            begin_s=parts.counted.begin_s,
            end_s=parts.counted.end_s,
            profile=Profile.from_bytes(parts.counted.profile, source),
            complete=parts.counted.complete,
        )
    return OpenWindow(version=parts.version, window=window, extra=parts.extra)
