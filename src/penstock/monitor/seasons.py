"""Seasons: earlier windows at the same hour of the day, or of the week. Read next: comparisons.py."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from penstock.monitor.window import Window

__all__ = ["DAYS", "WEEKS", "same_hour", "same_weekday"]

DAYS: Final = 28
"""How many earlier days the same hour is taken from, at most."""

WEEKS: Final = 12
"""How many earlier weeks the same hour of the week is taken from, at most."""

_HOUR_S: Final = 3600.0
_DAY_S: Final = 24 * _HOUR_S
_WEEK_S: Final = 7 * _DAY_S


def same_hour(window: Window, past: Sequence[Window]) -> list[Window]:
    """Return the windows of earlier days that were at the same hour of the day, in their order.

    Notes
    -----
    The hours are those of UTC that the window has a part of. An earlier window is among them where its middle
    lies in the same hours of one of the :data:`DAYS` days before. So windows that are shorter than an hour
    are compared with the whole hour, and windows of days with all of the days before.
    """
    return _earlier(window, past, _DAY_S, DAYS)


def same_weekday(window: Window, past: Sequence[Window]) -> list[Window]:
    """Return the windows of earlier weeks that were at the same hour of the same weekday, in their order.

    The rule is that of :func:`same_hour`, with :data:`WEEKS` weeks.
    """
    return _earlier(window, past, _WEEK_S, WEEKS)


def _earlier(window: Window, past: Sequence[Window], period_s: float, most: int) -> list[Window]:
    begin_s = math.floor(window.begin_s / _HOUR_S) * _HOUR_S
    length_s = max(_HOUR_S, math.ceil(window.end_s / _HOUR_S) * _HOUR_S - begin_s)

    def belongs(other: Window) -> bool:
        if other is window or other.end_s > window.begin_s:
            return False
        middle_s = (other.begin_s + other.end_s) / 2
        into_s = (middle_s - begin_s) % period_s
        periods = round((begin_s + into_s - middle_s) / period_s)
        return into_s < length_s and 1 <= periods <= most

    return [other for other in past if belongs(other)]
