"""Distances as both libraries compute them, on raw values and on shares."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["hellinger", "jensen_shannon", "wasserstein"]


def jensen_shannon(first: NDArray[Any], second: NDArray[Any], base: float | None = None) -> float:
    """Return the square root of the Jensen-Shannon divergence; natural logarithm where no base is given.

    >>> jensen_shannon(np.array([1.0, 0.0]), np.array([0.0, 1.0]), 2)
    1.0
    """
    p, q = first / first.sum(), second / second.sum()
    middle = (p + q) / 2
    divergence = (_relative_entropy(p, middle) + _relative_entropy(q, middle)) / 2
    if base is not None:
        divergence /= np.log(base)
    return float(np.sqrt(max(divergence, 0.0)))


def _relative_entropy(p: NDArray[Any], q: NDArray[Any]) -> float:
    some = p > 0
    return float((p[some] * np.log(p[some] / q[some])).sum())


def hellinger(first: NDArray[Any], second: NDArray[Any]) -> float:
    """Return the Hellinger distance of shares.

    >>> hellinger(np.array([1.0, 0.0]), np.array([0.0, 1.0])).__round__(6)
    1.0
    """
    return float(np.sqrt(((np.sqrt(first) - np.sqrt(second)) ** 2).sum()) / np.sqrt(2))


def wasserstein(first: NDArray[Any], second: NDArray[Any]) -> float:
    """Return the area between the distribution functions of two samples.

    >>> wasserstein(np.array([0.0, 1.0]), np.array([1.0, 2.0]))
    1.0
    """
    first, second = (np.sort(side.astype(np.float64)) for side in (first, second))
    both = np.sort(np.concatenate([first, second]))
    f = np.searchsorted(first, both[:-1], side="right") / len(first)
    g = np.searchsorted(second, both[:-1], side="right") / len(second)
    return float((np.abs(f - g) * np.diff(both)).sum())
