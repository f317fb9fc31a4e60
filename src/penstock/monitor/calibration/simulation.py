"""Both samples drawn anew from the counts of both together: what noise does at the actual n, m and bins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["simulated_on_quantiles", "simulated_pairs"]

DRAWS: Final = 256
_SEED: Final = 20150807
_LARGEST: Final = 1_000_000_000


def simulated_pairs(
    before: NDArray[np.int64], after: NDArray[np.int64], draws: int = DRAWS, seed: int = _SEED
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Deal the pooled rows out again, at random, to samples of the same sizes.

    Parameters
    ----------
    before, after : ndarray of int64, shape (n_bins,)
    draws : int
    seed : int
        The same seed gives the same draws.

    Returns
    -------
    tuple of two ndarrays of int64, shape (draws, n_bins)

    Notes
    -----
    Multivariate hypergeometric: the exact law of the counts, given the pooled ones, when both samples come
    from one distribution. Above a thousand million rows, multinomial draws take its place.

    Examples
    --------
    >>> first, second = simulated_pairs(np.array([3, 0]), np.array([1, 2]), draws=5)
    >>> (first + second).tolist()
    [[4, 2], [4, 2], [4, 2], [4, 2], [4, 2]]
    """
    random = np.random.default_rng(seed)
    pooled = before + after
    n, m = int(before.sum()), int(after.sum())
    if n + m < _LARGEST:
        second = random.multivariate_hypergeometric(pooled, m, size=draws, method="marginals")
        return np.asarray(pooled - second), np.asarray(second)
    share = pooled / (n + m)
    return random.multinomial(n, share, size=draws), random.multinomial(m, share, size=draws)


def simulated_on_quantiles(
    before: NDArray[np.int64], after: NDArray[np.int64], draws: int = DRAWS, seed: int = _SEED
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Draw the second sample anew where the bin edges are quantiles of the first.

    Notes
    -----
    The counts of the first sample are then fixed, and the true shares of the bins are what varies: those
    between order statistics of a sample have a Dirichlet law, whatever the distribution.

    References
    ----------
    S. S. Wilks, "Mathematical Statistics" (1962), 8.7.

    Examples
    --------
    >>> first, second = simulated_on_quantiles(np.array([3, 3]), np.array([1, 2]), draws=2)
    >>> first.tolist(), second.sum(axis=-1).tolist()
    ([[3, 3], [3, 3]], [3, 3])
    """
    random = np.random.default_rng(seed)
    shares = random.dirichlet(np.maximum(before, 0.5), size=draws)
    return np.broadcast_to(before, (draws, len(before))), random.multinomial(int(after.sum()), shares)
