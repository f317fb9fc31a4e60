"""How far a run is, for whoever shows it."""

from __future__ import annotations

import time

import msgspec

__all__ = ["Progress", "Tally"]


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """How far a run is.

    Attributes
    ----------
    rows : int
        Scored in this run.
    rows_before : int
        Scored by earlier runs.
    rows_in_all : int or None
        None where only reading tells.
    units : int
        Done in this run.
    failed : int
    seconds : float
    """

    rows: int
    rows_before: int
    rows_in_all: int | None
    units: int
    failed: int
    seconds: float

    @property
    def rate(self) -> float:
        """Rows a second."""
        return self.rows / self.seconds if self.seconds > 0 else 0.0

    @property
    def left_s(self) -> float | None:
        """Seconds to go, None where that is not known."""
        if self.rows_in_all is None or not self.rows:
            return None
        return max(self.rows_in_all - self.rows_before - self.rows, 0) / self.rate


class Tally:
    """Counts while a run goes on; one thread writes at a time."""

    def __init__(self, rows_before: int, rows_in_all: int | None) -> None:
        self.rows_before, self.rows_in_all = rows_before, rows_in_all
        self.rows = self.units = self.failed = 0
        self._began_s = time.monotonic()

    @property
    def seconds(self) -> float:
        """Since the start."""
        return time.monotonic() - self._began_s

    def progress(self) -> Progress:
        """Return how far the run is now."""
        return Progress(
            rows=self.rows,
            rows_before=self.rows_before,
            rows_in_all=self.rows_in_all,
            units=self.units,
            failed=self.failed,
            seconds=self.seconds,
        )
