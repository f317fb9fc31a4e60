"""Both samples as a few bars: what a report draws of a feature."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from penstock.monitor.calibration.words import number
from penstock.monitor.statistics.bins import paired

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from penstock.monitor.profile import FeatureProfile

__all__ = ["Picture", "picture"]

BARS: Final = 40
_FEW: Final = 24
_NAMED: Final = 18
_TAIL: Final = 0.005
_LONGEST: Final = 48
_HUGE: Final = 1e150


@dataclass(frozen=True, kw_only=True)
class Picture:
    """Shares of two samples in the same bars.

    Attributes
    ----------
    shape : {"line", "bars"}
        Intervals of one width along a line, or bars with names.
    labels : tuple of str
        What each bar is.
    before, after : tuple of float
        Shares of the values that are not missing.
    others : bool
        The last bar is what has no bar of its own.
    """

    shape: str
    labels: tuple[str, ...]
    before: tuple[float, ...]
    after: tuple[float, ...]
    others: bool = False


def picture(reference: FeatureProfile, current: FeatureProfile) -> Picture | None:
    """Return what to draw; None where a side has no values.

    Notes
    -----
    A number with many bins is drawn on intervals of one width that hold most of both samples, what lies
    beyond in an interval at each end; rows are taken as spread evenly within their bin. Of categories,
    those that are frequent or moved most are named, all others are one bar.
    """
    before, after = paired(reference, current)
    if not before.sum() or not after.sum():
        return None
    p, q = before / before.sum(), after / after.sum()
    if reference.kind == "categorical":
        return _of_categories(reference, p, q)
    if len(p) <= _FEW:
        return _made("bars", _intervals(np.asarray(reference.edges)), p, q)
    return _on_a_line(reference, current, p, q)


def _of_categories(reference: FeatureProfile, p: NDArray[Any], q: NDArray[Any]) -> Picture:
    labels = [*map(_cut, reference.categories), "unseen in the baseline"]
    weight = np.maximum(p, q) + 10 * np.abs(p - q)
    order = np.argsort(-weight, kind="stable")
    named = [index for index in order[:_NAMED] if weight[index] > 0]
    rest = [index for index in order[len(named) :] if weight[index] > 0]
    named.sort(key=lambda index: (index == len(p) - 1, -p[index], -q[index]))
    names = [labels[index] for index in named]
    before, after = p[named], q[named]
    if rest:
        names.append(f"{len(rest):,} others")
        before, after = np.append(before, p[rest].sum()), np.append(after, q[rest].sum())
    return _made("bars", names, before, after, others=bool(rest))


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _intervals(edges: NDArray[Any]) -> list[str]:
    if not len(edges):
        return ["all values"]
    inner = [f"{number(low)} … {number(high)}" for low, high in itertools.pairwise(edges)]
    return [f"< {number(edges[0])}", *inner, f"≥ {number(edges[-1])}"]


def _on_a_line(
    reference: FeatureProfile, current: FeatureProfile, p: NDArray[Any], q: NDArray[Any]
) -> Picture:
    edges = np.asarray(reference.edges)
    low = np.fmin(np.fmin(reference.minimum, current.minimum), edges[0])
    high = np.fmax(np.fmax(reference.maximum, current.maximum), edges[-1])
    if max(abs(low), abs(high)) > _HUGE:  # differences would overflow: the bins as they are
        return _made("line", _intervals(edges), p, q)
    points = np.concatenate(([low], edges, [high]))
    f, g = (np.concatenate(([0.0], np.cumsum(share))) for share in (p, q))
    start, stop = _middle(f, points)
    start_after, stop_after = _middle(g, points)
    reach = stop - start
    start, stop = max(min(start, start_after), start - reach), min(max(stop, stop_after), stop + reach)
    if not stop > start:
        return _made("line", _intervals(edges), p, q)
    cuts = np.linspace(start, stop, BARS + 1)
    at_cuts = [np.concatenate(([0.0], np.interp(cuts, points, share), [1.0])) for share in (f, g)]
    return _made("line", _intervals(cuts), np.diff(at_cuts[0]), np.diff(at_cuts[1]))


def _middle(cumulative: NDArray[Any], points: NDArray[Any]) -> tuple[float, float]:
    """Return where most values lie: the middle 99 %, but not beyond three times the middle half."""
    low, first, third, high = np.interp((_TAIL, 0.25, 0.75, 1 - _TAIL), cumulative, points)
    if third > first:
        low, high = max(low, first - 3 * (third - first)), min(high, third + 3 * (third - first))
    return float(low), float(high)


def _made(
    shape: str, labels: list[str], before: NDArray[Any], after: NDArray[Any], others: bool = False
) -> Picture:
    return Picture(
        others=others,
        shape=shape,
        labels=tuple(labels),
        before=tuple(round(float(share), 5) for share in before),
        after=tuple(round(float(share), 5) for share in after),
    )
