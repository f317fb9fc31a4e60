"""Gradient-boosted trees on binned rows, small: enough to tell two samples apart where they differ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from penstock.monitor.multivariate.bins import BINS, Binning

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

__all__ = ["BoostedTrees"]

_TREES: Final = 60
_DEPTH: Final = 3
_RATE: Final = 0.15
_SHRINKAGE: Final = 1.0
_LEAST_ROWS: Final = 10
"""Rows of a leaf, as a share of the smaller class's weight."""

_FEATURES: Final = 32
"""That one tree looks at; more are drawn anew for each tree, so that the time does not grow with them."""


@dataclass(frozen=True, eq=False)
class _Tree:
    features: NDArray[np.int64]
    """Of each node, breadth first, shape (2**depth - 1,)."""
    left: NDArray[np.bool_]
    """Bins that go left, shape (2**depth - 1, BINS)."""
    leaves: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class BoostedTrees:
    """A classifier of rows: which of two samples one is from.

    Attributes
    ----------
    binning : Binning
    trees : tuple
    gains : ndarray of float64, shape (n_features,)
        What each feature contributed while it learned.

    Notes
    -----
    Newton boosting of the logistic loss, 60 trees of depth 3 on at most 32 bins a feature, and of 32 features
    a tree; the samples weigh the same however many rows they have. A category may go to either side of a
    split: bins are ordered by their gradient, which finds the best of all subsets. About 0.3 s for 3,000 rows
    of 30 or more features.

    References
    ----------
    J. H. Friedman, "Greedy function approximation: a gradient boosting machine", Annals of Statistics 29
    (2001). W. D. Fisher, "On grouping for maximum homogeneity", Journal of the American Statistical
    Association 53 (1958).
    """

    binning: Binning
    trees: tuple[_Tree, ...]
    gains: NDArray[np.float64]

    @classmethod
    def fit(
        cls,
        before: NDArray[np.float32],
        after: NDArray[np.float32],
        categories: Mapping[int, int],
        seed: int = 0,
    ) -> BoostedTrees:
        """Learn from rows of both samples.

        Parameters
        ----------
        before, after : ndarray of float32, shape (n_rows, n_features)
        categories : mapping of int to int
            By the place of a categorical feature, how many categories it has.
        seed : int, default 0
        """
        values = np.concatenate([before, after])
        binning = Binning.fit(values, categories)
        codes = binning.codes(values)
        labels = np.repeat([0.0, 1.0], [len(before), len(after)])
        smaller = min(len(before), len(after))
        weights = np.where(labels > 0, smaller / len(after), smaller / len(before))
        random = np.random.default_rng(seed)
        scores = np.zeros(len(codes))
        gains = np.zeros(codes.shape[1])
        trees = []
        for _ in range(_TREES):
            chance = 1 / (1 + np.exp(-scores))
            gradient = weights * (chance - labels)
            curvature = weights * chance * (1 - chance)
            tree, places = _grown(codes, gradient, curvature, binning.categorical, gains, random)
            trees.append(tree)
            scores += tree.leaves[places]
        return cls(binning, tuple(trees), gains)

    def scores(self, values: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return how much each row looks like the second sample: log odds."""
        codes = self.binning.codes(values)
        total = np.zeros(len(codes))
        rows = np.arange(len(codes))
        for tree in self.trees:
            node = np.zeros(len(codes), np.int64)
            for _ in range(_DEPTH):
                right = ~tree.left[node, codes[rows, tree.features[node]]]
                node = 2 * node + 1 + right
            total += tree.leaves[node - (2**_DEPTH - 1)]
        return total


def _grown(
    codes: NDArray[np.int64],
    gradient: NDArray[np.float64],
    curvature: NDArray[np.float64],
    categorical: NDArray[np.bool_],
    gains: NDArray[np.float64],
    random: np.random.Generator,
) -> tuple[_Tree, NDArray[np.int64]]:
    """Grow one tree level by level; return it and the leaf of every row."""
    count = codes.shape[1]
    looked = np.arange(count) if count <= _FEATURES else random.permutation(count)[:_FEATURES]
    width = len(looked)
    flat = codes[:, looked] + np.arange(width) * BINS
    order_matters = ~categorical[looked]
    features = np.zeros(2**_DEPTH - 1, np.int64)
    left = np.ones((2**_DEPTH - 1, BINS), np.bool_)
    node = np.zeros(len(codes), np.int64)
    rows = np.arange(len(codes))
    for level in range(_DEPTH):
        nodes = 2**level
        cells = nodes * width * BINS
        index = (flat + (node * (width * BINS))[:, None]).ravel()
        g, h = (
            np.bincount(index, np.repeat(part, width), cells).reshape(nodes, width, BINS)
            for part in (gradient, curvature)
        )
        chosen, gain, goes_left = _splits(g, h, order_matters)
        first = nodes - 1
        features[first : first + nodes] = looked[chosen]
        left[first : first + nodes] = goes_left
        np.add.at(gains, looked[chosen], gain)
        node = 2 * node + ~goes_left[node, codes[rows, looked[chosen][node]]]
    leaves = 2**_DEPTH
    g, h = (np.bincount(node, part, leaves) for part in (gradient, curvature))
    return _Tree(features, left, -_RATE * g / (h + _SHRINKAGE)), node


def _splits(
    g: NDArray[Any], h: NDArray[Any], ordered: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.bool_]]:
    """Return the best split of each node: feature, gain and the bins that go left; all where none gains."""
    nodes = len(g)
    keys = np.where(ordered[None, :, None], np.arange(BINS), g / (h + _SHRINKAGE))
    keys = np.where((h > 0) | ordered[None, :, None], keys, np.inf)
    order = np.argsort(keys, axis=2, kind="stable")
    g_left = np.cumsum(np.take_along_axis(g, order, 2), axis=2)[:, :, :-1]
    h_left = np.cumsum(np.take_along_axis(h, order, 2), axis=2)[:, :, :-1]
    g_all, h_all = g.sum(axis=2)[:, :, None], h.sum(axis=2)[:, :, None]
    h_right = h_all - h_left
    gain = (
        g_left**2 / (h_left + _SHRINKAGE)
        + (g_all - g_left) ** 2 / (h_right + _SHRINKAGE)
        - g_all**2 / (h_all + _SHRINKAGE)
    )
    least = _LEAST_ROWS / 4  # the curvature of that many rows at even odds
    gain = np.where((h_left >= least) & (h_right >= least), gain, 0.0).reshape(nodes, -1)
    best = np.argmax(gain, axis=1)
    chosen, cut = best // (BINS - 1), best % (BINS - 1)
    gained = gain[np.arange(nodes), best]
    ranks = np.argsort(order[np.arange(nodes), chosen], axis=1)
    goes_left = (ranks <= cut[:, None]) | (gained <= 0)[:, None]
    return chosen, gained, goes_left
