"""Learns a baseline from the first live rows, where a bundle has none. Read next: observer.py."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from penstock.monitor.baseline import Baseline
from penstock.monitor.log._log import Chunk
from penstock.monitor.log.arrays import plain_columns
from penstock.monitor.log.layout import slots_of
from penstock.monitor.log.table import slot_columns

__all__ = ["Learner"]

Ids = tuple[Sequence[str], Sequence[int]]


class Learner:
    """Keeps rows until there are enough: a :class:`penstock.monitor.observer.Follower`.

    Parameters
    ----------
    rows : int
        How many.
    on_full : callable
        Called, once, by the thread that answered the last of them.

    Notes
    -----
    Rows of a batch in another layout than the first are left out.
    """

    def __init__(self, rows: int, on_full: Callable[[], None] = lambda: None) -> None:
        self._wanted = rows
        self._on_full = on_full
        self._lock = threading.Lock()
        self._chunk: Chunk | None = None

    @property
    def missing_rows(self) -> int:
        """Rows that are still needed."""
        with self._lock:
            return max(self._wanted - (0 if self._chunk is None else len(self._chunk)), 0)

    def follow(self, columns: Any, outputs: Mapping[str, Any], rows: int, ids: Ids | None = None) -> None:
        """Keep rows that were answered."""
        inputs, answers = plain_columns(columns), plain_columns(outputs)
        with self._lock:
            if self._chunk is None:
                self._chunk = Chunk(slots_of(inputs, answers))
            if len(self._chunk) >= self._wanted:
                return
            self._chunk.append(1, 0, inputs, answers, None, [rows], rows)
            full = len(self._chunk) >= self._wanted
        if full:
            self._on_full()

    def baseline(self) -> Baseline:
        """Return the baseline of the rows that were kept.

        Raises
        ------
        ConfigError
            When no row was kept, or nothing of it is a number or a text.
        """
        import pyarrow as pa

        with self._lock:
            chunk = self._chunk
            columns: dict[str, Any] = {}
            outputs: list[str] = []
            for index, slot in enumerate(() if chunk is None else chunk.slots):
                assert chunk is not None
                found = _plain(slot_columns(chunk, index, slot))
                columns |= found
                outputs += found if slot.output else ()
            return Baseline.fit(pa.table(columns), prediction=outputs, threads=1)


def _plain(columns: dict[str, Any]) -> dict[str, Any]:
    """Leave out what is neither numbers nor text."""
    import pyarrow as pa

    return {name: column for name, column in columns.items() if not pa.types.is_nested(column.type)}
