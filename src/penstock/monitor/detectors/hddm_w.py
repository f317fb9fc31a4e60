"""HDDM_W: weighted means before and after a cut, bounded by McDiarmid."""

from __future__ import annotations

from penstock.monitor.detectors import _detectors
from penstock.monitor.detectors.parameters import confidences, flag, number

__all__ = ["HDDM_W"]


class HDDM_W(_detectors.HDDM_W):  # noqa: N801 - the name in the literature
    r"""Drift where the weighted mean after a cut is above that before it by more than chance.

    Means forget: :math:`\hat x_t = λ x_t + (1 - λ) \hat x_{t-1}`. The cut is where the mean of all had its
    lowest upper bound; with the sums of squared weights v before and after it, drift is

    .. math:: \hat x_{after} - \hat x_{before} > \sqrt{\tfrac{1}{2} (v_{before} + v_{after}) \ln\frac{1}{α}}

    Parameters
    ----------
    drift_confidence : float, default 0.001
        α of drift: bound on the chance of a false alarm at one cut, from above 0 to 1.
    warning_confidence : float, default 0.005
        α of a warning; at least that of drift.
    weight : float, default 0.05
        λ, the weight of the newest value, from above 0 to 1; river's ``lambda_val``.
    two_sided : bool, default False
        Whether a fall is drift too.

    Attributes
    ----------
    mean : float
        Weighted mean of all values since the last restart.

    Notes
    -----
    Values lie in [0, 1]: errors, or any bounded measure scaled to it. Finds slow drift sooner than
    :class:`HDDM_A`. Finds drift and warns at the same values as ``river.drift.binary.HDDMW`` 0.26. A value
    costs O(1). See :class:`Detector` for what all have in common.

    References
    ----------
    I. Frías-Blanco et al.: Online and non-parametric drift detection methods based on Hoeffding's bounds.
    IEEE Transactions on Knowledge and Data Engineering 27 (2015), 810-823.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(5)
    >>> hddm = HDDM_W()
    >>> hddm.update(np.concatenate([rng.random(1000) < 0.1, rng.random(50) < 0.6]))
    array([1014])
    """

    __slots__ = ()

    def __init__(
        self,
        *,
        drift_confidence: float = 0.001,
        warning_confidence: float = 0.005,
        weight: float = 0.05,
        two_sided: bool = False,
    ) -> None:
        drift_confidence, warning_confidence = confidences(drift_confidence, warning_confidence)
        super().__init__(
            drift_confidence=drift_confidence,
            warning_confidence=warning_confidence,
            weight=number("weight", weight, 0, most=1),
            two_sided=flag("two_sided", two_sided),
        )

    @property
    def mean(self) -> float:
        """Weighted mean since the last restart."""
        return self.estimates()["mean"]
