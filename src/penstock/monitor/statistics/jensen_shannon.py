"""Jensen-Shannon divergence and distance."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from penstock.monitor.statistics.bins import measured

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from penstock.monitor.profile import FeatureProfile

__all__ = [
    "jensen_shannon",
    "jensen_shannon_distance",
    "jensen_shannon_divergence",
    "jensen_shannon_root",
]


def jensen_shannon_divergence(reference: FeatureProfile, current: FeatureProfile) -> float:
    """Return the Jensen-Shannon divergence in bits: base 2, from 0 (the same) to 1 (nothing in common).

    Notes
    -----
    ``½ KL(p ‖ r) + ½ KL(q ‖ r)`` with ``r = (p + q) / 2``. TFDV reports this one; others, and scipy's
    ``jensenshannon``, report its square root, see :func:`jensen_shannon_distance`.

    References
    ----------
    J. Lin, "Divergence measures based on the Shannon entropy", IEEE Trans. Inf. Theory 37 (1991).
    """
    return measured(jensen_shannon, reference, current)


def jensen_shannon_distance(reference: FeatureProfile, current: FeatureProfile) -> float:
    """Return the square root of the divergence: a metric, base 2, from 0 to 1.

    Evidently's has the natural logarithm: multiply by ``√ln 2 ≈ 0.8326``. NannyML's is this one.
    """
    return measured(jensen_shannon_root, reference, current)


def jensen_shannon(before: NDArray[np.int64], after: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the divergence in bits of counts along the last axis.

    >>> float(jensen_shannon(np.array([1, 0]), np.array([0, 1])))
    1.0
    """
    p = before / np.sum(before, axis=-1, keepdims=True)
    q = after / np.sum(after, axis=-1, keepdims=True)
    middle = (p + q) / 2
    bits = (_entropy(p, middle) + _entropy(q, middle)) / 2
    return np.asarray(np.maximum(bits, 0.0))


def jensen_shannon_root(before: NDArray[np.int64], after: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the distance, the root of the divergence, of counts along the last axis."""
    return np.asarray(np.sqrt(jensen_shannon(before, after)))


def _entropy(p: NDArray[np.float64], of: NDArray[np.float64]) -> NDArray[np.float64]:
    used = p > 0
    ratio = np.divide(p, of, out=np.ones_like(p), where=used)
    return np.asarray(np.sum(p * np.log2(ratio), axis=-1))
