"""Hellinger distance."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from penstock.monitor.statistics.bins import measured

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from penstock.monitor.profile import FeatureProfile

__all__ = ["hellinger", "hellinger_distance"]


def hellinger(reference: FeatureProfile, current: FeatureProfile) -> float:
    """Return the Hellinger distance: ``√(½ Σ (√pᵢ − √qᵢ)²)``, from 0 to 1.

    References
    ----------
    E. Hellinger, "Neue Begründung der Theorie quadratischer Formen von unendlichvielen Veränderlichen",
    Journal für die reine und angewandte Mathematik 136 (1909).
    """
    return measured(hellinger_distance, reference, current)


def hellinger_distance(before: NDArray[np.int64], after: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the distance of counts along the last axis.

    >>> float(hellinger_distance(np.array([1, 0]), np.array([0, 1])))
    1.0
    """
    p = before / np.sum(before, axis=-1, keepdims=True)
    q = after / np.sum(after, axis=-1, keepdims=True)
    return np.asarray(np.sqrt(np.sum((np.sqrt(p) - np.sqrt(q)) ** 2, axis=-1) / 2))
