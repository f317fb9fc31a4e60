"""Profiles and baselines as bytes: a mark, a version, a digest, then msgpack. Altered bytes are refused.

Format 1 is a profile; format 2 is named parts, each with a format of its own, of which one is a profile.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np

from penstock.errors import BundleError
from penstock.monitor.distinct import REGISTERS
from penstock.monitor.profile import FeatureProfile, Kind, Profile, Role

__all__ = ["FORMAT", "PARTS_FORMAT", "decode", "decode_parts", "digest_of", "encode", "encode_parts"]

FORMAT = 1
"""Of a profile."""

PARTS_FORMAT = 2
"""Of named parts."""

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
    return _sealed(msgspec.msgpack.encode(_Profile(profile.rows, tuple(features))), FORMAT)


def encode_parts(parts: Mapping[str, bytes]) -> bytes:
    """Return named parts as bytes; the order of names does not matter."""
    return _sealed(msgspec.msgpack.encode(dict(sorted(parts.items()))), PARTS_FORMAT)


def _sealed(body: bytes, version: int) -> bytes:
    return _HEADER.pack(_MARK, version, hashlib.sha256(body).digest()) + body


def digest_of(data: bytes) -> str:
    """Return the SHA-256 of what :func:`encode` wrote, which stands in its header."""
    return str(_HEADER.unpack_from(data)[2].hex())


def decode(data: bytes, source: str) -> Profile:
    """Read a profile; see :meth:`penstock.monitor.profile.Profile.from_bytes`."""
    version, body = _opened(data, source, "profile")
    if version == PARTS_FORMAT:
        raise BundleError(f"{source}: expected a profile, got a baseline; read it with Baseline.from_bytes")
    try:
        parts = msgspec.msgpack.decode(body, type=_Profile)
        return Profile(tuple(_feature(part) for part in parts.features), parts.rows)
    except (msgspec.MsgspecError, ValueError) as error:
        raise BundleError(f"{source}: the profile is not well formed: {error}") from None


def decode_parts(data: bytes, source: str) -> dict[str, bytes]:
    """Read named parts; a profile is the part ``profile`` alone.

    Raises
    ------
    BundleError
        Where the bytes are damaged, truncated, or of a newer format.
    """
    version, body = _opened(data, source, "baseline")
    if version == FORMAT:
        return {"profile": data}
    try:
        return msgspec.msgpack.decode(body, type=dict[str, bytes])
    except msgspec.MsgspecError as error:
        raise BundleError(f"{source}: the baseline is not well formed: {error}") from None


def _opened(data: bytes, source: str, what: str) -> tuple[int, memoryview]:
    if bytes(data[: len(_MARK)]) != _MARK:
        raise BundleError(f"{source}: expected a {what} of Penstock, got other data")
    if len(data) < _HEADER.size:
        raise BundleError(f"{source}: the {what} is truncated")
    _, version, digest = _HEADER.unpack_from(data)
    if version not in (FORMAT, PARTS_FORMAT):
        newer = "; a newer version of Penstock wrote it" if version > PARTS_FORMAT else ""
        raise BundleError(f"{source}: expected format {FORMAT} or {PARTS_FORMAT}, got {version}{newer}")
    body = memoryview(data)[_HEADER.size :]
    if hashlib.sha256(body).digest() != digest:
        raise BundleError(f"{source}: the {what} is damaged or truncated: its digest does not match")
    return version, body


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
