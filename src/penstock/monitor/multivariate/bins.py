"""Rows as small whole numbers: what a tree splits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

__all__ = ["BINS", "Binning"]

BINS: Final = 32
"""Of a feature, with one for missing values."""

_MISSING: Final = 0
_OTHERS: Final = 1
_LEAST: Final = 10


@dataclass(frozen=True, eq=False)
class Binning:
    """Bins of every feature, learned from rows.

    Attributes
    ----------
    edges : tuple of ndarray
        Of a number its quantiles; of a category the codes that have a bin of their own, increasing.
    categorical : ndarray of bool, shape (n_features,)

    Notes
    -----
    The bins depend on the rows they are learned from alone. A category with fewer than 10 of these, or
    unknown to the layout, is in one bin with all such: whether the reference happens to know a rare category
    must not tell its rows from others.
    """

    edges: tuple[NDArray[np.float32], ...]
    categorical: NDArray[np.bool_]

    @classmethod
    def fit(cls, values: NDArray[np.float32], categories: Mapping[int, int]) -> Binning:
        """Choose bins: quantiles of numbers, the most frequent categories."""
        count = values.shape[1]
        edges = tuple(
            _frequent(values[:, place], categories[place])
            if place in categories
            else _quantiles(values[:, place])
            for place in range(count)
        )
        return cls(edges, np.array([place in categories for place in range(count)], np.bool_))

    def codes(self, values: NDArray[np.float32]) -> NDArray[np.int64]:
        """Return the bin of every value, shape (n_rows, n_features)."""
        codes = np.empty(values.shape, np.int64)
        for place, edges in enumerate(self.edges):
            column = values[:, place]
            if self.categorical[place]:
                found = np.searchsorted(edges, column)
                known = edges[np.minimum(found, len(edges) - 1)] == column if len(edges) else column != column
                codes[:, place] = np.where(known, found + 2, _OTHERS)
            else:
                codes[:, place] = np.searchsorted(edges, column, side="right") + 1
            codes[np.isnan(column), place] = _MISSING
        return codes


def _quantiles(column: NDArray[Any]) -> NDArray[np.float32]:
    present: NDArray[np.float32] = np.sort(column[~np.isnan(column)])
    if not len(present):
        return np.empty(0, np.float32)
    distinct: NDArray[np.float32] = present[np.concatenate([[True], present[1:] != present[:-1]])]
    if len(distinct) < BINS:
        return distinct[1:]
    ranks = np.arange(1, BINS - 1) * len(present) // (BINS - 1)
    return np.unique(present[ranks])


def _frequent(column: NDArray[Any], known: int) -> NDArray[np.float32]:
    codes, counts = np.unique(column[column < known], return_counts=True)
    kept = np.argsort(-counts, kind="stable")[: BINS - 2]
    own: NDArray[np.float32] = np.sort(codes[kept[counts[kept] >= _LEAST]])
    return own
