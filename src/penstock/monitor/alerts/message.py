"""Messages: an alert made of everything that is part of it. The words are in wording.py."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from penstock.monitor.alerts.alert import Alert, Finding, Kind, State
from penstock.monitor.alerts.group import rank
from penstock.monitor.alerts.wording import general_steps, title, worst_first

if TYPE_CHECKING:
    from penstock.monitor.alerts.group import Subject

__all__ = ["compose"]

_MOST_STEPS: Final = 6


def compose(
    kind: Kind,
    members: Mapping[str, Subject],
    *,
    id: str,
    sequence: int,
    model: str,
    version: int,
    state: State,
    at_s: float,
    totals: Mapping[str, tuple[str, int]],
    began_s: float,
    near_s: float,
) -> Alert:
    """Return the alert of all members.

    Parameters
    ----------
    kind, id, sequence, model, version, state, at_s
        As in :class:`~penstock.monitor.alerts.alert.Alert`.
    members : mapping of str to Subject
        Not empty.
    totals : mapping of str to (str, int)
        Of each column its role, and how many have that role.
    began_s, near_s : float
        When the version began, and how near to that is with it.
    """
    found = worst_first(
        [
            replace(finding, since_s=subject.since_s)
            for subject in members.values()
            for finding in subject.findings
        ]
    )
    findings, consequences = _apart(found, totals)
    since_s = min(finding.since_s for finding in found)
    moved = sum(totals.get(name, ("", 0))[0] == "feature" for name in members)
    features = sum(role == "feature" for role, _ in totals.values())
    first, last = general_steps(kind, moved, features, since_s, version, abs(since_s - began_s) <= near_s)
    line = title(kind, findings, totals)
    if consequences:
        several = len({finding.subject for finding in findings}) > 1
        line += f"; the answers moved with {'them' if several else 'it'}"
    return Alert(
        id=id,
        sequence=sequence,
        model=model,
        version=version,
        kind=kind,
        severity=max((finding.severity for finding in found), key=rank),
        state=state,
        since_s=since_s,
        at_s=at_s,
        title=line if state == "firing" else f"resolved: {line}",
        findings=findings,
        consequences=consequences,
        share=max((f.effect for f in found if math.isfinite(f.effect)), default=math.nan),
        next_steps=_steps(findings, members, first, last),
    )


def _apart(
    found: tuple[Finding, ...], totals: Mapping[str, tuple[str, int]]
) -> tuple[tuple[Finding, ...], tuple[Finding, ...]]:
    """Return what moved, and of outputs what follows from it: answers move with what they are made of."""
    outputs = tuple(f for f in found if totals.get(f.subject, ("", 0))[0] == "output")
    if len(outputs) in (0, len(found)):
        return found, ()
    return tuple(f for f in found if f not in outputs), outputs


def _steps(
    findings: Sequence[Finding],
    members: Mapping[str, Subject],
    first: tuple[str, ...],
    last: tuple[str, ...],
) -> tuple[str, ...]:
    """Put the steps for the worst subjects between those that are general."""
    subjects = dict.fromkeys(finding.subject for finding in findings)
    own = [step for name in subjects for step in members[name].steps]
    room = max(_MOST_STEPS - len(first) - len(last), 1)
    return tuple(dict.fromkeys([*first, *own[:room], *last]))
