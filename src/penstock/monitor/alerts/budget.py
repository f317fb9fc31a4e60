"""The budget: how many false alarms a week a model may raise, and what each test may spend of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from penstock.errors import ConfigError

__all__ = ["WEEK_S", "Budget", "Family"]

WEEK_S: Final = 604_800.0

Family = Literal["drift", "multivariate", "performance", "data"]

_MOST: Final = 0.05
"""The largest chance of a false alarm of one window, however short the budget lets it be."""

_WATCH: Final = 0.5
_OF_WINDOWS: Final = {"drift": 0.5, "performance": 0.25, "data": 0.25}


@dataclass(frozen=True, kw_only=True)
class Budget:
    """False alarms a week, shared between everything that can raise one.

    Attributes
    ----------
    false_alarms_per_week : float
    watch : bool
        Half of the budget is for the watch between the ends of windows.
    comparisons : int
        That each window is part of: with the baseline, the window before …
    multivariate : bool
        A window is also tested for all features together, at the level of one comparison.

    Notes
    -----
    The rest of the budget is for windows: half of it for comparisons of columns, a quarter each for quality
    on labels and for data quality. A window of d seconds is tested at the level that spends d seconds' worth.
    Expectations add up whatever depends on what, so the expected number of false alarms in a week is at most
    what was asked for, even though all windows share one baseline. No window is tested above 0.05.

    Examples
    --------
    >>> budget = Budget(false_alarms_per_week=1.0)
    >>> round(budget.window_level(3600.0) * 168, 3)  # of one alarm a week
    0.25
    >>> budget.watch_rate
    0.5
    """

    false_alarms_per_week: float
    watch: bool = True
    comparisons: int = 1
    multivariate: bool = False

    def __post_init__(self) -> None:
        if not self.false_alarms_per_week > 0:
            raise ConfigError(
                f"false_alarms_per_week: expected a number above 0, got {self.false_alarms_per_week}"
            )

    @property
    def watch_rate(self) -> float:
        """False alarms a week that the watch may raise."""
        return self.false_alarms_per_week * (_WATCH if self.watch else 0.0)

    def window_rate(self, family: Family) -> float:
        """Return the false alarms a week that all windows may raise in one family of tests."""
        windows = self.false_alarms_per_week - self.watch_rate
        if family in ("drift", "multivariate"):
            tests = self.comparisons + self.multivariate
            part = self.comparisons if family == "drift" else int(self.multivariate)
            return windows * _OF_WINDOWS["drift"] * part / max(tests, 1)
        return windows * _OF_WINDOWS[family]

    def window_level(self, duration_s: float, family: Family = "drift") -> float:
        """Return the chance of any false alarm that a window of some seconds may have; 0 of no time."""
        return min(_MOST, self.window_rate(family) * max(duration_s, 0.0) / WEEK_S)
