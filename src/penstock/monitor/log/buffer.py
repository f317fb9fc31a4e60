"""Where rows wait between the thread that answers and the one that writes or indexes them."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np

from penstock.errors import SignatureError
from penstock.monitor.log._log import Chunk, Intake
from penstock.monitor.log.arrays import plain_columns
from penstock.monitor.log.layout import Slot

__all__ = ["Ids", "RowBuffer"]

Ids = tuple[Sequence[str], Sequence[int]]
"""What clients call the requests of a batch, empty where they do not, and the rows of each."""

Layout = Callable[[Mapping[str, Any], Mapping[str, Any]], tuple[Slot, ...]]

_CHUNK_ROWS: Final = 32_768
_CHUNK_BYTES: Final = 8 * 2**20
_MOST_BYTES: Final = 256 * 2**20
_MOST_OPEN: Final = 4


class RowBuffer(Intake):
    """Copies rows into chunks, one for each layout; full ones wait to be taken.

    Parameters
    ----------
    layout : callable
        The slots of columns and outputs.
    most_rows : int
        That wait; of a batch for which there is no room nothing is kept. The bytes are bounded too: 256 MiB.
    share, doubtful_share : float
        Of requests that are kept, and of the others those whose doubtful rows are; see :meth:`Chunk.append`.
    named : bool
        Keep no request without an id.
    on_full : callable, optional
        Called with the lock held when a chunk is full.

    Attributes
    ----------
    lock : Lock
        Guards everything; nothing waits while it is held.
    full : deque of Chunk
        Oldest first.
    rows : int
        That wait, whatever has become of their chunk, until :meth:`release`.
    dropped_rows : int
        For which there was no room.
    """

    def __init__(
        self,
        layout: Layout,
        *,
        most_rows: int,
        share: float = 1.0,
        doubtful_share: float = 0.0,
        named: bool = False,
        on_full: Callable[[], None] | None = None,
    ) -> None:
        super().__init__(
            threading.Lock(),
            most_rows=most_rows,
            most_bytes=_MOST_BYTES,
            chunk_rows=_CHUNK_ROWS,
            chunk_bytes=_CHUNK_BYTES,
            share=_threshold(share),
            doubtful_share=_threshold(doubtful_share),
            named=named,
        )
        self._layout, self._on_full = layout, on_full
        self._others: list[Chunk] = []  # of other layouts, the newest first
        self._spare: list[Chunk] = []
        self.full: deque[Chunk] = deque()

    def add(
        self,
        version: int,
        time_s: float,
        columns: Any,
        outputs: Mapping[str, Any],
        rows: int,
        ids: Ids | None,
        doubtful: np.ndarray[Any, np.dtype[np.uint8]] | None = None,
    ) -> None:
        """Copy the rows of a batch that are to be kept.

        Raises
        ------
        Exception
            Whatever is wrong with them; nothing is kept then.
        """
        if not self.take(version, time_s, columns, outputs, rows, ids, doubtful):
            inputs, answers = plain_columns(columns), plain_columns(outputs)
            with self.lock:
                self._add(version, time_s, inputs, answers, rows, ids, doubtful)

    def fill(self) -> None:
        """Let the rows of the current chunk be taken; with the lock held."""
        chunk, self.current = self.current, None
        if chunk is not None:
            self._queue(chunk)
            if self._on_full is not None:
                self._on_full()

    def seal(self) -> None:
        """Let what was copied so far be taken, full or not; with the lock held."""
        for chunk in [*reversed(self._others), self.current]:
            if chunk is not None:
                self._queue(chunk)
        self._others.clear()
        self.current = None

    def release(self, chunk: Chunk) -> None:
        """Take a chunk out of the queue: nobody needs its memory. With the lock held."""
        self.full.remove(chunk)
        self.rows -= len(chunk)
        self.full_bytes -= chunk.size_bytes
        chunk.clear()
        if len(self._spare) < _MOST_OPEN:
            self._spare.append(chunk)

    def _add(
        self,
        version: int,
        time_s: float,
        columns: dict[str, Any],
        outputs: dict[str, Any],
        rows: int,
        ids: Ids | None,
        doubtful: np.ndarray[Any, np.dtype[np.uint8]] | None,
    ) -> None:
        for _ in range(len(self._others) + 1):
            full = self.put(version, time_s, columns, outputs, rows, ids, doubtful)
            if full is not None:
                break
            self._turn()
        else:
            self._begin(self._layout(columns, outputs), (len(columns), len(outputs)))
            full = self.put(version, time_s, columns, outputs, rows, ids, doubtful)
            if full is None:
                raise SignatureError(f"expected columns and outputs of {rows} rows, got others")
        if full:
            self.fill()

    def _turn(self) -> None:
        """Make the chunk that was longest not the current one so."""
        if self.current is not None:
            self._others.insert(0, self.current)
        self.current = self._others.pop() if self._others else None

    def _begin(self, slots: tuple[Slot, ...], counts: tuple[int, int]) -> None:
        if self.current is not None:
            self._others.insert(0, self.current)
        if len(self._others) >= _MOST_OPEN:
            self._queue(self._others.pop())
        for place, spare in enumerate(self._spare):
            if (spare.slots, spare.tensor_counts) == (slots, counts):
                self.current = self._spare.pop(place)
                return
        self.current = Chunk(slots, counts)

    def _queue(self, chunk: Chunk) -> None:
        if len(chunk):
            self.full.append(chunk)
            self.full_bytes += chunk.size_bytes


def _threshold(share: float) -> int:
    """Return the hash up to which so large a share of all hashes lies."""
    return min(int(share * 2**64), 2**64 - 1)
