"""The Brownian bridge at the bin edges: the limit of ``F − G`` when nothing moved."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["area_moments", "square_weights"]

POINTS: Final = 64


def square_weights(pooled: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the weights of the quadratic form that the Cramér-von Mises distance tends to.

    Parameters
    ----------
    pooled : ndarray of int64, shape (..., n_bins)
        Counts of both samples together, of one feature or of many. More than 64 bins are taken two, four, …
        at a time: the eigenvalues that matter do not change.

    Returns
    -------
    ndarray of float64, shape (..., n_weights)
        Those that do not matter are 0.

    References
    ----------
    V. Choulakian, R. A. Lockhart, M. A. Stephens, Canadian Journal of Statistics 22 (1994).

    Examples
    --------
    >>> square_weights(np.array([1, 1])).round(12).tolist()  # one edge: B(½)² / 2
    [0.125]
    """
    bins = pooled.shape[-1]
    step = -(-bins // POINTS)
    if step > 1:
        pooled = np.add.reduceat(pooled, np.arange(0, bins, step), axis=-1)
    share = pooled / pooled.sum(axis=-1, keepdims=True)
    height = np.cumsum(share, axis=-1)[..., :-1]
    root = np.sqrt((share[..., :-1] + share[..., 1:]) / 2)
    matrix = (_outer(np.minimum, height) - _outer(np.multiply, height)) * _outer(np.multiply, root)
    values = np.linalg.eigvalsh(matrix)
    return np.where(values > values[..., -1:] * 1e-6, values, 0.0)


def _outer(function: np.ufunc, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a function of each two values of the last axis."""
    return np.asarray(function(values[..., :, None], values[..., None, :]))


def area_moments(pooled: NDArray[np.int64], width: NDArray[np.float64]) -> tuple[float, float]:
    """Return mean and variance of ``∫ |B(H(x))| dx``: the area that the Wasserstein distance tends to.

    Parameters
    ----------
    pooled : ndarray of int64, shape (n_bins,)
    width : ndarray of float64, shape (n_bins,)

    Returns
    -------
    tuple of two floats
        The variance is infinite where widths are too large to square.

    Notes
    -----
    From ``E|X| = σ √(2/π)`` and ``E|XY| = 2/π (√(σ²τ² − c²) + c · asin(c / στ))`` of normal variables.

    References
    ----------
    S. Nabeya, "Absolute moments in 2-dimensional normal distribution", Annals of the Institute of
    Statistical Mathematics 3 (1951). E. del Barrio, E. Giné, C. Matrán, "Central limit theorems for the
    Wasserstein distance between the empirical and the true distributions", Annals of Probability 27 (1999).

    Examples
    --------
    >>> mean, variance = area_moments(np.full(100, 1), np.full(100, 0.01))
    >>> abs(mean - math.sqrt(math.pi / 32)) < 1e-3, abs(variance - (7 / 60 - math.pi / 32)) < 1e-3
    (True, True)
    """
    height = np.cumsum(pooled / pooled.sum())[:-1]
    span = (width[:-1] + width[1:]) / 2
    inner = (height > 0) & (height < 1) & (span > 0)
    height, span = height[inner], span[inner]
    if not len(height):
        return 0.0, 0.0
    variance = height * (1 - height)
    covariance = np.minimum.outer(height, height) - np.outer(height, height)
    product = np.sqrt(np.outer(variance, variance))
    angle = np.arcsin(np.clip(covariance / product, -1, 1))
    absolute = np.sqrt(np.maximum(product**2 - covariance**2, 0)) + covariance * angle
    mean = float(span @ np.sqrt(variance)) * math.sqrt(2 / math.pi)
    with np.errstate(over="ignore"):
        second = float(span @ absolute @ span) * 2 / math.pi
    return mean, max(second - mean * mean, 0.0) if math.isfinite(second) else math.inf
