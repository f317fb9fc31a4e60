"""Comparisons of windows that are still open, made when somebody looks and kept for a while."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Final
from weakref import WeakKeyDictionary

from penstock.errors import ModelNotReadyError

if TYPE_CHECKING:
    from penstock.monitor.monitor import Monitor
    from penstock.monitor.report.report import DriftReport
    from penstock.monitor.window import Window

__all__ = ["OpenWindows"]

_KEPT_S: Final = 10.0
_SHARE_OF_A_CORE: Final = 0.02

Found = tuple["Window", "DriftReport"]


class OpenWindows:
    """What the open windows look like so far.

    Notes
    -----
    A comparison is made at most every 10 seconds a model, and so rarely that it takes no more than one part
    in fifty of a core. Any thread may call; those that come meanwhile get the one before.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._found: WeakKeyDictionary[Monitor, tuple[float, Found | None]] = WeakKeyDictionary()

    def get(self, monitor: Monitor) -> Found | None:
        """Return the open window of the active version and its comparison with the baseline.

        Returns
        -------
        (Window, DriftReport) or None
            None where there is no row or no baseline yet.
        """
        now_s = time.monotonic()
        with self._lock:
            until_s, found = self._found.get(monitor, (0.0, None))
            if now_s < until_s:
                return found
            self._found[monitor] = (now_s + _KEPT_S, found)
        found = self._compare(monitor)
        took_s = time.monotonic() - now_s
        with self._lock:
            self._found[monitor] = (now_s + max(_KEPT_S, took_s / _SHARE_OF_A_CORE), found)
        return found

    @staticmethod
    def _compare(monitor: Monitor) -> Found | None:
        window = monitor.current()
        if window is None:
            return None
        try:
            return window, monitor.report(windows=0)
        except ModelNotReadyError:
            return None
