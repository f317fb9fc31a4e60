"""Page-Hinkley: the cumulative deviation from the running mean."""

from __future__ import annotations

from penstock.monitor.detectors import _detectors
from penstock.monitor.detectors.parameters import Mode, direction, number, whole

__all__ = ["PageHinkley"]


class PageHinkley(_detectors.PageHinkley):
    r"""Deviations from the running mean, summed with forgetting; drift where the sum leaves its extreme.

    .. math:: S^+_t = α S^+_{t-1} + (x_t - \bar x_t) - δ, \qquad S^-_t = α S^-_{t-1} + (x_t - \bar x_t) + δ

    A rise is :math:`S^+_t - \min S^+ > λ`, a fall :math:`\max S^- - S^-_t > λ`.

    Parameters
    ----------
    min_instances : int, default 30
        Values before the first that can find drift.
    delta : float, default 0.005
        Change too small to count, in units of the values; at least 0.
    threshold : float, default 50
        λ: how far a sum has to leave its extreme, in units of the values; above 0.
    alpha : float, default 0.9999
        How much of a sum remains after a value, from above 0 to 1.
    mode : {"both", "up", "down"}
        Which way the mean has to move to count.

    Attributes
    ----------
    mean : float
        Of all values since the last restart.
    rise, fall : float
        What is compared with the threshold.

    Notes
    -----
    Finds drift at the same values as ``river.drift.PageHinkley`` 0.26 (older versions differ). Scale
    `delta` and `threshold` to the values: the defaults suit a standard deviation near 1. A value costs O(1).
    See :class:`Detector` for what all have in common.

    References
    ----------
    E. S. Page: Continuous inspection schemes. Biometrika 41 (1954), 100-115.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(9)
    >>> detector = PageHinkley()
    >>> detector.update(np.concatenate([rng.normal(0, 1, 1000), rng.normal(2, 1, 1000)]))
    array([1022])
    """

    __slots__ = ()

    def __init__(
        self,
        *,
        min_instances: int = 30,
        delta: float = 0.005,
        threshold: float = 50.0,
        alpha: float = 1 - 0.0001,
        mode: Mode = "both",
    ) -> None:
        super().__init__(
            min_instances=whole("min_instances", min_instances, 0),
            delta=number("delta", delta, least=0),
            threshold=number("threshold", threshold, 0),
            alpha=number("alpha", alpha, 0, most=1),
            mode=direction("mode", mode),
        )

    @property
    def mean(self) -> float:
        """Mean since the last restart."""
        return self.estimates()["mean"]

    @property
    def rise(self) -> float:
        """How far the sum of deviations is above its lowest."""
        return self.estimates()["rise"]

    @property
    def fall(self) -> float:
        """How far the sum of deviations is below its highest."""
        return self.estimates()["fall"]
