"""Closed windows with what was found in them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from penstock.monitor.report.report import DriftReport
    from penstock.monitor.window import Window

__all__ = ["ClosedWindow"]


@dataclass(frozen=True)
class ClosedWindow:
    """A window that has ended, and its comparisons.

    Attributes
    ----------
    window : Window
    reports : mapping of str to DriftReport
        By what it was compared with: ``baseline``, ``previous``, ``hour``, ``weekday``.
    spans : mapping of str to (float, float)
        For each comparison with other windows, their first begin and last end, seconds since the epoch.
    """

    window: Window
    reports: Mapping[str, DriftReport] = field(default_factory=dict)
    spans: Mapping[str, tuple[float, float]] = field(default_factory=dict)
