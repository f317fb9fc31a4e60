"""KSWIN: the newest values against a sample of the older ones."""

from __future__ import annotations

import secrets

from penstock.monitor.detectors import _detectors
from penstock.monitor.detectors.parameters import number, whole

__all__ = ["KSWIN"]


class KSWIN(_detectors.KSWIN):
    r"""The newest r of the last n values against r drawn from the others, by Kolmogorov-Smirnov.

    With the empirical distributions F of both samples, drift is a p-value of
    :math:`D = \sup_x |F_{new}(x) - F_{old}(x)|` of at most α, and D > 0.1. The p-value is exact.

    Parameters
    ----------
    alpha : float, default 0.005
        Level of one test, from above 0 to 1. There is a test for every value.
    window_size : int, default 100
        n, at least 2 · stat_size.
    stat_size : int, default 30
        r, from 1 to 10,000.
    seed : int, optional
        Of the draws, from 0 to 2⁶⁴ - 1. Without one it is taken from the system once, and stands in
        ``parameters``. After drift the draws begin anew.

    Attributes
    ----------
    statistic, p_value : float
        Of the last test; 0 and 1 where there was none.
    threshold : float
        The smallest statistic that is drift.

    Notes
    -----
    Finds drift at the same values as ``river.drift.KSWIN`` 0.26 with the same seed: the draws are those of
    Python's ``random.Random(seed).sample``. The window is kept sorted, so a value costs O(window_size) moves
    and no sorting. See :class:`Detector` for what all have in common.

    References
    ----------
    C. Raab, M. Heusinger, F.-M. Schleif: Reactive soft prototype computing for concept drift streams.
    Neurocomputing 416 (2020), 340-351.

    J. L. Hodges: The significance probability of the Smirnov two-sample test. Arkiv för Matematik 3 (1958),
    469-486.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(5)
    >>> kswin = KSWIN(alpha=0.0001, seed=7)
    >>> kswin.update(np.concatenate([rng.normal(0, 1, 1000), rng.normal(3, 1, 50)]))
    array([1018])
    """

    __slots__ = ()

    def __init__(
        self,
        *,
        alpha: float = 0.005,
        window_size: int = 100,
        stat_size: int = 30,
        seed: int | None = None,
    ) -> None:
        stat_size = whole("stat_size", stat_size, 1, 10_000)
        super().__init__(
            alpha=number("alpha", alpha, 0, most=1),
            window_size=whole("window_size", window_size, 2 * stat_size, 1_000_000),
            stat_size=stat_size,
            seed=secrets.randbits(64) if seed is None else whole("seed", seed, 0, 2**64 - 1),
        )

    @property
    def statistic(self) -> float:
        """D of the last test."""
        return self.estimates()["statistic"]

    @property
    def p_value(self) -> float:
        """Chance of such a D, or a larger one, without drift."""
        return self.estimates()["p_value"]

    @property
    def threshold(self) -> float:
        """The smallest D that is drift; above 1 where none is."""
        return self.estimates()["threshold"]
