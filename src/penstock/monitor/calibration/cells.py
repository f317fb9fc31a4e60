"""Cells: bins put together until a chi-square test of them keeps its level."""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np

from penstock.monitor.statistics.bins import paired

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from penstock.monitor.profile import FeatureProfile

__all__ = ["Cells", "cells"]

EXPECTED: Final = 10
"""Rows that a cell must be expected to have, in each of the two samples."""

NUMERIC_CELLS: Final = 20
"""Cells of a numeric feature at most: more of them make a test weaker, not finer."""

_SEEN: Final = 5
"""Rows that a category must be expected to have in the reference, to be there whatever the sample."""

_SURE: Final = 4.0
"""Standard deviations by which a category must be above the least frequent one that was kept."""


@dataclass(frozen=True, kw_only=True)
class Cells:
    """Counts of two samples in cells.

    Attributes
    ----------
    before, after : ndarray of int64, shape (n_cells,)
    bins : tuple of ndarray of intp
        The bins that are in each cell.
    """

    before: NDArray[np.int64]
    after: NDArray[np.int64]
    bins: tuple[NDArray[np.intp], ...]

    def __len__(self) -> int:
        return len(self.bins)


def cells(reference: FeatureProfile, current: FeatureProfile) -> Cells:
    """Put the bins of a feature together.

    Notes
    -----
    The rule looks at the counts of both samples together and never at how they differ, so that the test
    that follows keeps its level.

    Numeric: neighbouring bins are put together until a cell has a twentieth of the rows, and :data:`EXPECTED`
    expected rows in the smaller sample. Categorical: categories with that many are a cell each, rarer ones
    are put together in order of their frequency. Those so rare that it was chance whether the reference has
    them are one cell with what is in no category; so are, where the baseline kept only its most frequent
    categories, those near the cut: that they were kept says that they were frequent in the reference.

    References
    ----------
    W. G. Cochran, "Some methods for strengthening the common χ² tests", Biometrics 10 (1954).
    """
    before, after = paired(reference, current)
    pooled = before + after
    n, m = int(before.sum()), int(after.sum())
    if not n or not m:
        return _gather(before, after, [], True)
    least = EXPECTED * (n + m) / min(n, m)
    if reference.kind == "numeric":
        groups = _neighbours(pooled, max(least, (n + m) / NUMERIC_CELLS))
    else:
        certain = pooled[:-1] >= max(_SEEN * (n + m) / n, _above_the_cut(reference, n, m))
        groups = _categories(reference.categories, pooled, certain, least)
    return _gather(before, after, groups, reference.kind == "numeric")


def _neighbours(pooled: NDArray[np.int64], least: float) -> list[NDArray[np.intp]]:
    sums = np.cumsum(pooled).tolist()
    need = math.ceil(least)
    ends: list[int] = []
    rows = 0
    while (end := bisect_left(sums, rows + need)) < len(sums):
        ends.append(end + 1)
        rows = sums[end]
    if not ends:
        return []
    ends[-1] = len(pooled)
    bins = np.arange(len(pooled))
    return [bins[first:end] for first, end in pairwise([0, *ends])]


def _categories(
    names: tuple[str, ...], pooled: NDArray[np.int64], certain: NDArray[np.bool_], least: float
) -> list[NDArray[np.intp]]:
    groups: list[NDArray[np.intp]] = []
    waiting: list[int] = []
    rows = 0
    # Not in the order that they stand in, which comes from the counts of the reference alone.
    for index in sorted(range(len(names)), key=lambda index: (-pooled[index], names[index])):
        if not certain[index]:
            continue
        waiting.append(index)
        rows += int(pooled[index])
        if rows >= least:
            groups.append(np.array(waiting))
            waiting, rows = [], 0
    rest = np.concatenate((waiting, np.flatnonzero(~certain), [len(pooled) - 1])).astype(np.intp)
    if pooled[rest].sum() >= least:
        groups.append(rest)
    return groups


def _above_the_cut(reference: FeatureProfile, n: int, m: int) -> float:
    """Return the pooled count from which on a category would have been kept whatever the sample."""
    if not reference.unseen or not len(reference.counts):
        return 0.0
    kept = float(np.min(reference.counts))
    share = n / (n + m)
    spread = _SURE * np.sqrt(share * (1 - share))
    # t share − spread √t ≥ kept, solved for √t.
    root = (spread + np.sqrt(spread * spread + 4 * share * kept)) / (2 * share)
    return float(root * root)


def _gather(
    before: NDArray[np.int64], after: NDArray[np.int64], groups: list[NDArray[np.intp]], in_order: bool
) -> Cells:
    """Return the cells of groups of bins; ``in_order`` says that they are all bins, as they stand."""
    if not groups:
        return Cells(before=before[:0], after=after[:0], bins=())
    starts = np.cumsum([0, *map(len, groups[:-1])])
    if not in_order:
        order = np.concatenate(groups)
        before, after = before[order], after[order]
    return Cells(
        before=np.add.reduceat(before, starts), after=np.add.reduceat(after, starts), bins=tuple(groups)
    )
