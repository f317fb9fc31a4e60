"""What was counted since a moment in the past: so that an alert says by how much something moved."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from penstock.monitor import frequent
from penstock.monitor.calibration import LEAST_ROWS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from penstock.monitor.alerts.streams import Streams
    from penstock.monitor.profile import FeatureProfile, Profile

    Tops = dict[int, tuple[tuple[str, int], ...]]

__all__ = ["Recent"]

_MOMENTS: Final = 40
_LEAST_MOMENTS: Final = 8
_NUMBERS: Final = 2_000_000


@dataclass(frozen=True)
class _Moment:
    """When, the counts of all before, and from then to the next moment sums of numbers and unseen texts.

    The sums are of ones, standardised values and their squares. Values that overflow them are in the
    sums of their time only.
    """

    begin_s: float
    counts: NDArray[np.int64]
    moments: NDArray[np.float64]
    tops: Tops


class Recent:
    """Running totals of counts at some moments, the denser the nearer they are.

    Parameters
    ----------
    streams : Streams

    Notes
    -----
    At most 40 moments, fewer where a baseline has so many bins and categories that they would exceed 16 MB.
    Ages of neighbouring moments differ by a factor of about 1.5.
    """

    def __init__(self, streams: Streams) -> None:
        self._streams = streams
        self._most = max(_LEAST_MOMENTS, min(_MOMENTS, _NUMBERS // max(streams.width, 1)))
        self._numeric = [(i, f) for i, f in enumerate(streams.features) if f.kind == "numeric"]
        self._place = {index: place for place, (index, _) in enumerate(self._numeric)}
        center, scale = zip(*(_unit(f) for _, f in self._numeric), strict=True) if self._numeric else ((), ())
        self._center, self._scale = np.array(center), np.array(scale)
        self._counts = np.zeros(streams.width, np.int64)
        self._texts = [(i, f.name) for i, f in enumerate(streams.features) if f.kind == "categorical"]
        self._kept: list[_Moment] = []

    def add(self, profile: Profile, counts: NDArray[np.int64], begin_s: float) -> None:
        """Add the rows of a step that began at a time."""
        before = self._counts.copy()
        self._counts += counts
        found = [profile[feature.name] for _, feature in self._numeric]
        moments = np.array([(f.finite, f.mean, f.m2) for f in found], np.float64).reshape(-1, 3)
        finite, mean, m2 = moments.T
        with np.errstate(all="ignore"):  # of values near the ends of the range
            first = np.where(finite > 0, finite * (mean - self._center) / self._scale, 0.0)
            second = np.where(finite > 0, m2 / self._scale**2, 0.0) + first**2 / np.maximum(finite, 1)
            moments = np.stack((finite, first, second))
        tops = {index: profile[name].unseen_top for index, name in self._texts if profile[name].unseen_top}
        self._kept.append(_Moment(begin_s, before, moments, tops))
        if len(self._kept) > self._most:
            self._drop()

    def _drop(self) -> None:
        """Forget the moment whose neighbours are closest, for their age."""
        times = np.array([kept.begin_s for kept in self._kept])
        age = times[-1] - times
        gap = (times[2:] - times[:-2]) / np.maximum(age[:-2], 1e-9)
        place = int(np.argmin(gap))
        dropped, kept = self._kept.pop(place + 1), self._kept[place]
        with np.errstate(all="ignore"):
            self._kept[place] = replace(
                kept, moments=kept.moments + dropped.moments, tops=_joined([kept.tops, dropped.tops])
            )

    def since(self, index: int, begin_s: float) -> FeatureProfile:
        """Return what was counted of a feature since about a time: at least enough rows to be tested."""
        feature = self._streams.features[index]
        rows = [self._streams.split(self._counts - kept.counts, index)["rows"] for kept in self._kept]
        last = max(sum(int(x) >= LEAST_ROWS for x in rows) - 1, 0)
        nearest = int(np.argmin([abs(kept.begin_s - begin_s) for kept in self._kept]))
        start = min(nearest, last)
        found: dict[str, Any] = dict(self._streams.split(self._counts - self._kept[start].counts, index))
        if index in self._place:
            place = self._place[index]
            finite, first, second = self._sums(start, place)
            mean = first / finite if finite else math.nan
            squares = max(second - finite * mean * mean, 0.0) if finite else math.nan
            scale = float(self._scale[place])
            found |= {"mean": float(self._center[place]) + mean * scale, "m2": squares * scale * scale}
        tops = _joined([kept.tops for kept in self._kept[start:]])
        return replace(feature, **found, unseen_top=tops.get(index, ()))

    def _sums(self, start: int, place: int) -> list[float]:
        parts = np.stack([kept.moments[:, place] for kept in self._kept[start:]])
        with np.errstate(all="ignore"):
            return [float(value) for value in parts.sum(axis=0)]


def _joined(several: Sequence[Tops]) -> Tops:
    found: Tops = {}
    for tops in several:
        for index, top in tops.items():
            found[index] = frequent.join(found.get(index, ()), top)
    return found


def _unit(feature: FeatureProfile) -> tuple[float, float]:
    """Return where the sums of a feature are taken from and in what unit, so that they stay exact."""
    scale = feature.standard_deviation if feature.finite > 1 else 1.0
    usable = 0 < scale < math.inf and math.isfinite(feature.mean)
    return (feature.mean, scale) if usable else (0.0, 1.0)
