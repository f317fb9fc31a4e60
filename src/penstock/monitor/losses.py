"""Losses: what a monitor itself lost, and whether that is news."""

from __future__ import annotations

import collections
import math
from collections.abc import Mapping

from penstock.monitor.alerts import Finding

__all__ = ["Losses"]


class Losses:
    """Tells new losses from those that were reported.

    Parameters
    ----------
    window_s : float
        All is well again when so much time passes without a loss.
    """

    def __init__(self, window_s: float) -> None:
        self._window_s = window_s
        self._seen: collections.Counter[str] = collections.Counter()
        self._before: collections.Counter[str] = collections.Counter()
        self._since_s: float | None = None

    def judge(self, lost: Mapping[str, tuple[int, str]], now_s: float) -> list[Finding] | None:
        """Return what was lost since all was well; none where it is so again.

        Parameters
        ----------
        lost : mapping of str to (int, str)
            By part, how often something was lost since the start, and in words.
        now_s : float

        Returns
        -------
        list of Finding, or None
            None where there is nothing to say.
        """
        if self._since_s is None:
            self._since_s = now_s
        if any(count > self._seen[subject] for subject, (count, _) in lost.items()):
            self._seen |= {subject: count for subject, (count, _) in lost.items()}
            self._since_s = now_s
            return [
                _finding(subject, reason, now_s)
                for subject, (count, reason) in lost.items()
                if count > self._before[subject]
            ]
        if self._since_s <= now_s < self._since_s + self._window_s:
            return None
        self._since_s = now_s
        self._before = self._seen.copy()
        return []


def _finding(subject: str, reason: str, now_s: float) -> Finding:
    return Finding(
        subject=subject,
        check="losses",
        compared_with="rule",
        reason=reason,
        effect=math.nan,
        evidence=math.nan,
        since_s=now_s,
        severity="medium",
    )
