"""The state of alarms as bytes: a mark, a version, a digest, then msgpack. Altered bytes are refused."""

from __future__ import annotations

import hashlib
import struct
from typing import Final

import msgspec

from penstock.errors import BundleError
from penstock.monitor.alerts.group import GroupState

__all__ = ["AlarmsState", "WatchState", "decode", "encode"]

FORMAT: Final = 1

_MARK: Final = b"penstock alarms"
_HEADER: Final = struct.Struct("<15sH32s")


class WatchState(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """State of a watch, and what it belongs to."""

    key: str
    origin_s: float | None
    elapsed: float
    won: bytes
    began: bytes


class AlarmsState(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Everything of :class:`~penstock.monitor.alerts.alarms.Alarms` that outlives the process."""

    model: str
    version: int
    began_s: float
    judged_s: dict[str, float]
    groups: dict[str, GroupState]
    watch: WatchState | None


def encode(state: AlarmsState) -> bytes:
    """Return a state as bytes."""
    body = msgspec.msgpack.encode(state)
    return _HEADER.pack(_MARK, FORMAT, hashlib.sha256(body).digest()) + body


def decode(data: bytes) -> AlarmsState:
    """Return the state that :func:`encode` wrote.

    Raises
    ------
    BundleError
        Where the bytes are damaged, truncated, or of a newer format.
    """
    data = bytes(data)
    if len(data) < _HEADER.size or not data.startswith(_MARK):
        raise BundleError("expected the state of alarms, got other or truncated data")
    _, version, digest = _HEADER.unpack_from(data)
    if version != FORMAT:
        newer = "; a newer version of Penstock wrote it" if version > FORMAT else ""
        raise BundleError(f"expected a state of alarms of format {FORMAT}, got {version}{newer}")
    body = data[_HEADER.size :]
    if hashlib.sha256(body).digest() != digest:
        raise BundleError("the state of alarms is damaged or truncated: its digest does not match")
    try:
        return msgspec.msgpack.decode(body, type=AlarmsState)
    except msgspec.MsgspecError as error:
        raise BundleError(f"the state of alarms is not well formed: {error}") from None
