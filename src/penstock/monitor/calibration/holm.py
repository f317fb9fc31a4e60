"""Holm's correction: many checks, one budget."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

__all__ = ["holm"]


def holm(p_values: Sequence[float]) -> list[float]:
    """Return adjusted p-values: at or below a level they alarm, falsely with at most that chance.

    Notes
    -----
    The promise is about the whole model: any false alarm counts, however many features there are. So the
    family-wise error is kept, and not the share of false alarms among the alarms, which Benjamini and
    Hochberg keep. It holds whatever the dependence between the features.

    References
    ----------
    S. Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 6
    (1979).

    Examples
    --------
    >>> holm([0.01, 0.5, 0.02])
    [0.03, 0.5, 0.04]
    """
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    scaled = p[order] * np.arange(len(p), 0, -1)
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(np.maximum.accumulate(scaled), 1.0)
    return [float(value) for value in adjusted]
