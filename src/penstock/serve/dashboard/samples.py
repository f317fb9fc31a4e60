"""Counters of the engine at earlier moments, so that a page shows what was before it was opened.

What is made of them: traffic.py.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from penstock.engine.failures import CODE_NAMES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from penstock.engine.statistics import PipelineStatistics

__all__ = ["INTERVAL_S", "SPANS", "Layout", "Samples", "Spell"]

INTERVAL_S: Final = 2.0
"""Seconds between two looks."""

SPANS: Final = {300: 2, 3600: 20, 86_400: 300}
"""Seconds that are looked back over, and seconds between the looks that are kept for it."""

MOST_VERSIONS: Final = 256
"""Versions that are followed, active ones first."""

Key = tuple[str, int]


@dataclass(frozen=True)
class Layout:
    """Where each counter stands in the vector of a version.

    Attributes
    ----------
    limits : tuple of str
        What can limit a batch.
    request_bounds, batch_bounds : tuple of float
        Upper bounds of the latency histogram in seconds, of the batch histogram in rows.
    """

    limits: tuple[str, ...]
    request_bounds: tuple[float, ...]
    batch_bounds: tuple[float, ...]

    @classmethod
    def of(cls, counters: PipelineStatistics) -> Layout:
        """Return the layout that counters of the engine have."""
        return cls(tuple(counters.batch_reasons), counters.request_s.bounds, counters.batch_rows.bounds)

    def pack(self, counters: PipelineStatistics) -> NDArray[np.int64]:
        """Return the counters as a vector."""
        parts = (
            (counters.rows, counters.batches),
            [counters.requests.get(code, 0) for code in CODE_NAMES],
            [counters.batch_reasons.get(limit, 0) for limit in self.limits],
            counters.request_s.counts,
            counters.batch_rows.counts,
        )
        return np.concatenate([np.asarray(part, np.int64) for part in parts])

    def unpack(self, counts: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """Return the parts of vectors, by name, along the last axis."""
        sizes = {
            "rows": 1,
            "batches": 1,
            "codes": len(CODE_NAMES),
            "limits": len(self.limits),
            "request_s": len(self.request_bounds) + 1,
            "batch_rows": len(self.batch_bounds) + 1,
        }
        parts, start = {}, 0
        for name, size in sizes.items():
            parts[name] = counts[..., start : start + size]
            start += size
        return parts


@dataclass(frozen=True)
class _Look:
    at_s: float
    counts: Mapping[Key, NDArray[np.int64]]
    queue_rows: Mapping[str, int]


@dataclass(frozen=True)
class Spell:
    """What one model did between successive looks.

    Attributes
    ----------
    layout : Layout
    at_s : ndarray of float64, shape (n,)
        The end of each step, seconds since the epoch.
    seconds : ndarray of float64, shape (n,)
    counts : ndarray of int64, shape (n, width)
        What was counted in each step, of all versions.
    queue_rows : ndarray of int64, shape (n,)
        Rows that waited at its end.
    rows_by_version : dict of int to int
        Rows answered in the whole spell.
    """

    layout: Layout
    at_s: NDArray[np.float64]
    seconds: NDArray[np.float64]
    counts: NDArray[np.int64]
    queue_rows: NDArray[np.int64]
    rows_by_version: dict[int, int]


class Samples:
    """Looks at the counters of the engine: rings of fixed length, one for each span.

    Notes
    -----
    A look keeps about 0.6 kB for each version that answered since the one before and nothing for others; a
    version that never rests takes 0.4 MB. Any thread may call anything.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._layout: Layout | None = None
        self._rings = {span: deque[_Look](maxlen=span // step + 1) for span, step in SPANS.items()}

    def look(self, counters: Sequence[PipelineStatistics], now_s: float) -> None:
        """Keep the counters as they are now."""
        with self._lock:
            last = self._newest()
            if last is not None and now_s <= last.at_s:  # the clock was set back
                for ring in self._rings.values():
                    ring.clear()
                last = None
            self._layout = self._layout or next(map(Layout.of, counters), None)
            look = self._make(counters, last, now_s)
            for span, step in SPANS.items():
                if last is None or int(now_s / step) != int(last.at_s / step):
                    self._rings[span].append(look)

    def spell(self, model: str, span_s: int, steps: int | None = None) -> Spell | None:
        """Return what a model did over a span; None before there are two looks.

        Parameters
        ----------
        model : str
        span_s : int
            A key of :data:`SPANS`.
        steps : int, optional
            Only the newest.
        """
        with self._lock:
            looks = list(self._rings[span_s])
            newest, layout = self._newest(), self._layout
        if newest is not None and looks[-1] is not newest:
            looks.append(newest)
        if steps is not None:
            looks = looks[-(steps + 1) :]
        if len(looks) < 2 or layout is None:
            return None
        versions = sorted({version for look in looks for name, version in look.counts if name == model})
        counted = {version: _differences(looks, (model, version)) for version in versions}
        at_s = np.array([look.at_s for look in looks])
        width = len(next(iter(counted.values()), np.zeros((0, 0)))[0]) if counted else 0
        return Spell(
            layout=layout,
            at_s=at_s[1:],
            seconds=np.diff(at_s),
            counts=sum(counted.values(), np.zeros((len(looks) - 1, width), np.int64)),
            queue_rows=np.array([look.queue_rows.get(model, 0) for look in looks[1:]], np.int64),
            rows_by_version={version: int(counts[:, 0].sum()) for version, counts in counted.items()},
        )

    def _newest(self) -> _Look | None:
        finest = self._rings[min(SPANS)]
        return finest[-1] if finest else None

    def _make(self, counters: Iterable[PipelineStatistics], last: _Look | None, now_s: float) -> _Look:
        followed = sorted(counters, key=lambda one: not one.active)[:MOST_VERSIONS]
        counts = {}
        for one in followed:
            assert self._layout is not None
            key, packed = (one.model, one.version), self._layout.pack(one)
            before = None if last is None else last.counts.get(key)
            same = before is not None and np.array_equal(before, packed)
            counts[key] = before if before is not None and same else packed
        return _Look(now_s, counts, {one.model: one.queue_rows for one in followed})


def _differences(looks: Sequence[_Look], key: Key) -> NDArray[np.int64]:
    """Return what a version counted from look to look; a version that was loaded anew began at zero."""
    steps = []
    before = looks[0].counts.get(key)
    width = len(next(look.counts[key] for look in looks if key in look.counts))
    nothing = np.zeros(width, np.int64)
    for look in looks[1:]:
        after = look.counts.get(key)
        if after is None:
            steps.append(nothing)
        elif before is None or (after < before).any():
            steps.append(after)
        else:
            steps.append(after - before)
        before = after
    return np.array(steps)
