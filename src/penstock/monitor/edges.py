"""Where bins begin and end: chosen once from a reference, and kept."""

from __future__ import annotations

from typing import Any

import numpy as np

from penstock.monitor import _accumulator

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
    return _accumulator.choose_edges(np.ascontiguousarray(values, np.float64), bins)
