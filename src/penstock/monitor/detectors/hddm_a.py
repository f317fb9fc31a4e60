"""HDDM_A: means before and after a cut, bounded by Hoeffding."""

from __future__ import annotations

from penstock.monitor.detectors import _detectors
from penstock.monitor.detectors.parameters import confidences, flag

__all__ = ["HDDM_A"]


class HDDM_A(_detectors.HDDM_A):  # noqa: N801 - the name in the literature
    r"""Drift where the mean of all values is above that of the first of them by more than chance.

    The cut is where the mean of the first n₀ of n values had its lowest upper bound; drift is

    .. math:: \bar x_n - \bar x_{n_0} \ge \sqrt{\frac{n - n_0}{2 n_0 n} \ln\frac{2}{α}}

    Parameters
    ----------
    drift_confidence : float, default 0.001
        α of drift: bound on the chance of a false alarm at one cut, from above 0 to 1.
    warning_confidence : float, default 0.005
        α of a warning; at least that of drift.
    two_sided : bool, default False
        Whether a fall is drift too.

    Attributes
    ----------
    mean : float
        Of all values since the last restart.

    Notes
    -----
    Values lie in [0, 1]: errors, or any bounded measure scaled to it. No distribution is assumed. Finds drift
    and warns at the same values as ``river.drift.binary.HDDMA`` 0.26. A value costs O(1). See
    :class:`Detector` for what all have in common.

    References
    ----------
    I. Frías-Blanco et al.: Online and non-parametric drift detection methods based on Hoeffding's bounds.
    IEEE Transactions on Knowledge and Data Engineering 27 (2015), 810-823.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(5)
    >>> hddm = HDDM_A()
    >>> hddm.update(np.concatenate([rng.random(1000) < 0.1, rng.random(1000) < 0.3]))
    array([1045])
    """

    __slots__ = ()

    def __init__(
        self,
        *,
        drift_confidence: float = 0.001,
        warning_confidence: float = 0.005,
        two_sided: bool = False,
    ) -> None:
        drift_confidence, warning_confidence = confidences(drift_confidence, warning_confidence)
        super().__init__(
            drift_confidence=drift_confidence,
            warning_confidence=warning_confidence,
            two_sided=flag("two_sided", two_sided),
        )

    @property
    def mean(self) -> float:
        """Mean since the last restart."""
        return self.estimates()["mean"]
