"""Tail of a weighted sum of chi-square variables: the law of quadratic distances such as Cramér-von Mises."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["quadratic_form_tail", "quadratic_form_tails"]

_STEPS: Final = 100
_NEAR_MEAN: Final = 1e-4


def quadratic_form_tail(weights: NDArray[np.float64], x: float) -> float:
    """Return the chance that ``Σ wᵢ Zᵢ²``, with Z standard normal, exceeds x.

    Parameters
    ----------
    weights : ndarray of float64
        Not negative, not all 0.
    x : float

    Notes
    -----
    Saddlepoint approximation: its relative error stays within a few per cent however far out, which matters
    where a correction for many features asks for small p-values.

    References
    ----------
    D. Kuonen, "Saddlepoint approximations for distributions of quadratic forms in normal variables",
    Biometrika 86 (1999). R. Lugannani, S. Rice, Advances in Applied Probability 12 (1980).

    Examples
    --------
    >>> round(quadratic_form_tail(np.ones(4), 9.487729), 3)  # chi-square with 4 degrees
    0.05
    """
    return quadratic_form_tails(weights[np.newaxis], [x])[0]


def quadratic_form_tails(weights: NDArray[np.float64], values: Sequence[float]) -> list[float]:
    """Return the tails of many forms: what :func:`quadratic_form_tail` does of each, all at once.

    Parameters
    ----------
    weights : ndarray of float64, shape (n_forms, n_weights)
    values : sequence of float
    """
    found = [1.0] * len(values)
    units = weights.sum(axis=-1)
    x = values / units
    near = np.abs(x - 1) < _NEAR_MEAN  # the formula is 0/0 at the mean
    counts = np.count_nonzero(weights, axis=-1)
    positive = np.asarray(values) > 0
    for index in np.flatnonzero(positive & near):
        own = weights[index][weights[index] > 0] / units[index]
        low, high = (quadratic_form_tail(own, 1 + side * 2 * _NEAR_MEAN) for side in (-1, 1))
        found[index] = (low + high) / 2
    others = ~near & ~(np.asarray(values) <= 0)
    for count in np.unique(counts[others]):
        where = np.flatnonzero(others & (counts == count))
        own = weights[where][weights[where] > 0].reshape(-1, count) / units[where, np.newaxis]
        for index, tail in zip(where, _saddlepoint_tails(own, x[where]), strict=True):
            found[index] = tail
    return found


def _saddlepoint_tails(weights: NDArray[np.float64], x: NDArray[np.float64]) -> list[float]:
    """Return the tails of forms of which no weight is 0 and which are not at their mean."""
    at = _saddlepoints(weights, x)
    rest = 1 - (2 * at)[:, np.newaxis] * weights
    generating = -0.5 * np.log(rest).sum(axis=-1)
    roots = np.sqrt(np.maximum(2 * (at * x - generating), 0.0))
    ratio = weights / rest
    found = []
    for point, root, square in zip(at.tolist(), roots.tolist(), _squares(ratio).tolist(), strict=True):
        w = math.copysign(root, point)
        v = point * math.sqrt(2 * square)
        found.append(0.5 * math.erfc((w + math.log(v / w) / w) / math.sqrt(2)))
    return found


def _saddlepoints(weights: NDArray[np.float64], x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Solve ``Σ w / (1 − 2 t w) = x`` for t: Newton's method inside a bracket."""
    low, high = -weights.shape[-1] / (2 * x), 1 / (2 * weights.max(axis=-1))
    at = np.zeros_like(x)
    for _ in range(_STEPS):
        ratio = weights / (1 - (2 * at)[:, np.newaxis] * weights)
        excess = ratio.sum(axis=-1) - x
        done = np.abs(excess) <= 1e-12 * x
        if done.all():
            break
        beyond = excess > 0
        low, high = np.where(beyond, low, at), np.where(beyond, at, high)
        step = at - excess / (2 * _squares(ratio))
        inside = (low < step) & (step < high)
        at = np.where(done, at, np.where(inside, step, (low + high) / 2))
    return at


def _squares(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the sum of squares of each row."""
    return np.asarray((rows[:, np.newaxis] @ rows[:, :, np.newaxis])[:, 0, 0])
