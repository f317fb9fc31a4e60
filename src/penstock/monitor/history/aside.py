"""Files that appear whole or not at all: written aside, then renamed."""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path
from typing import Final

from penstock.errors import OutputError

__all__ = ["ASIDE", "explain", "write_aside"]

ASIDE: Final = ".aside"
"""How names of files end that are being written; they begin with a dot, which readers of data sets skip."""


def write_aside(path: Path, data: bytes | memoryview, *, flush: bool) -> None:
    """Write a file in one step.

    Parameters
    ----------
    path : Path
        Directories above it are made.
    data : bytes
    flush : bool
        Wait until it is on the disk, so that it outlives a loss of power too.

    Raises
    ------
    OutputError
        Naming the path; nothing is left aside then.
    """
    aside = path.with_name(f".{path.name}{ASIDE}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with aside.open("wb") as file:
            file.write(data)
            if flush:
                file.flush()
                os.fsync(file.fileno())
        aside.replace(path)
        if flush:
            _flush_names(path.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            aside.unlink()
        raise explain(path, error) from None


def explain(path: Path, error: OSError) -> OutputError:
    """Return the error to raise for one of the file system, saying what to do."""
    advice = {
        errno.ENOSPC: "; free space, or keep less (monitor.directory)",
        errno.EDQUOT: "; free space, or keep less (monitor.directory)",
        errno.EROFS: "; give monitor.directory a place that can be written to",
        errno.EACCES: "; give monitor.directory a place that can be written to",
        errno.ENOTDIR: "; monitor.directory must be a directory",
        errno.EEXIST: "; monitor.directory must be a directory",
    }.get(error.errno or 0, "")
    return OutputError(f"{path}: cannot be written: {error.strerror or error}{advice}")


def _flush_names(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
