"""Counting by several threads: each has a share of the features. What it shares out: _accumulator.pyi."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final, TypeVar

import numpy as np

from penstock.errors import ConfigError, SignatureError
from penstock.monitor._accumulator import Accumulator
from penstock.monitor.pool import helpers
from penstock.monitor.profile import FeatureProfile
from penstock.transform._columns import Columns

__all__ = ["SplitAccumulator", "threads_of"]

_T = TypeVar("_T")

_WORTH_IT: Final = 50_000
"""Values of a batch from which on waking another thread costs less than it saves."""


def threads_of(threads: int | None) -> int:
    """Return a number of threads that was asked for; by default one for each core this process may use.

    Raises
    ------
    ConfigError
        Where it is below 1.
    """
    if threads is None:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if threads < 1:
        raise ConfigError(f"threads: expected 1 or more, got {threads}")
    return threads


Parts = tuple[list[Any], np.ndarray[Any, np.dtype[np.int32]], np.ndarray[Any, np.dtype[np.int64]]]
"""Where the columns of features lie: see :meth:`Accumulator.update_parts`."""


@dataclass(frozen=True, slots=True)
class _Share:
    accumulator: Accumulator
    features: slice

    def update(self, parts: Parts, rows: int) -> None:
        places, part, column = parts
        self.accumulator.update_parts(places, part[self.features], column[self.features], rows)

    def fit(self, parts: Parts, rows: int, bins: int) -> list[np.ndarray[Any, Any]]:
        places, part, column = parts
        return self.accumulator.fit_parts(places, part[self.features], column[self.features], rows, bins)


class SplitAccumulator:
    """Counts as an :class:`Accumulator` does, the features shared out to threads.

    Parameters
    ----------
    features : sequence of FeatureProfile
    threads : int
        That count a batch, the caller's own among them.
    vectors : str, optional

    Notes
    -----
    Any thread may call anything, one at a time does. Each feature is counted by one thread, in the order in
    which batches come: the counts are the same bit for bit, whatever the number of threads.
    """

    def __init__(
        self, features: Sequence[FeatureProfile], threads: int, *, vectors: str | None = None
    ) -> None:
        bounds = np.linspace(0, len(features), max(min(threads, len(features)), 1) + 1).astype(int).tolist()
        self._shares = [
            _Share(Accumulator(features[first:end], vectors=vectors), slice(first, end))
            for first, end in pairwise(bounds)
        ]
        self._whole = np.zeros(len(features), np.int32), np.arange(len(features), dtype=np.int64)
        self._lock = threading.Lock()

    def update(self, columns: Columns) -> None:
        """Count all rows of bound columns, one for each feature."""
        self.update_parts([columns], *self._whole, columns.rows)

    def update_matrix(self, matrix: np.ndarray[Any, Any]) -> None:
        """Count all rows of a matrix (n_rows, n_features) of numbers.

        Raises
        ------
        SignatureError
            Where it has another number of columns.
        """
        width = len(self._whole[0])
        if matrix.ndim != 2 or matrix.shape[1] != width:
            raise SignatureError(f"expected a matrix of shape (n, {width}), got shape {matrix.shape}")
        self.update_parts([matrix], *self._whole, len(matrix))

    def update_parts(
        self,
        parts: list[Any],
        part: np.ndarray[Any, np.dtype[np.int32]],
        column: np.ndarray[Any, np.dtype[np.int64]],
        rows: int,
    ) -> None:
        """Count rows whose columns lie in several places; see :meth:`Accumulator.update_parts`."""
        parts_of_all = parts, part, column
        self._each(lambda share: share.update(parts_of_all, rows), rows * len(part))

    def fit(self, columns: Columns, bins: int) -> list[np.ndarray[Any, Any]]:
        """Choose edges from bound columns, and count those; see :meth:`Accumulator.fit`."""
        parts: Parts = [columns], *self._whole
        found = self._each(lambda share: share.fit(parts, columns.rows, bins), columns.rows * len(parts[1]))
        return [edges for share in found for edges in share]

    def _each(self, work: Callable[[_Share], _T], values: int) -> list[_T]:
        """Let every share do some work on so many values; return what each returned."""
        own, *others = self._shares
        with self._lock:
            if values < _WORTH_IT:
                return [work(share) for share in self._shares]
            running = [helpers().submit(work, share) for share in others]
            return [work(own), *(one.result() for one in running)]

    def counts(self, *, reset: bool = False) -> tuple[int, list[dict[str, Any]]]:
        """Return the rows, and what was counted of each feature."""
        with self._lock:
            found = [share.accumulator.counts(reset=reset) for share in self._shares]
        return found[0][0], [counts for _, features in found for counts in features]

    def reset(self) -> None:
        """Forget everything that was counted."""
        with self._lock:
            for share in self._shares:
                share.accumulator.reset()
