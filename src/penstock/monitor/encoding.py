"""Profiles as bytes: a mark, a version, a digest, then msgpack. Altered bytes are refused, not read."""

from __future__ import annotations

import hashlib
import struct
from typing import Any

import msgspec
import numpy as np

from penstock.errors import BundleError
from penstock.monitor.distinct import REGISTERS
from penstock.monitor.profile import FeatureProfile, Kind, Profile, Role

__all__ = ["FORMAT", "decode", "digest_of", "encode"]

FORMAT = 1

_MARK = b"penstock profile"
_HEADER = struct.Struct("<16sH32s")


class _Feature(msgspec.Struct, frozen=True, kw_only=True, array_like=True, forbid_unknown_fields=True):
    name: str
    kind: Kind
    type: str
    role: Role
    rows: int
    missing: int
    infinite: int
    mean: float
    m2: float
    minimum: float
    maximum: float
    edges: bytes
    histogram: bytes
    below: int
    above: int
    categories: tuple[str, ...]
    counts: bytes
    unseen: int
    unseen_top: tuple[tuple[str, int], ...]
    distinct: float
    registers: bytes


class _Profile(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    rows: int
    features: tuple[_Feature, ...]


_ARRAYS = {"edges": "<f8", "histogram": "<i8", "counts": "<i8"}


def encode(profile: Profile) -> bytes:
    """Return a profile as bytes; the same profile gives the same bytes everywhere."""
    features = []
    for feature in profile.features:
        parts: dict[str, Any] = {name: getattr(feature, name) for name in _Feature.__struct_fields__}
        for name, dtype in _ARRAYS.items():
            parts[name] = np.ascontiguousarray(parts[name], dtype).tobytes()
        for name in ("mean", "m2", "minimum", "maximum", "distinct"):
            parts[name] = float(parts[name])
        features.append(_Feature(**parts))
    body = msgspec.msgpack.encode(_Profile(profile.rows, tuple(features)))
    return _HEADER.pack(_MARK, FORMAT, hashlib.sha256(body).digest()) + body


def digest_of(data: bytes) -> str:
    """Return the SHA-256 of what :func:`encode` wrote, which stands in its header."""
    return str(_HEADER.unpack_from(data)[2].hex())


def decode(data: bytes, source: str) -> Profile:
    """Read a profile; see :meth:`penstock.monitor.profile.Profile.from_bytes`."""
    if bytes(data[: len(_MARK)]) != _MARK:
        raise BundleError(f"{source}: expected a profile of Penstock, got other data")
    if len(data) < _HEADER.size:
        raise BundleError(f"{source}: the profile is truncated")
    _, version, digest = _HEADER.unpack_from(data)
    if version != FORMAT:
        newer = "; a newer version of Penstock wrote it" if version > FORMAT else ""
        raise BundleError(f"{source}: expected format {FORMAT}, got {version}{newer}")
    body = memoryview(data)[_HEADER.size :]
    if hashlib.sha256(body).digest() != digest:
        raise BundleError(f"{source}: the profile is damaged or truncated: its digest does not match")
    try:
        parts = msgspec.msgpack.decode(body, type=_Profile)
        return Profile(tuple(_feature(part) for part in parts.features), parts.rows)
    except (msgspec.MsgspecError, ValueError) as error:
        raise BundleError(f"{source}: the profile is not well formed: {error}") from None


def _feature(part: _Feature) -> FeatureProfile:
    fields = msgspec.structs.asdict(part)
    for name, dtype in _ARRAYS.items():
        values = np.frombuffer(fields[name], dtype).astype(dtype[1:])
        fields[name] = values
    bins = len(fields["edges"]) + 1 if part.kind == "numeric" else 0
    if len(fields["histogram"]) != bins or len(fields["counts"]) != len(part.categories):
        raise ValueError(f'feature "{part.name}": expected a count for each bin and each category')
    if len(part.registers) not in (0, REGISTERS):
        raise ValueError(f'feature "{part.name}": expected {REGISTERS} registers, got {len(part.registers)}')
    return FeatureProfile(**fields)
