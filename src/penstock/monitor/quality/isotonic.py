"""The step function that never falls and is closest to shares of positives."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["pool"]

Array = np.ndarray[Any, Any]


def pool(positives: Array, rows: Array) -> tuple[Array, Array, Array]:
    """Pool neighbours until their shares rise.

    Parameters
    ----------
    positives, rows : ndarray of float64, shape (n,)
        Of each value, in ascending order of values.

    Returns
    -------
    begins : ndarray of int64, shape (n_blocks,)
        Index of the first value of each block.
    positives, rows : ndarray of float64, shape (n_blocks,)
        Of the blocks; their quotients rise strictly.

    Notes
    -----
    Every run of neighbours that falls is pooled at once, over and over: the same blocks as one by one, since
    what falls stays below what came before it when its left part is pooled.

    References
    ----------
    R. E. Barlow, D. J. Bartholomew, J. M. Bremner, H. D. Brunk, "Statistical inference under order
    restrictions", 1972.

    Examples
    --------
    >>> pool(np.array([0.0, 1, 0, 1]), np.ones(4))[0].tolist()
    [0, 1, 3]
    """
    begins = np.arange(len(rows))
    while True:
        falls = positives[1:] * rows[:-1] <= positives[:-1] * rows[1:]
        if not falls.any():
            return begins, positives, rows
        at = np.flatnonzero(np.concatenate([[True], ~falls]))
        begins, positives, rows = begins[at], np.add.reduceat(positives, at), np.add.reduceat(rows, at)
