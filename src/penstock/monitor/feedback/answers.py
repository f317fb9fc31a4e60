"""The newest answers of a model, found by id. Read next: segment.py."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from penstock.monitor.feedback.labels import Classes, Labels, text_buffers
from penstock.monitor.feedback.result import JoinResult
from penstock.monitor.feedback.segment import Segment
from penstock.monitor.log._log import request_hashes

__all__ = ["Answers"]

_MOST_ROWS: Final = 65_536
_LEAST_ROWS: Final = 1024


class Answers:
    """Segments of answered rows, merged so that there are few of them.

    Parameters
    ----------
    keep_rows : int
        The newest so many are held, and up to 65,536 more. Of as many requests before them only the hashes.

    Notes
    -----
    One thread at a time.
    """

    def __init__(self, keep_rows: int) -> None:
        self._keep_rows = keep_rows
        self._segment_rows = min(_MOST_ROWS, max(_LEAST_ROWS, keep_rows // 8))
        self._segments: list[Segment] = []  # oldest first
        self._faded: deque[np.ndarray[Any, np.dtype[np.uint64]]] = deque()  # hashes, in order

    def __len__(self) -> int:
        return sum(map(len, self._segments))

    @property
    def size_bytes(self) -> int:
        """Bytes that they take."""
        faded = sum(hashes.nbytes for hashes in self._faded)
        return faded + sum(segment.size_bytes for segment in self._segments)

    def add(self, segment: Segment) -> None:
        """Take in rows that are newer than all others."""
        self._segments.append(segment)
        while len(self._segments) > 1:
            older, newer = self._segments[-2:]
            # Each row is copied as often as its segment doubles.
            if len(older) > 2 * len(newer) or len(older) + len(newer) > self._segment_rows:
                break
            merged = older.merged(newer)
            if merged is None:
                break
            self._segments[-2:] = [merged]
        self._fade()

    def add_older(self, segments: Sequence[Segment]) -> None:
        """Take in rows that are older than all others, oldest first."""
        self._segments[:0] = segments
        self._fade()

    def join(self, labels: Labels, classes: Classes) -> tuple[list[JoinResult], Labels]:
        """Give rows their labels; return what became of them, and the labels of no row."""
        return join(labels, classes, self._segments)

    def were_held(self, labels: Labels) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Tell which labels are of requests that are no longer held."""
        held = np.zeros(len(labels), bool)
        if self._faded and len(labels):
            for hashes in request_hashes(*text_buffers(labels.ids)):
                for faded in self._faded:
                    place = np.minimum(np.searchsorted(faded, hashes), len(faded) - 1)
                    held |= faded[place] == hashes
        return held

    def _fade(self) -> None:
        """Forget the oldest rows, but for the hashes of their ids."""
        rows = len(self)
        while self._segments and rows - len(self._segments[0]) >= self._keep_rows:
            gone = self._segments.pop(0)
            rows -= len(gone)
            hashes = gone.index.hashes()
            if len(hashes):
                self._faded.append(hashes.copy())
        while len(self._faded) > 1 and sum(map(len, self._faded)) > self._keep_rows:
            self._faded.popleft()


def join(labels: Labels, classes: Classes, segments: Sequence[Segment]) -> tuple[list[JoinResult], Labels]:
    """Join labels with the rows of some segments, the newest row of an id; return those of none, too."""
    offsets, data = text_buffers(labels.ids)
    entries = np.full(len(labels), -1, np.int64)
    rows = np.full(len(labels), -1, np.int64)
    results: list[JoinResult] = []
    for segment in reversed(segments):
        before = rows >= 0
        if before.all():
            break
        segment.index.find(offsets, data, entries, rows)
        here = (rows >= 0) & ~before
        if here.any():
            results.append(segment.join(labels.only(here), classes, entries[here], rows[here]))
    return results, labels.only(rows < 0)
