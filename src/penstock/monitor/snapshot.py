"""Snapshots: what one process counted, on its way to another. Versioned bytes with a digest; no pickle."""

from __future__ import annotations

import hashlib
import struct

import msgspec

from penstock.errors import BundleError
from penstock.monitor.profile import Profile
from penstock.monitor.window import Window

__all__ = ["Snapshot"]

_MARK = b"penstock state\0\0"
_HEADER = struct.Struct("<16sH32s")
_FORMAT = 1


class _State(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    id: str
    model: str
    version: int
    begin_s: float
    end_s: float
    complete: bool
    layout: str
    profile: bytes


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """Counts of one version of a model that are to be merged elsewhere, once.

    Attributes
    ----------
    id : str
        Tells a snapshot that comes twice from two snapshots.
    window : Window
        From the snapshot before to this one.
    layout : str
        Digest of the baseline whose bins the counts are on.
    """

    id: str
    window: Window
    layout: str

    def to_bytes(self) -> bytes:
        """Return the snapshot as bytes; see :meth:`from_bytes`."""
        window = self.window
        body = msgspec.msgpack.encode(
            _State(
                self.id,
                window.model,
                window.version,
                window.begin_s,
                window.end_s,
                window.complete,
                self.layout,
                window.profile.to_bytes(),
            )
        )
        return _HEADER.pack(_MARK, _FORMAT, hashlib.sha256(body).digest()) + body

    @classmethod
    def from_bytes(cls, data: bytes, source: str = "snapshot") -> Snapshot:
        """Read a snapshot.

        Raises
        ------
        BundleError
            Where the bytes are something else, damaged, truncated, or of a newer format.
        """
        if bytes(data[: len(_MARK)]) != _MARK or len(data) < _HEADER.size:
            raise BundleError(f"{source}: expected a snapshot of a monitor, got other data")
        _, version, digest = _HEADER.unpack_from(data)
        if version != _FORMAT:
            raise BundleError(f"{source}: expected format {_FORMAT}, got {version}")
        body = memoryview(data)[_HEADER.size :]
        if hashlib.sha256(body).digest() != digest:
            raise BundleError(f"{source}: the snapshot is damaged or truncated: its digest does not match")
        try:
            state = msgspec.msgpack.decode(body, type=_State)
        except (msgspec.MsgspecError, ValueError) as error:
            raise BundleError(f"{source}: the snapshot is not well formed: {error}") from None
        window = Window(
            model=state.model,
            version=state.version,
            begin_s=state.begin_s,
            end_s=state.end_s,
            profile=Profile.from_bytes(state.profile, source),
            complete=state.complete,
        )
        return cls(id=state.id, window=window, layout=state.layout)
