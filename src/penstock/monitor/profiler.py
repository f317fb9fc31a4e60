"""Profilers: count batches on the layout of a baseline. Read next: profile.py, csrc/monitor/accumulator.h."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from penstock.errors import ConfigError
from penstock.imports import imported
from penstock.monitor import distinct
from penstock.monitor._accumulator import Accumulator, BatchCounter
from penstock.monitor.profile import FeatureProfile, Profile
from penstock.monitor.split import SplitAccumulator
from penstock.transform._columns import Binder, Columns

if TYPE_CHECKING:
    from penstock.monitor.baseline import Baseline

__all__ = ["BatchPlace", "Profiler"]

BatchPlace: TypeAlias = "tuple[bool, int, int, int, np.dtype[Any] | None]"
"""Where a feature is among tensors: an output or not, the tensor, the column of how many, the dtype."""

_FLOATS = (np.dtype(np.float32), np.dtype(np.float64))


class Profiler:
    """Counts batches, feature by feature, on the edges and categories of a layout.

    Parameters
    ----------
    layout : Profile or Baseline
        Features to count, by name; their own counts are not looked at.
    names : sequence of str, optional
        Count only these. By default all but labels, which live data do not have.
    vectors : {"avx512", "avx2", "none"}, optional
        Instructions to use; no result depends on it.
    threads : int, default 1
        That count a batch, each a share of the features; no result depends on it. Small batches are left to
        the thread that brings them.

    Notes
    -----
    Any thread may call anything; a batch is counted without the GIL, and batches one after the other. Memory
    is bounded by the layout. Values are never refused: whatever comes is counted as what it is. Counts do not
    depend on how rows are cut into batches or in what order those come. Mean and m2 do so by roundings only:
    for n values in b blocks of at most 1,024, the mean is within (b + 16) * 2**-52 of the largest magnitude.
    """

    def __init__(
        self,
        layout: Profile | Baseline,
        *,
        names: Sequence[str] | None = None,
        vectors: str | None = None,
        threads: int = 1,
    ) -> None:
        profile = layout if isinstance(layout, Profile) else layout.profile
        if names is None:
            self._features = tuple(feature for feature in profile if feature.role != "label")
        else:
            missing = [name for name in names if name not in profile]
            if missing:
                raise ConfigError(f'expected names of the layout, got "{missing[0]}"')
            self._features = tuple(profile[name] for name in names)
        types = ["number" if feature.kind == "numeric" else "string" for feature in self._features]
        self._binder = Binder([feature.name for feature in self._features], types)
        self._accumulator = (
            Accumulator(self._features, vectors=vectors)
            if threads == 1
            else SplitAccumulator(self._features, threads, vectors=vectors)
        )
        self._only_numeric = all(feature.kind == "numeric" for feature in self._features)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the features that are counted, in the order of a matrix of them."""
        return tuple(feature.name for feature in self._features)

    def fit(self, data: Any, bins: int) -> bool:
        """Choose the edges of numeric features from some data, and count those.

        Parameters
        ----------
        data : as of :meth:`update`
            With at least one row. Nothing was counted before.
        bins : int
            Of a feature, at most.

        Returns
        -------
        bool
            Whether it was done: False of data in several chunks.
        """
        chunks = [columns for columns in self._binder.bind(data) if columns.rows]
        if len(chunks) != 1:
            return False
        edges = self._accumulator.fit(chunks[0], bins)
        self._features = tuple(
            replace(feature, edges=own) if feature.kind == "numeric" else feature
            for feature, own in zip(self._features, edges, strict=True)
        )
        return True

    def update(self, data: Any) -> None:
        """Count all rows of some data.

        Parameters
        ----------
        data : dict, data frame, Arrow record batch, table or reader, bound Columns, or matrix
            A float32 or float64 matrix (n_rows, n_features) is counted where it lies. A reader is read batch
            by batch. Columns that are not counted may be there.

        Raises
        ------
        SignatureError
            Where a column is missing, or holds text instead of numbers or the reverse. Nothing is counted
            then, but the batches of a reader before.
        """
        if type(data) is np.ndarray and data.dtype in _FLOATS and data.ndim == 2 and self._only_numeric:
            self._accumulator.update_matrix(np.require(data, requirements="A"))
            return
        arrow = imported("pyarrow")
        if arrow is not None and isinstance(data, arrow.RecordBatchReader):
            for batch in data:
                self.update(batch)
            return
        chunks = [data] if isinstance(data, Columns) else self._binder.bind(data)
        for columns in chunks:
            if columns.rows:  # a column without a row may be of no type
                self._accumulator.update(columns)

    def update_parts(
        self,
        parts: list[Any],
        part: np.ndarray[Any, np.dtype[np.int32]],
        column: np.ndarray[Any, np.dtype[np.int64]],
        rows: int,
    ) -> None:
        """Count rows whose columns lie in several arrays, where they lie.

        Parameters
        ----------
        parts : list of ndarray of numbers, shape (rows,) or (rows, k), or of bound Columns
        part, column : ndarray of int32 and of int64, shape (n_features,)
            Where each feature is, in the order of :attr:`names`: the part, and the column of it.
        rows : int

        Raises
        ------
        SignatureError
            Where a part is of another length or kind. Nothing is counted then.
        """
        self._accumulator.update_parts(parts, part, column, rows)

    def count_batches(
        self, batches: BatchCounter, places: Sequence[BatchPlace], full_rows: int | None
    ) -> None:
        """Count what a runner answers, too; the arguments are those of :meth:`BatchCounter.count`."""
        if isinstance(self._accumulator, SplitAccumulator):
            raise ConfigError("expected an accumulator of one thread")
        batches.count(self._accumulator, places, full_rows)

    def profile(self, *, reset: bool = False) -> Profile:
        """Return what was counted so far.

        With ``reset`` counting starts anew, and no batch is in both profiles or in neither.
        """
        rows, counts = self._accumulator.counts(reset=reset)
        pairs = zip(self._features, counts, strict=True)
        return Profile(tuple(_counted(feature, rows, found) for feature, found in pairs), rows)

    def reset(self) -> None:
        """Forget what was counted."""
        self._accumulator.reset()


def _counted(feature: FeatureProfile, rows: int, found: dict[str, Any]) -> FeatureProfile:
    estimate = distinct.estimate(found["registers"])
    known = np.count_nonzero(found["counts"]) if feature.kind == "categorical" else 0
    empty = {"unseen": 0, "unseen_top": (), "infinite": 0, "below": 0, "above": 0}
    return replace(feature, **{**empty, **found}, rows=rows, distinct=float(known) + estimate)
