"""What a monitor says of itself: plain, frozen values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["MonitorStatus"]


@dataclass(frozen=True, kw_only=True)
class MonitorStatus:
    """State of the monitoring of one model.

    Attributes
    ----------
    model : str
    version : int or None
        The version that alarms are about: the active one.
    rows : dict of int to int
        Rows counted by version since it was loaded.
    baseline_rows : int
        Of the reference; 0 while there is none.
    learning_rows : int
        Live rows that are still needed to make a baseline of; 0 where there is one.
    windows : int
        Closed windows that are held.
    firing : int
        Alerts that are not resolved.
    failures : dict of str to int
        Failures by part: ``counts``, ``windows``, ``history``, ``alarms`` …; none of them reached an answer.
    """

    model: str
    version: int | None
    rows: Mapping[int, int] = field(default_factory=dict)
    baseline_rows: int = 0
    learning_rows: int = 0
    windows: int = 0
    firing: int = 0
    failures: Mapping[str, int] = field(default_factory=dict)
