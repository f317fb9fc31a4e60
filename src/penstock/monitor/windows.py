"""Windows of one version of a model: panes come in, closed windows come out. Read next: comparisons.py."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import reduce
from typing import TYPE_CHECKING, Final

from penstock.errors import ConfigError
from penstock.monitor.layout import same_layout
from penstock.monitor.window import Window

if TYPE_CHECKING:
    from penstock.monitor.profile import Profile

__all__ = ["Windows"]

_UNITS: Final = ((86400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))


class Windows:
    """Merges panes into windows that follow each other without a gap.

    Parameters
    ----------
    model : str
    version : int
    window_s : float, default 3600
        Windows end at multiples of it since the epoch: hours end on the hour, UTC.
    window_rows : int, optional
        A window ends at the first pane that gives it so many rows, too.
    slide : int, default 1
        How many closed windows :meth:`sliding` merges.
    begin_s : float
        When counting began, in seconds since the epoch.

    Notes
    -----
    A pane is what was counted between two looks. It belongs to the window in which most of that time lies, so
    a row is at most half the time between two looks on the wrong side of a boundary. Windows without a row
    are left out. Not for several threads at once.

    Examples
    --------
    >>> from penstock.monitor import Baseline
    >>> profiler = Baseline.fit({"age": [31, 44, 44, 52]}).profiler()
    >>> windows = Windows("people", 1, window_s=3600, begin_s=1800)
    >>> profiler.update({"age": [44, 31]})
    >>> windows.add(profiler.profile(reset=True), 3000)
    []
    >>> (window,) = windows.add(profiler.profile(reset=True), 3601)
    >>> window.begin_s, window.end_s, window.rows, window.complete
    (1800, 3600.0, 2, True)
    """

    def __init__(
        self,
        model: str,
        version: int,
        *,
        window_s: float = 3600.0,
        window_rows: int | None = None,
        slide: int = 1,
        begin_s: float,
    ) -> None:
        if not 0 < window_s < math.inf:
            raise ConfigError(f"window_s: expected seconds above 0, got {window_s}")
        for name, value in (("window_rows", window_rows), ("slide", slide)):
            if value is not None and value < 1:
                raise ConfigError(f"{name}: expected at least 1, got {value}")
        self._model, self._version = model, version
        self._window_s, self._window_rows, self._slide = float(window_s), window_rows, slide
        self._profile: Profile | None = None
        self._begin_s = self._seen_s = begin_s
        self._complete = True

    @property
    def granularity(self) -> str:
        """How long a window is, in words: ``1 hour``, ``15 minutes or 10,000 rows``."""
        size, unit = next(
            (u for u in _UNITS if self._window_s >= u[0] and not self._window_s % u[0]), _UNITS[-1]
        )
        count = self._window_s / size
        words = f"{count:g} {unit}{'' if count == 1 else 's'}"
        return words if self._window_rows is None else f"{words} or {self._window_rows:,} rows"

    @property
    def open(self) -> Window | None:
        """What the next window has so far; None where it has no row."""
        return self._window(self._seen_s, self._complete)

    def add(self, delta: Profile, now_s: float, *, by_rows: bool = True) -> list[Window]:
        """Count a pane.

        Parameters
        ----------
        delta : Profile
            Of the rows since the last call.
        now_s : float
            Seconds since the epoch. A clock that was set back by less than a window stands still until it has
            caught up; by more, the open window closes and another begins.
        by_rows : bool, default True
            Whether a window with enough rows may close now.

        Returns
        -------
        list of Window
            Those that closed: none, one, or two when the pane is longer than a window.

        Raises
        ------
        ConfigError
            When the pane is on another layout than the window; nothing has changed then.
        """
        closed: list[Window] = []
        if now_s < self._seen_s - self._window_s:
            closed += self._close(self._seen_s, now_s, complete=False)
            self._seen_s = now_s
        now_s = max(now_s, self._seen_s)
        closed += self._advance((self._seen_s + now_s) / 2)
        if delta.rows:
            self._profile = delta if self._profile is None else self._profile.merge(delta)
        self._seen_s = now_s
        closed += self._advance(now_s)
        if by_rows and self._window_rows is not None and self._rows >= self._window_rows:
            closed += self._close(now_s, now_s, self._complete)
        return closed

    def close(self, now_s: float) -> Window | None:
        """Close the open window early and begin another; None where it has no row."""
        end_s = min(max(now_s, self._seen_s), self._end_s)
        closed = self._close(end_s, max(now_s, self._seen_s), complete=False)
        self._seen_s = self._begin_s
        return closed[0] if closed else None

    def resume(self, window: Window, layout: Profile, now_s: float) -> Window | None:
        """Go on with a window that an earlier process left open.

        Parameters
        ----------
        window : Window
        layout : Profile
            Any profile with the features that are counted now, in their order.
        now_s : float

        Returns
        -------
        Window or None
            The window itself, closed as incomplete, where it cannot go on: it is of another model, version or
            layout, or it has ended meanwhile. None where it goes on; it will be incomplete when it closes.
        """
        goes_on = (
            (window.model, window.version) == (self._model, self._version)
            and same_layout(window.profile, layout)
            and window.begin_s <= now_s < self._boundary(window.begin_s)
        )
        if not goes_on:
            return replace(window, complete=False)
        self._profile = window.profile if self._profile is None else window.profile.merge(self._profile)
        self._begin_s = min(window.begin_s, self._begin_s)
        self._seen_s = max(now_s, self._seen_s)
        self._complete = False
        return None

    def sliding(self, closed: Sequence[Window]) -> Window:
        """Return the last ``slide`` closed windows as one.

        Parameters
        ----------
        closed : sequence of Window
            At least one, oldest first.

        Returns
        -------
        Window
            The last one merged with those before it, up to the first of another version or layout.

        Notes
        -----
        There is one such comparison for each window that closes, however long it reaches back: the chance of
        a false alarm that one may have is that of the last window, not of this one.
        """
        last = closed[-1]
        chosen = [last]
        for window in reversed(closed[max(0, len(closed) - self._slide) : -1]):
            same = (window.model, window.version) == (last.model, last.version)
            if not (same and same_layout(window.profile, last.profile)):
                break
            chosen.append(window)
        return reduce(Window.merge, reversed(chosen))

    @property
    def _rows(self) -> int:
        return 0 if self._profile is None else self._profile.rows

    @property
    def _end_s(self) -> float:
        return self._boundary(self._begin_s)

    def _boundary(self, begin_s: float) -> float:
        count = math.floor(begin_s / self._window_s) + 1
        end_s = count * self._window_s
        return end_s if end_s > begin_s else (count + 1) * self._window_s

    def _advance(self, to_s: float) -> list[Window]:
        end_s = self._end_s
        if to_s < end_s:
            return []
        return self._close(
            end_s, max(end_s, math.floor(to_s / self._window_s) * self._window_s), self._complete
        )

    def _close(self, end_s: float, next_s: float, complete: bool) -> list[Window]:
        window = self._window(end_s, complete)
        self._profile, self._begin_s, self._complete = None, next_s, True
        return [] if window is None else [window]

    def _window(self, end_s: float, complete: bool) -> Window | None:
        if self._profile is None:
            return None
        return Window(
            model=self._model,
            version=self._version,
            begin_s=self._begin_s,
            end_s=end_s,
            profile=self._profile,
            complete=complete,
        )
