from collections.abc import Mapping
from typing import Any, Literal, Self, TypeAlias, overload

import numpy as np
import numpy.typing as npt

_Scalar: TypeAlias = float | np.generic
_Mode: TypeAlias = Literal["up", "down", "both"]

class Detector:
    """A sequential detector of drift in one stream of numbers: csrc/monitor/detectors/any_detector.h.

    Attributes
    ----------
    parameters : mapping of str to object
        As it was constructed.
    drift : bool
        Whether the last value that was not ignored found drift.
    n : int
        Values taken since it was constructed or reset.
    ignored : int
        Values not taken: NaN, infinite, of a magnitude above 1e100, or where errors are watched outside
        [0, 1]. They change nothing but this count.
    detections : int
        How often it found drift.
    width : int
        How many of the newest values what it estimates rests on.

    Notes
    -----
    The value after the one that found drift begins anew: all before is forgotten. Any thread may call
    anything; an array is taken without the GIL. No value raises. Memory is bounded.
    """

    parameters: Mapping[str, Any]
    @property
    def drift(self) -> bool: ...
    @property
    def n(self) -> int: ...
    @property
    def ignored(self) -> int: ...
    @property
    def detections(self) -> int: ...
    @property
    def width(self) -> int: ...
    @overload
    def update(self, x: _Scalar) -> bool: ...
    @overload
    def update(self, x: npt.ArrayLike) -> bool | np.ndarray[Any, np.dtype[np.int64]]:
        """Take one value, or many of an array of shape (n,).

        Returns
        -------
        bool or ndarray of int64
            Whether the value found drift; for an array, the indices of those that did.

        Raises
        ------
        SignatureError
            Where an array has other than one dimension.
        """
    def reset(self) -> None:
        """Make it what it was when constructed."""
    def estimates(self) -> dict[str, float]:
        """Return everything that it estimates, by name, of one moment."""
    def to_bytes(self) -> bytes:
        """Return parameters and state as bytes: versioned, with a digest, no pickle."""
    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Return the detector that `to_bytes` wrote; it goes on where that one was.

        ``Detector.from_bytes`` reads any of them.

        Raises
        ------
        BundleError
            Where the bytes are damaged, of another detector or of a newer format.
        """
    def _save(self) -> bytes: ...
    def _load(self, state: bytes) -> bool: ...

class WarningDetector(Detector):
    """A detector that also warns.

    Attributes
    ----------
    warning : bool
        Whether the stream is beyond the first of the two thresholds.
    """

    @property
    def warning(self) -> bool: ...

class ADWIN(Detector):
    def __init__(
        self,
        *,
        delta: float,
        clock: int,
        max_buckets: int,
        min_window_length: int,
        grace_period: int,
        restart: bool,
    ) -> None: ...

class CUSUM(Detector):
    def __init__(
        self,
        *,
        mean: float | None,
        standard_deviation: float | None,
        allowance: float,
        threshold: float,
        warm_start: int,
        mode: _Mode,
    ) -> None: ...

class DDM(WarningDetector):
    def __init__(self, *, warm_start: int, warning_threshold: float, drift_threshold: float) -> None: ...

class EDDM(WarningDetector):
    def __init__(self, *, warm_start: int, alpha: float, beta: float) -> None: ...

class HDDM_A(WarningDetector):  # noqa: N801 - the name in the literature
    def __init__(self, *, drift_confidence: float, warning_confidence: float, two_sided: bool) -> None: ...

class HDDM_W(WarningDetector):  # noqa: N801 - the name in the literature
    def __init__(
        self, *, drift_confidence: float, warning_confidence: float, weight: float, two_sided: bool
    ) -> None: ...

class KSWIN(Detector):
    def __init__(self, *, alpha: float, window_size: int, stat_size: int, seed: int) -> None: ...

class PageHinkley(Detector):
    def __init__(
        self, *, min_instances: int, delta: float, threshold: float, alpha: float, mode: _Mode
    ) -> None: ...
