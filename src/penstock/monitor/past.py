"""The past of one model: its closed windows in memory and on disk, and what a process before left open."""

from __future__ import annotations

import collections
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

from penstock.config.monitor import ModelMonitorConfig
from penstock.monitor.failures import Failures
from penstock.monitor.history import ClosedWindow, History, OpenWindow
from penstock.monitor.track import Track
from penstock.monitor.window import Window
from penstock.monitor.windows import Windows

__all__ = ["Past"]


class Past:
    """Keeps windows.

    Parameters
    ----------
    directory : Path, optional
        Of all models; without it windows are in memory only.
    model : str
    settings : ModelMonitorConfig
    failures : Failures

    Attributes
    ----------
    closed : deque of ClosedWindow
        The newest ones, oldest first.

    Notes
    -----
    One thread at a time, but for :meth:`read`.
    """

    def __init__(
        self, directory: Path | None, model: str, settings: ModelMonitorConfig, failures: Failures
    ) -> None:
        self.closed: collections.deque[ClosedWindow] = collections.deque(maxlen=settings.keep_windows)
        self._settings = settings
        self._failures = failures
        self._history: History | None = None
        self._left: dict[int, OpenWindow] = {}
        if directory is not None:
            history = self._history = History(directory, model, granularity=_granularity(settings))
            left = failures.attempt("history", history.load_open) or []
            self._left = {saved.version: saved for saved in left}

    @property
    def is_kept(self) -> bool:
        """Whether windows outlive the process."""
        return self._history is not None

    @property
    def windows(self) -> list[Window]:
        """The closed windows, oldest first."""
        return [closed.window for closed in self.closed]

    @property
    def left(self) -> list[int]:
        """Versions of which a process before left a window open that nobody went on with."""
        return list(self._left)

    def windows_of(self, version: int) -> list[Window]:
        """Return the closed windows of a version."""
        return [closed.window for closed in self.closed if closed.window.version == version]

    def read(self, lock: AbstractContextManager[object]) -> None:
        """Take in windows that a process before closed. It may take seconds, in which the lock is free."""
        if self._history is None:
            return
        before = self._history.load(self._settings.keep_windows)
        known = {_moment(closed.window) for closed in before}
        with lock:
            since = [closed for closed in self.closed if _moment(closed.window) not in known]
            self.closed.clear()
            self.closed.extend([*before, *since])

    def add(self, closed: ClosedWindow) -> None:
        """Keep a window that closed, in memory."""
        self.closed.append(closed)

    def write(self, closed: ClosedWindow) -> None:
        """Keep a window that closed, on disk."""
        history = self._history
        if history is not None:
            self._failures.attempt(
                "history", lambda: history.append(closed.window, closed.reports, closed.spans)
            )

    def take_left(self, version: int) -> OpenWindow | None:
        """Return what was left open of a version, once."""
        return self._left.pop(version, None)

    def resume(self, track: Track, window: Window, now_s: float) -> None:
        """Let a version go on with the window that was left open, or close it."""
        if track.layout is None:
            self._end(replace(window, complete=False))
            return
        ended = track.windows.resume(window, track.layout, now_s)
        if ended is not None:
            self._end(ended)

    def abandon(self, version: int) -> None:
        """Close what was left open of a version that is not loaded any more."""
        window = self._left.pop(version).window
        if window is not None:
            self._end(replace(window, complete=False))
        self.drop(version)

    def _end(self, window: Window) -> None:
        self.closed.append(ClosedWindow(window))
        if self._history is not None:
            self._history.append(window, {})

    def save(self, version: int, window: Window | None, extra: bytes) -> None:
        """Write down the open window of a version, and the state of the alarms beside it."""
        if self._history is not None:
            self._history.save_open(version, window, extra)

    def drop(self, version: int) -> None:
        """Forget what was saved of a version."""
        if self._history is not None:
            self._history.drop_open(version)

    def close(self) -> None:
        """Let another process write."""
        if self._history is not None:
            self._history.close()


def _moment(window: Window) -> tuple[int, float, float]:
    return window.version, window.begin_s, window.end_s


def _granularity(settings: ModelMonitorConfig) -> str:
    return Windows(
        "", 1, window_s=settings.window_s, window_rows=settings.window_rows, begin_s=0.0
    ).granularity
