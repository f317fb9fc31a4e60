"""Where bins begin and end: chosen once from a reference, and kept."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["choose_edges"]


def choose_edges(values: np.ndarray[Any, Any], bins: int) -> np.ndarray[Any, Any]:
    """Return edges at which about as many values lie in each bin.

    Parameters
    ----------
    values : ndarray of float64, shape (n,)
        NaN and infinities are left out.
    bins : int
        At most so many bins.

    Returns
    -------
    ndarray of float64, shape (n_bins - 1,)
        Strictly increasing; x is in bin ``searchsorted(edges, x, side="right")``. Each of few distinct
        values gets a bin of its own, as does a value that alone fills more than one; their edges lie half way
        to the next value. None where there is one distinct value or none.

    >>> choose_edges(np.array([0.0, 1.0, 1.0, 3.0]), 128).tolist()
    [0.5, 2.0]
    >>> choose_edges(np.arange(1000.0), 4).tolist()
    [249.0, 499.0, 749.0]
    """
    values = _sorted(values)
    new = values[1:] != values[:-1]
    if np.count_nonzero(new) < bins:
        return _between(values[:-1][new], values[1:][new])
    ranks = -(-np.arange(1, bins) * len(values) // bins) - 1
    chosen, repeats = np.unique(values[ranks], return_counts=True)
    heavy = chosen[(repeats > 1) & (chosen < values[-1])]
    after = _between(heavy, values[np.searchsorted(values, heavy, side="right")])
    return np.unique(np.concatenate([chosen[chosen > values[0]], after]))


def _sorted(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return the finite values in order. NaN are sorted to the end, behind infinity."""
    values = np.sort(values)
    first, last = np.searchsorted(values, -np.inf, side="right"), np.searchsorted(values, np.inf)
    return values[first:last]


def _between(low: np.ndarray[Any, Any], high: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return the middle of each two values, or the higher where nothing lies between them."""
    middle = low / 2 + high / 2
    return np.where((middle > low) & (middle <= high), middle, high)
