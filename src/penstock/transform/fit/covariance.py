"""Means and covariances of several columns, merged as they come, and the principal components of them.

References: T. Chan, G. Golub, R. LeVeque, "Updating formulae and a pairwise algorithm for computing sample
variances" (1979).
"""

from __future__ import annotations

import numpy as np

__all__ = ["Covariance"]


class Covariance:
    """Covariance matrix of k columns."""

    def __init__(self, width: int) -> None:
        self.count = 0
        self.mean = np.zeros(width)
        self._products = np.zeros((width, width))

    def update(self, rows: np.ndarray) -> None:
        """Take in rows (n, k), without NaN."""
        if not len(rows):
            return
        mean = rows.mean(axis=0)
        centred = rows - mean
        total = self.count + len(rows)
        difference = mean - self.mean
        self._products += centred.T @ centred
        self._products += np.outer(difference, difference) * (self.count * len(rows) / total)
        self.mean += difference * (len(rows) / total)
        self.count = total

    def components(self) -> tuple[np.ndarray, np.ndarray]:
        """Return principal components as rows, and the variance of each, in descending order.

        The largest entry of each component is positive, as scikit-learn has it; of entries that differ by
        rounding only, the first.
        """
        variances, vectors = np.linalg.eigh(self._products / (self.count - 1))
        variances = np.maximum(variances[::-1], 0.0)
        components = vectors.T[::-1]
        sizes = np.abs(components)
        largest = np.argmax(sizes >= sizes.max(axis=1, keepdims=True) * (1 - 1e-9), axis=1)
        signs = np.sign(components[np.arange(len(components)), largest])
        return components * signs[:, None], variances
