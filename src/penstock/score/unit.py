"""What is scored and written in one piece: a part of an input file."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

__all__ = ["InputFile", "Task", "Unit"]


class InputFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An input, and what shows that it is still the same one.

    Attributes
    ----------
    path : str
        Absolute path or URI.
    size : int
        Bytes.
    modified_ns : int or None
        Nanoseconds since 1970; None where the file system does not say.
    etag : str
        Of an object store; empty elsewhere.
    fingerprint : str
        SHA-256 over the first and the last 64 KiB, which hold the footer of most files.
    """

    path: str
    size: int
    modified_ns: int | None = None
    etag: str = ""
    fingerprint: str = ""

    def differs(self, other: InputFile) -> str:
        """Say how another state of the file differs from this one; empty where it does not."""
        for field, what in (
            ("size", "size in bytes"),
            ("etag", "ETag"),
            ("modified_ns", "time of change"),
            ("fingerprint", "content"),
        ):
            was, is_now = getattr(self, field), getattr(other, field)
            if was != is_now:
                return (
                    f"its {what} was {was}, is {is_now}" if field != "fingerprint" else "its content changed"
                )
        return ""


class Unit(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A part of an input.

    Attributes
    ----------
    begin, end : int
        Row groups of a Parquet file, record batches of an Arrow file, rows of what can only be read
        from its start. ``end`` is not in the part.
    rows : int or None
        None where only reading tells.
    """

    begin: int
    end: int
    rows: int | None = None

    def id(self, file: InputFile, run: str) -> str:
        """Return the name of the unit, the same in every run over the same data with the same digest.

        Parameters
        ----------
        file : InputFile
        run : str
            Digest of model, transform and options.
        """
        content = msgspec.json.encode([msgspec.structs.astuple(file), self.begin, self.end, run])
        return hashlib.sha256(content).hexdigest()[:32]


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """What one reader takes at a time: a unit, or a whole file that can only be read from its start.

    Attributes
    ----------
    file : InputFile
    filesystem : pyarrow.fs.FileSystem
    path : str
        On that file system.
    format : str
        A :class:`~penstock.score.source.Format`.
    unit : Unit or None
        None for a file that is read from its start and cut into units on the way.
    done : frozenset of int
        The first rows of its units that exist already, where it is read from its start.
    """

    file: InputFile
    filesystem: Any
    path: str
    format: str
    unit: Unit | None = None
    done: frozenset[int] = frozenset()
