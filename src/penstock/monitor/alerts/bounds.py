"""Confidence limits of the means that a baseline was sampled from: what live data are held against."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import numpy as np

from penstock.monitor.calibration.gamma import gamma_quantile

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["mean_limit", "share_limits", "unseen_limit"]

_HALVINGS: Final = 60
_NEAR: Final = 1e-12
_FAR: Final = 1e9
_TINY: Final = 1e-300


def share_limits(
    hits: Floats, rows: Floats, error: Floats, chosen: NDArray[np.bool_] | None = None
) -> tuple[Floats, Floats]:
    """Return lower and upper confidence limits of shares.

    Parameters
    ----------
    hits, rows : ndarray of float64, shape (n,)
    error : ndarray of float64, shape (n,)
        In (0, 1): the chance that the truth is beyond one of the limits.
    chosen : ndarray of bool, shape (n,), optional
        Of disjoint sets of rows, however many there are: those that were chosen for their hits. The error is
        then that of all of them together, the chosen ones and those that were not.

    Notes
    -----
    Chernoff's bound of a binomial tail, inverted: all q with ``rows KL(hits / rows, q) <= log(1 / error)``.
    It holds at any number of rows. Among disjoint sets at most 1 / q have a share of q, which is what the
    error of chosen ones is divided by.

    Examples
    --------
    >>> hits, rows, error = np.array([0.0, 50.0]), np.array([100.0, 100.0]), np.array([0.01, 0.01])
    >>> [limit.round(3).tolist() for limit in share_limits(hits, rows, error)]
    [[0.0, 0.352], [0.045, 0.648]]
    """
    p = hits / rows
    most = np.log(1 / error) / rows
    chosen = np.zeros(len(p), np.bool_) if chosen is None else chosen

    def beyond(q: Floats) -> NDArray[np.bool_]:
        among = np.where(chosen, -np.log(np.maximum(q, _TINY)), 0.0) / rows
        return np.asarray(_divergence(p, q) > most + among)

    return _search(beyond, p, np.zeros_like(p)), _search(beyond, p, np.ones_like(p))


def _search(beyond: Callable[[Floats], NDArray[np.bool_]], inside: Floats, outside: Floats) -> Floats:
    for _ in range(_HALVINGS):
        q = (inside + outside) / 2
        out = beyond(q)
        inside, outside = np.where(out, inside, q), np.where(out, q, outside)
    return outside


def _divergence(p: Floats, q: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        hit = np.where(p > 0, p * np.log(p / q), 0.0)
        missed = np.where(p < 1, (1 - p) * np.log((1 - p) / (1 - q)), 0.0)
    return np.asarray(hit + missed)


def mean_limit(shares: Floats, scores: Floats, rows: Floats, error: Floats) -> Floats:
    """Return upper confidence limits of the means of scores from 0 to 1.

    Parameters
    ----------
    shares, scores : ndarray of float64, shape (n, n_cells)
        The sample: the share of rows that have each score; 0 where there is no cell.
    rows, error : ndarray of float64, shape (n,)

    Notes
    -----
    The largest mean of a distribution on [0, 1] whose divergence from the sample is at most ``log(1 / error)
    / rows``. That is the exponent of a large deviation of the mean of any bounded variable, so the limit is
    narrow where the scores vary little.

    References
    ----------
    J. Honda, A. Takemura, "An asymptotically optimal bandit algorithm for bounded support models", COLT 2010.
    O. Cappé, A. Garivier, O.-A. Maillard, R. Munos, G. Stoltz, "Kullback-Leibler upper confidence bounds for
    optimal sequential allocation", Annals of Statistics 41 (2013).

    Examples
    --------
    >>> half = np.array([[0.5, 0.5]])
    >>> mean_limit(half, np.array([[0.0, 1.0]]), np.array([100.0]), np.array([0.01])).round(3).tolist()
    [0.648]
    >>> mean_limit(half, np.array([[0.4, 0.6]]), np.array([100.0]), np.array([0.01])).round(3).tolist()
    [0.532]
    """
    most = np.log(1 / error) / rows
    low, high = np.full(len(rows), math.log(_NEAR)), np.full(len(rows), math.log(_FAR))
    for _ in range(_HALVINGS):  # the divergence falls in how far the pole is above 1
        above = (low + high) / 2
        far = _of_pole(shares, scores, above)[0] > most
        low, high = np.where(far, above, low), np.where(far, high, above)
    divergence, mean = _of_pole(shares, scores, high)
    rest = np.maximum(most - divergence, 0.0)  # left over at the pole 1 where no row has score 1
    at_one = np.where(high <= math.log(2 * _NEAR), -np.expm1(-rest), 0.0)
    return np.asarray(at_one + (1 - at_one) * mean)


def _of_pole(shares: Floats, scores: Floats, above: Floats) -> tuple[Floats, Floats]:
    """Return divergence and mean of the distribution with weights ``shares / (pole - scores)``."""
    gaps = (1 - scores) + np.exp(above)[:, None]
    tilted = shares / gaps
    total = tilted.sum(axis=1)
    divergence = (shares * np.log(gaps)).sum(axis=1) + np.log(total)
    return divergence, (tilted * scores).sum(axis=1) / total


def unseen_limit(counts: NDArray[np.int64], unseen: int, error: float) -> tuple[float, float]:
    """Return an estimate and an upper limit of the share of rows in none of the categories of a sample.

    Parameters
    ----------
    counts : ndarray of int64
        Of each category that was kept.
    unseen : int
        Rows of the sample in categories that were not kept.
    error : float

    Notes
    -----
    A row counts as unseen where without it its category would not have been kept: Good's estimate. Where all
    categories were kept, the law is the gamma of :mod:`penstock.monitor.calibration.checks`; any of the rare
    categories could have been the one that is not there, so the error is divided by how many there are.

    References
    ----------
    I. J. Good, "The population frequencies of species and the estimation of population parameters",
    Biometrika 40 (1953). W. W. Esty, Annals of Statistics 11 (1983).

    Examples
    --------
    >>> estimate, limit = unseen_limit(np.array([60, 40]), 0, 0.01)
    >>> estimate, round(limit, 3)
    (0.0, 0.057)
    """
    rows = int(counts.sum()) + unseen
    if unseen:
        cut = int(counts.min()) + 1 if len(counts) else 0
        rare = unseen + int(counts[counts <= cut].sum())
        together = cut + 1  # rows cross the cut a category at a time
        _, limit = share_limits(np.array([rare / together]), np.array([rows / together]), np.array([error]))
        return rare / rows, float(limit[0])
    once = int(np.count_nonzero(counts == 1)) + 1
    twice = int(np.count_nonzero(counts == 2))
    spread = (once + 2 * twice) / once
    limit_rows = spread * gamma_quantile(once / spread, error / (1 + len(counts)))
    return (once - 1) / rows, min(1.0, limit_rows / rows)
