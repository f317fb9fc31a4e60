"""Principal components: what rows look like through the few directions in which they differ most."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["PrincipalComponents"]


@dataclass(frozen=True, eq=False)
class PrincipalComponents:
    """Directions that hold a share of the variance.

    Attributes
    ----------
    mean : ndarray of float64, shape (n_features,)
    directions : ndarray of float64, shape (n_kept, n_features)

    Examples
    --------
    >>> points = np.outer(np.arange(9.0), [1.0, 1.0]) + [[0.0, 0.0]] * 9
    >>> found = PrincipalComponents.fit(points, 0.65)
    >>> len(found.directions), found.errors(np.array([[4.0, 4.0], [5.0, 3.0]])).round(3).tolist()
    (1, [0.0, 1.414])
    """

    mean: NDArray[np.float64]
    directions: NDArray[np.float64]

    @classmethod
    def fit(cls, points: NDArray[np.float64], variance: float) -> PrincipalComponents:
        """Keep as few directions as hold more than a share of the variance of some points."""
        mean = points.mean(axis=0)
        covariance = np.atleast_2d(np.cov(points, rowvar=False)) if len(points) > 1 else np.eye(len(mean))
        values, vectors = np.linalg.eigh(covariance)
        values, vectors = np.maximum(values[::-1], 0.0), vectors[:, ::-1]
        total = values.sum()
        shares = np.cumsum(values) / total if total > 0 else np.ones(len(values))
        kept = min(int(np.searchsorted(shares, variance, side="right")) + 1, len(values))
        return cls(mean, np.ascontiguousarray(vectors[:, :kept].T))

    def residuals(self, points: NDArray[np.float64]) -> NDArray[Any]:
        """Return what the directions leave of each point, shape (n_rows, n_features)."""
        centred = points - self.mean
        return np.asarray(centred - (centred @ self.directions.T) @ self.directions)

    def errors(self, points: NDArray[np.float64]) -> NDArray[Any]:
        """Return the reconstruction error of each point: the length of what is left."""
        return np.asarray(np.linalg.norm(self.residuals(points), axis=1))
