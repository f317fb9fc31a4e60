"""What came to a model that is not as it should be: refused requests, broken rules, the rate of rows.

Read first: rules/rules.py and rules/checks.py.
"""

from __future__ import annotations

import collections
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from penstock.monitor.alerts.alert import Finding
from penstock.monitor.rules import DoorCounts, RuleCounts, Rules, data_findings
from penstock.monitor.window import Window

if TYPE_CHECKING:
    from penstock.engine.statistics import PipelineStatistics

__all__ = ["LiveData"]

_KEPT_WINDOWS: Final = 1000


class LiveData:
    """Counts of one version, window by window.

    Parameters
    ----------
    rules : Rules, optional
    expected : RuleCounts, optional
        What the baseline breaks of the rules.
    statistics : callable
        Returns the counters of the version; None once it is gone.
    """

    def __init__(
        self,
        rules: Rules | None,
        expected: RuleCounts | None,
        statistics: Callable[[], PipelineStatistics | None],
    ) -> None:
        self._rules = rules
        self._expected = expected
        self._statistics = statistics
        self._seen: PipelineStatistics | None = None

    def close(self, window: Window) -> DoorCounts | None:
        """Return what came since the window before; None where the version is gone."""
        now = self._statistics()
        if now is None:
            return None
        found = DoorCounts.between(
            self._seen,
            now,
            begin_s=window.begin_s,
            end_s=window.end_s,
            rows=window.rows,
            rules=None if self._rules is None else self._rules.take(),
        )
        self._seen = now
        return found

    def judge(
        self, before: collections.deque[DoorCounts], after: DoorCounts, level: float, min_effect: float
    ) -> list[Finding]:
        """Return what went wrong, tested against earlier windows at a level."""
        return data_findings(list(before), after, level=level, min_effect=min_effect, expected=self._expected)

    def broken(self) -> Mapping[tuple[str, str], int]:
        """Return how many rows broke which rule since the version was loaded, by column and rule."""
        return {} if self._rules is None else self._rules.total().broken


def door_history() -> collections.deque[DoorCounts]:
    """Return where the counts of windows are held."""
    return collections.deque(maxlen=_KEPT_WINDOWS)
