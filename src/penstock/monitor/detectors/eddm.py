"""EDDM: the distance between errors against its longest."""

from __future__ import annotations

from penstock.errors import ConfigError
from penstock.monitor.detectors import _detectors
from penstock.monitor.detectors.parameters import number, whole

__all__ = ["EDDM"]


class EDDM(_detectors.EDDM):
    r"""Drift where errors come closer together than they were: finds slow change sooner than DDM.

    With mean p' and standard deviation s' of the distances between errors so far:

    .. math:: \frac{p' + 2 s'}{\max(p' + 2 s')} < β

    Parameters
    ----------
    warm_start : int, default 30
        Errors before the first that can find drift.
    alpha : float, default 0.95
        Level below which it warns, from above 0 to 1.
    beta : float, default 0.9
        Level below which it is drift; at most alpha.

    Attributes
    ----------
    mean_distance : float
        p' since the last restart.
    level : float
        The quotient at the last error; 1 where there is none.

    Notes
    -----
    Values are errors: 1 wrong, anything else in [0, 1] right. Finds drift and warns at the same values as
    ``river.drift.binary.EDDM`` 0.26. The defaults alarm often without drift. A value costs O(1). See
    :class:`Detector` for what all have in common.

    References
    ----------
    M. Baena-García, J. del Campo-Ávila, R. Fidalgo, A. Bifet, R. Gavaldà, R. Morales-Bueno: Early drift
    detection method. IWKDDS 2006.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(5)
    >>> eddm = EDDM(alpha=0.8, beta=0.75)
    >>> eddm.update(np.concatenate([rng.random(1000) < 0.1, rng.random(1000) < 0.3]))
    array([1059])
    """

    __slots__ = ()

    def __init__(self, *, warm_start: int = 30, alpha: float = 0.95, beta: float = 0.9) -> None:
        alpha = number("alpha", alpha, 0, most=1)
        beta = number("beta", beta, 0, most=1)
        if beta > alpha:
            raise ConfigError(f"beta: expected at most alpha, {alpha:g}, got {beta:g}")
        super().__init__(warm_start=whole("warm_start", warm_start, 0), alpha=alpha, beta=beta)

    @property
    def mean_distance(self) -> float:
        """Mean distance between errors since the last restart, in values."""
        return self.estimates()["mean_distance"]

    @property
    def level(self) -> float:
        """How the distances compare with their longest."""
        return self.estimates()["level"]
