"""SHA-256 of the input files, computed beside the scoring."""

from __future__ import annotations

import collections
import contextlib
import hashlib
import os
import threading
import time
from collections.abc import Iterable
from typing import Final

import msgspec

from penstock.score.folder import Folder
from penstock.score.location import Location
from penstock.score.unit import InputFile

__all__ = ["Digests"]

_PIECE_BYTES: Final = 2**18
_NICE: Final = 10
# Four read 7 GB/s, which is more than most disks give.
_MOST_THREADS: Final = 4


class Digests:
    """Reads files in threads of low priority and keeps their digests for later runs.

    Parameters
    ----------
    folder : Folder
        Known digests are read from it, new ones written to it.
    files : iterable of (InputFile, Location)

    Notes
    -----
    1.8 GB/s on one core with the SHA instructions of current processors; 30 float32 columns are
    0.07 µs a row. One thread while others work on the same files, more with :meth:`hurry`.
    """

    def __init__(self, folder: Folder, files: Iterable[tuple[InputFile, Location]]) -> None:
        self._folder = folder
        self._files = collections.deque(files)
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self.known: dict[str, str] = {}

    def start(self) -> None:
        """Begin, with one thread."""
        self._add_thread()

    def hurry(self, threads: int) -> None:
        """Read several files at once from here on: so many at most, and no more than four."""
        wanted = min(threads, _MOST_THREADS, len(self._files) + 1)
        while len(self._threads) < wanted:
            self._add_thread()

    def alive(self, wait_s: float) -> bool:
        """Wait a while; tell whether there is more to do."""
        until_s = time.monotonic() + wait_s
        for thread in self._threads:
            thread.join(max(until_s - time.monotonic(), 0))
        return any(thread.is_alive() for thread in self._threads)

    def stop(self) -> None:
        """End early; what is not computed is left to the next run."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _add_thread(self) -> None:
        thread = threading.Thread(target=self._run, name="penstock-score-digests")
        thread.start()
        self._threads.append(thread)

    def _run(self) -> None:
        with contextlib.suppress(OSError, AttributeError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
        buffer = memoryview(bytearray(_PIECE_BYTES))
        while True:
            try:
                file, location = self._files.popleft()
            except IndexError:
                return
            name = f"_run/inputs/{_id(file)}.json"
            with contextlib.suppress(OSError, msgspec.DecodeError):
                found = self._folder.read(name)
                digest = None if found is None else msgspec.json.decode(found, type=_Entry).sha256
                if digest is None:
                    digest = self._digest(location, buffer)
                    if digest is None:
                        return
                    self._folder.write(name, msgspec.json.encode(_Entry(path=file.path, sha256=digest)))
                self.known[file.path] = digest

    def _digest(self, location: Location, buffer: memoryview) -> str | None:
        digest = hashlib.sha256()
        with location.filesystem.open_input_file(location.path) as file:
            while not self._stop.is_set():
                size = file.readinto(buffer)
                if not size:
                    return digest.hexdigest()
                digest.update(buffer[:size])
        return None


class _Entry(msgspec.Struct, frozen=True, kw_only=True):
    path: str
    sha256: str


def _id(file: InputFile) -> str:
    return hashlib.sha256(msgspec.json.encode(file)).hexdigest()[:32]
