"""One alert: what moved, by how much, since when, on what evidence, and what to do next."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

__all__ = ["Alert", "Finding", "Kind", "Severity", "State"]

Kind = Literal["drift", "performance", "data", "operation"]
Severity = Literal["low", "medium", "high"]
State = Literal["firing", "resolved"]


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that moved, with its evidence.

    Attributes
    ----------
    subject : str
        A feature or output, a metric (``accuracy``, ``accuracy{state=MA}``) or a part of the monitor.
    check : str
        What was tested: a name of :class:`~penstock.monitor.calibration.Check`, of a sequential test
        (``mean_rank``, ``category`` …), of a fixed threshold (``psi``), or of a rule.
    compared_with : str
        ``baseline``, ``previous``, ``hour``, ``weekday``, ``threshold`` or ``rule``.
    reason : str
        What moved and by how much, in words.
    effect : float
        The largest change in the share of rows, 0 to 1; NaN where it is not about rows.
    evidence : float
        Against chance: the adjusted p-value of a window, or one over the e-value of a sequential test;
        NaN where a fixed threshold or a rule decided.
    since_s : float
        Seconds since the epoch: when it began, as far as the windows tell.
    severity : {"low", "medium", "high"}
    """

    subject: str
    check: str
    compared_with: str
    reason: str
    effect: float
    evidence: float
    since_s: float
    severity: Severity

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, for JSON; None where a number is not defined."""
        return {
            "subject": self.subject,
            "check": self.check,
            "compared_with": self.compared_with,
            "reason": self.reason,
            "effect": _plain(self.effect),
            "evidence": _plain(self.evidence),
            "since_s": self.since_s,
            "severity": self.severity,
        }


@dataclass(frozen=True, kw_only=True)
class Alert:
    """Everything of one kind that moved in one model, as one message.

    Attributes
    ----------
    id : str
        The same in every message about the same event, so that receivers can drop repeats: 32 hex digits.
    sequence : int
        Counts the messages of this id from 1: fired, grown worse, resolved.
    model : str
    version : int
    kind : {"drift", "performance", "data", "operation"}
    severity : {"low", "medium", "high"}
        The worst of the findings.
    state : {"firing", "resolved"}
    since_s : float
        The earliest of the findings.
    at_s : float
        When this message was made.
    title : str
        One line: how many moved, and the worst.
    findings : tuple of Finding
        Worst first.
    consequences : tuple of Finding
        Of outputs, where features moved too: answers move with what they are made of. Worst first.
    share : float
        The likely share of the traffic that is concerned, 0 to 1; NaN where unknown.
    next_steps : tuple of str
        What to look at or do, most useful first.
    """

    id: str
    sequence: int = 1
    model: str
    version: int
    kind: Kind
    severity: Severity
    state: State
    since_s: float
    at_s: float
    title: str
    findings: tuple[Finding, ...]
    share: float = math.nan
    next_steps: tuple[str, ...] = ()
    consequences: tuple[Finding, ...] = ()

    @property
    def subjects(self) -> tuple[str, ...]:
        """What moved, worst first, each once."""
        return tuple(dict.fromkeys(finding.subject for finding in self.findings))

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, for JSON; None where a number is not defined."""
        return {
            "id": self.id,
            "sequence": self.sequence,
            "model": self.model,
            "version": self.version,
            "kind": self.kind,
            "severity": self.severity,
            "state": self.state,
            "since_s": self.since_s,
            "at_s": self.at_s,
            "title": self.title,
            "subjects": list(self.subjects),
            "findings": [finding.to_dict() for finding in self.findings],
            "consequences": [finding.to_dict() for finding in self.consequences],
            "share": _plain(self.share),
            "next_steps": list(self.next_steps),
        }


def _plain(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
