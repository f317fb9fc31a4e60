"""DDM: the error rate against its lowest."""

from __future__ import annotations

from penstock.errors import ConfigError
from penstock.monitor.detectors import _detectors
from penstock.monitor.detectors.parameters import number, whole

__all__ = ["DDM"]


class DDM(_detectors.DDM):
    r"""Drift where an error rate is more than three standard deviations above its lowest.

    With the rate p of the errors so far and :math:`s = \sqrt{p (1 - p) / n}`, and both remembered where their
    sum was lowest:

    .. math:: p + s > p_{min} + k\, s_{min}

    Parameters
    ----------
    warm_start : int, default 30
        Values before the first that can find drift.
    warning_threshold : float, default 2
        k of a warning; above 0.
    drift_threshold : float, default 3
        k of drift; at least the warning's.

    Attributes
    ----------
    mean, standard_deviation : float
        p and s since the last restart.

    Notes
    -----
    Values are errors: 1 wrong, 0 right; what lies between counts in part. Finds drift and warns at the same
    values as ``river.drift.binary.DDM`` 0.26. A value costs O(1). See :class:`Detector` for what all have
    in common.

    References
    ----------
    J. Gama, P. Medas, G. Castillo, P. Rodrigues: Learning with drift detection. SBIA 2004, 286-295.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(5)
    >>> ddm = DDM()
    >>> ddm.update(np.concatenate([rng.random(1000) < 0.1, rng.random(1000) < 0.3]))
    array([1067])
    """

    __slots__ = ()

    def __init__(
        self, *, warm_start: int = 30, warning_threshold: float = 2.0, drift_threshold: float = 3.0
    ) -> None:
        warning_threshold = number("warning_threshold", warning_threshold, 0)
        drift_threshold = number("drift_threshold", drift_threshold, 0)
        if drift_threshold < warning_threshold:
            raise ConfigError(
                f"drift_threshold: expected at least the warning's, {warning_threshold:g}, "
                f"got {drift_threshold:g}"
            )
        super().__init__(
            warm_start=whole("warm_start", warm_start, 0),
            warning_threshold=warning_threshold,
            drift_threshold=drift_threshold,
        )

    @property
    def mean(self) -> float:
        """Error rate since the last restart."""
        return self.estimates()["mean"]

    @property
    def standard_deviation(self) -> float:
        """Standard deviation of that error rate."""
        return self.estimates()["standard_deviation"]
