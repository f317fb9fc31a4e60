"""ADWIN: the adaptive window of Bifet and Gavaldà."""

from __future__ import annotations

from penstock.monitor.detectors import _detectors
from penstock.monitor.detectors.parameters import flag, number, whole

__all__ = ["ADWIN"]


class ADWIN(_detectors.ADWIN):
    r"""A window as long as its mean stays the same; drift where two parts of it differ.

    Every `clock` values, each cut of the window W into an older part of n₀ values and a newer one of n₁ is
    looked at; it is drift where

    .. math:: |μ_0 - μ_1| > \sqrt{\tfrac{2}{m} σ^2_W L} + \tfrac{2}{3m} L,
        \quad L = \ln\frac{2 \ln |W|}{δ}, \quad \frac{1}{m} = \frac{1}{n_0'} + \frac{1}{n_1'},
        \quad n' = n - \mathit{min\_window\_length} + 1.

    Parameters
    ----------
    delta : float, default 0.002
        Bound on the chance of a false alarm at one check, from above 0 to 1.
    clock : int, default 32
        Values from one check to the next.
    max_buckets : int, default 5
        Buckets of each size, from 2 on: more cut the window more finely.
    min_window_length : int, default 5
        Shortest part that is compared.
    grace_period : int, default 10
        Nothing is checked until the window is longer.
    restart : bool, default True
        Forget the whole window after drift, as river 0.26 does. False: drop only its older part, as in the
        paper; the check after the alarm goes on with the newer part, and ``mean`` follows the stream.

    Attributes
    ----------
    mean, variance, total : float
        Of the window; 0 where it is empty.

    Notes
    -----
    Finds drift at the same values as ``river.drift.ADWIN`` 0.26, whose ``variance`` is the sum of squares
    instead: ours is that divided by the width. A value costs O(1) amortised, and each check
    O(max_buckets · log(width)), which is also the memory. See :class:`Detector` for what all have in common.

    References
    ----------
    A. Bifet, R. Gavaldà: Learning from time-changing data with adaptive windowing. SDM 2007, 443-448.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(1)
    >>> adwin = ADWIN()
    >>> adwin.update(np.concatenate([rng.normal(0, 1, 1000), rng.normal(1, 1, 1000)]))
    array([1055])
    >>> adwin.width, round(adwin.mean, 1)
    (944, 1.0)
    """

    __slots__ = ()

    def __init__(
        self,
        *,
        delta: float = 0.002,
        clock: int = 32,
        max_buckets: int = 5,
        min_window_length: int = 5,
        grace_period: int = 10,
        restart: bool = True,
    ) -> None:
        super().__init__(
            delta=number("delta", delta, 0, most=1),
            clock=whole("clock", clock, 1),
            max_buckets=whole("max_buckets", max_buckets, 2, 4096),
            min_window_length=whole("min_window_length", min_window_length, 1),
            grace_period=whole("grace_period", grace_period, 0),
            restart=flag("restart", restart),
        )

    @property
    def mean(self) -> float:
        """Mean of the window."""
        return self.estimates()["mean"]

    @property
    def variance(self) -> float:
        """Variance of the window, as its buckets know it."""
        return self.estimates()["variance"]

    @property
    def total(self) -> float:
        """Sum of the window."""
        return self.estimates()["total"]
