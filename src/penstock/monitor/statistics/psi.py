"""Population stability index."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from penstock.monitor.statistics.bins import floored, measured

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from penstock.monitor.profile import FeatureProfile

__all__ = ["population_stability", "psi"]


def psi(reference: FeatureProfile, current: FeatureProfile) -> float:
    """Return the population stability index: ``Σ (qᵢ − pᵢ) ln(qᵢ / pᵢ)``, from 0 upwards.

    Notes
    -----
    The divergence of Jeffreys: Kullback-Leibler both ways, natural logarithm. Half a row stands for an
    empty bin, so that the index is finite. With nothing moved it is not 0 but about
    ``(1/n + 1/m) (bins − 1)``.

    References
    ----------
    B. Yurdakul, J. Naranjo, "Statistical properties of the population stability index", Journal of Risk
    Model Validation 14 (2020).
    """
    return measured(population_stability, reference, current)


def population_stability(before: NDArray[np.int64], after: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the index of counts along the last axis.

    >>> float(population_stability(np.array([50, 50]), np.array([60, 40])).round(6))
    0.040547
    """
    p, q = floored(before), floored(after)
    used = (before > 0) | (after > 0)
    terms = (q - p) * np.log(q / p)
    return np.asarray(np.sum(np.where(used, terms, 0.0), axis=-1))
