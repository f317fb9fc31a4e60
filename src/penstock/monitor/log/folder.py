"""The directory of a log: files appear whole, the oldest go. Nothing else is kept anywhere."""

from __future__ import annotations

import contextlib
import fcntl
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

__all__ = ["Draft", "LogFolder"]

_ASIDE: Final = "_aside"


class Draft:
    """A file that is being written aside, locked as long as it is.

    Attributes
    ----------
    path : Path
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644)
        fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)

    @property
    def size_bytes(self) -> int:
        """Bytes that are on the disk by now."""
        return os.fstat(self._descriptor).st_size

    def publish(self, path: Path) -> None:
        """Make the file seen under its name once it is on the disk; raises OSError."""
        os.fsync(self._descriptor)
        path.parent.mkdir(parents=True, exist_ok=True)
        os.rename(self.path, path)
        os.close(self._descriptor)

    def discard(self) -> None:
        """Forget the file."""
        with contextlib.suppress(OSError):
            os.unlink(self.path)
        with contextlib.suppress(OSError):
            os.close(self._descriptor)


class LogFolder:
    """``<directory>/<model>``: a directory a day, and what is being written in ``_aside``.

    Parameters
    ----------
    path : Path
    run : str
        Part of every name, so that several processes may write to one directory.

    Notes
    -----
    Names sort by the time of their first row.
    """

    def __init__(self, path: Path, run: str) -> None:
        self.path = path
        self._run = run
        self._count = 0

    def clean(self) -> None:
        """Remove what processes that have died left aside; raises OSError."""
        for path in sorted((self.path / _ASIDE).glob("*.parquet")):
            try:
                descriptor = os.open(path, os.O_RDONLY)
            except FileNotFoundError:
                continue
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink(missing_ok=True)
            except BlockingIOError:
                continue  # its writer lives
            finally:
                os.close(descriptor)

    def draft(self) -> Draft:
        """Begin a file; raises OSError."""
        self._count += 1
        return Draft(self.path / _ASIDE / f"{self._run}-{self._count}.parquet")

    def publish(self, draft: Draft, first_us: int) -> None:
        """Give a file its name, by the time of its first row; raises OSError."""
        moment = datetime.fromtimestamp(first_us / 1e6, UTC)
        name = f"{moment:%H%M%S}-{self._run}-{draft.path.stem.rpartition('-')[2]}.parquet"
        draft.publish(self.path / f"{moment:%Y-%m-%d}" / name)

    def files(self) -> list[tuple[Path, int]]:
        """Return files and their sizes in bytes, oldest first."""
        found = []
        for path in sorted(self.path.glob("[0-9]*/*.parquet")):
            with contextlib.suppress(FileNotFoundError):
                found.append((path, path.stat().st_size))
        return found

    def prune(self, keep_bytes: int) -> tuple[int, int]:
        """Delete the oldest files beyond a size, never the newest; return files and bytes that are left."""
        found = self.files()
        size = sum(each for _, each in found)
        while len(found) > 1 and size > keep_bytes:
            path, each = found.pop(0)
            path.unlink(missing_ok=True)
            with contextlib.suppress(OSError):  # other files of that day
                path.parent.rmdir()
            size -= each
        return len(found), size
