"""CUSUM: the tabular cumulative sum."""

from __future__ import annotations

from penstock.errors import ConfigError
from penstock.monitor.detectors import _detectors
from penstock.monitor.detectors.parameters import Mode, direction, number, whole

__all__ = ["CUSUM"]


class CUSUM(_detectors.CUSUM):
    r"""Standardised deviations beyond an allowance, summed upwards and downwards from 0.

    .. math:: C^+_t = \max(0, C^+_{t-1} + z_t - k), \quad C^-_t = \max(0, C^-_{t-1} - z_t - k),
        \quad z_t = (x_t - μ) / σ

    Drift is :math:`C^+_t > h` or :math:`C^-_t > h`.

    Parameters
    ----------
    mean, standard_deviation : float, optional
        μ and σ > 0 of the stream without drift, given together: a baseline's. Without them they are estimated
        from the first `warm_start` values, and again after each drift.
    allowance : float, default 0.5
        k, in standard deviations: half the shift that is to be found soonest.
    threshold : float, default 5
        h, in standard deviations.
    warm_start : int, default 100
        Values that μ and σ are estimated from, at least 2; while those are all equal the warm-up goes on.
    mode : {"both", "up", "down"}
        Which way the mean has to move to count.

    Attributes
    ----------
    mean, standard_deviation : float
        μ and σ, given or as estimated so far.
    rise, fall : float
        C⁺ and C⁻, which are compared with the threshold.

    Notes
    -----
    For independent normal values with the given μ and σ, k = 0.5 and h = 5 alarm once in 465 values on
    average without drift, and 10.4 values after a shift by 1 σ; h = 4 once in 168, and after 8.4
    (Montgomery). Where they are estimated, how often it alarms varies from one warm-up to the next, and what
    is not typical in a warm-up makes it blind: give a baseline's where there is one. A value costs O(1). Not
    in river. See :class:`Detector` for what all have in common.

    References
    ----------
    E. S. Page: Continuous inspection schemes. Biometrika 41 (1954), 100-115.

    D. C. Montgomery: Introduction to Statistical Quality Control, 8th edition, 2019, chapter 9.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(5)
    >>> detector = CUSUM(mean=0, standard_deviation=1, threshold=8)
    >>> detector.update(np.concatenate([rng.normal(0, 1, 1000), rng.normal(1, 1, 20)]))
    array([1014])
    """

    __slots__ = ()

    def __init__(
        self,
        *,
        mean: float | None = None,
        standard_deviation: float | None = None,
        allowance: float = 0.5,
        threshold: float = 5.0,
        warm_start: int = 100,
        mode: Mode = "both",
    ) -> None:
        if (mean is None) != (standard_deviation is None):
            raise ConfigError(
                "expected mean and standard_deviation together or neither, "
                f"got mean={mean!r}, standard_deviation={standard_deviation!r}"
            )
        if mean is not None:
            mean = number("mean", mean, least=-1e100, most=1e100)
            standard_deviation = number("standard_deviation", standard_deviation, 0, most=1e100)
        super().__init__(
            mean=mean,
            standard_deviation=standard_deviation,
            allowance=number("allowance", allowance, least=0),
            threshold=number("threshold", threshold, 0),
            warm_start=whole("warm_start", warm_start, 2),
            mode=direction("mode", mode),
        )

    @property
    def mean(self) -> float:
        """What deviations are taken from."""
        return self.estimates()["mean"]

    @property
    def standard_deviation(self) -> float:
        """What deviations are divided by."""
        return self.estimates()["standard_deviation"]

    @property
    def rise(self) -> float:
        """The upward sum."""
        return self.estimates()["rise"]

    @property
    def fall(self) -> float:
        """The downward sum."""
        return self.estimates()["fall"]
