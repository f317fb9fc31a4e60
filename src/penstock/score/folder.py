"""The directory that a run writes to: every file appears whole or not at all.

On a local file system files are written aside, flushed and renamed; elsewhere
they are written to a temporary file of this machine and sent in one piece.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Final

import pyarrow as pa
from pyarrow import fs

from penstock.errors import ConfigError, OutputError
from penstock.score.location import Location

__all__ = ["Draft", "Folder"]

_ASIDE: Final = "_run/aside"
_LOCK: Final = "_run/lock"


class Draft:
    """A file that is being written; nothing is seen of it before :meth:`commit`.

    Attributes
    ----------
    path : str
        On this machine.
    """

    def __init__(self, folder: Folder, name: str) -> None:
        self._folder, self._name = folder, name
        self.path = folder.aside()

    def commit(self) -> int:
        """Make the file seen under its name, in one step; return its size in bytes.

        Raises
        ------
        OutputError
        """
        with self._folder.errors():
            size = os.path.getsize(self.path)
            self._folder.publish(self.path, self._name)
        return size

    def discard(self) -> None:
        """Forget the file; may be called whatever has happened."""
        with contextlib.suppress(OSError):
            os.unlink(self.path)


class Folder:
    """A directory, here or on any file system.

    Parameters
    ----------
    location : Location

    Notes
    -----
    Names are relative, with ``/`` between. One run at a time may write to a local directory: the
    lock goes with the process, however it ends.
    """

    def __init__(self, location: Location) -> None:
        self.location = location
        self._lock: IO[str] | None = None
        self._own: str | None = None

    def __str__(self) -> str:
        return self.location.name

    def open(self) -> None:
        """Make the directory where it is not there, lock it, and remove what killed runs left aside.

        Raises
        ------
        ConfigError
            When another run writes to it, or it is a file.
        OutputError
            When it cannot be written to.
        """
        info = self.location.info()
        if info.type == fs.FileType.File:
            raise ConfigError(f"{self}: expected a directory to write to, got a file")
        with self.errors():
            for name in ("", "_run", "_run/units", "_run/inputs"):
                self.location.filesystem.create_dir(self._path(name), recursive=True)
            if self.location.local:
                self._take_lock()
                shutil.rmtree(self._path(_ASIDE), ignore_errors=True)
                os.makedirs(self._path(_ASIDE), exist_ok=True)

    def join(self) -> None:
        """Write to a directory that another process of the same run has opened."""
        with self.errors():
            if self.location.local:
                os.makedirs(self._path(_ASIDE), exist_ok=True)

    def close(self) -> None:
        """Let the lock go and remove what is left aside; may be called again."""
        if self._own is not None:
            shutil.rmtree(self._own, ignore_errors=True)
            self._own = None
        if self._lock is not None:
            with contextlib.suppress(OSError):
                shutil.rmtree(self._path(_ASIDE), ignore_errors=True)
            self._lock.close()
            self._lock = None

    def draft(self, name: str) -> Draft:
        """Begin a file; raises OutputError."""
        return Draft(self, name)

    def write(self, name: str, data: bytes, flush: bool = False) -> None:
        """Write a small file in one step; ``flush`` waits until it is on the disk.

        Raises
        ------
        OutputError
        """
        if not self.location.local:
            with self.errors():
                self._send(pa.BufferReader(data), self._path(name))
            return
        path = self.aside()
        try:
            with self.errors():
                with open(path, "wb") as file:
                    file.write(data)
                    if flush:
                        file.flush()
                        os.fsync(file.fileno())
                os.replace(path, self._path(name))
        except OutputError:
            with contextlib.suppress(OSError):
                os.unlink(path)
            raise

    def read(self, name: str) -> bytes | None:
        """Return the content of a small file, None where there is none."""
        try:
            with self.location.filesystem.open_input_file(self._path(name)) as file:
                return bytes(file.read())
        except FileNotFoundError:
            return None

    def remove(self, name: str) -> None:
        """Remove a file where it is there; raises OutputError."""
        with self.errors(), contextlib.suppress(FileNotFoundError):
            self.location.filesystem.delete_file(self._path(name))

    def sizes(self, name: str = "") -> dict[str, int]:
        """Return the sizes of the files directly in a directory, by their names."""
        selector = fs.FileSelector(self._path(name), allow_not_found=True)
        infos = self.location.filesystem.get_file_info(selector)
        return {info.base_name: info.size for info in infos if info.is_file}

    def flush(self) -> None:
        """Wait until the names of the files are on the disk."""
        if self.location.local:
            with self.errors():
                _sync(self._path(""))

    def aside(self) -> str:
        """Return a path on this machine where a file can be written before it is published."""
        if self.location.local:
            return self._path(f"{_ASIDE}/{os.getpid()}-{secrets.token_hex(8)}")
        if self._own is None:
            self._own = tempfile.mkdtemp(prefix="penstock-score-")
        return os.path.join(self._own, secrets.token_hex(8))

    def publish(self, path: str, name: str) -> None:
        """Move a file from aside to its name; raises OSError."""
        if self.location.local:
            _sync(path)
            os.replace(path, self._path(name))
            return
        with pa.OSFile(path) as file:
            self._send(file, self._path(name))
        os.unlink(path)

    @contextlib.contextmanager
    def errors(self) -> Iterator[None]:
        """Turn errors of the file system into OutputError, in words that say what to do."""
        try:
            yield
        except OutputError:
            raise
        except OSError as error:
            raise self.explain(error) from None

    def explain(self, error: BaseException) -> OutputError:
        """Return the error to raise for one of the file system."""
        number = getattr(error, "errno", None)
        reason = os.strerror(number) if number else str(error)
        advice = {
            errno.ENOSPC: "; free space and run it again: what is done is kept",
            errno.EDQUOT: "; free space and run it again: what is done is kept",
            errno.EROFS: "; write to another directory with --out",
            errno.EACCES: "; write to another directory with --out",
        }.get(number or 0, "")
        return OutputError(f"{self}: cannot be written: {reason}{advice}")

    def _path(self, name: str) -> str:
        return f"{self.location.path.rstrip('/')}/{name}" if name else self.location.path

    def _take_lock(self) -> None:
        lock = Path(self._path(_LOCK)).open("w")  # noqa: SIM115 - held until close()
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            raise ConfigError(f"{self}: another run writes to it now") from None
        self._lock = lock

    def _send(self, source: Any, path: str) -> None:
        """Copy a stream to a file of another file system; what fails half-way is removed."""
        sink = self.location.filesystem.open_output_stream(path)
        try:
            with source:
                while piece := source.read(8 * 2**20):
                    sink.write(piece)
            sink.close()
        except BaseException:
            with contextlib.suppress(Exception):
                sink.close()
                self.location.filesystem.delete_file(path)
            raise


def _sync(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
