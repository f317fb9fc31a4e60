"""What was counted of requests and values that are not as they should be. Values: they merge."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from penstock.engine.statistics import PipelineStatistics

__all__ = ["Cells", "DoorCounts", "RuleCounts"]

Cells = Mapping[tuple[str, str], int]


@dataclass(frozen=True, kw_only=True)
class RuleCounts:
    """How many rows broke which rule.

    Attributes
    ----------
    rows : int
        That were looked at.
    broken : mapping of (str, str) to int
        Rows by column and by the key of the rule that they broke: ``required``, ``min``, ``max``,
        ``allowed``, ``max_length``. None is left out.
    """

    rows: int = 0
    broken: Cells = field(default_factory=dict)

    def merge(self, other: RuleCounts) -> RuleCounts:
        """Return the counts of both together.

        >>> one = RuleCounts(rows=10, broken={("age", "min"): 1})
        >>> one.merge(one)
        RuleCounts(rows=20, broken={('age', 'min'): 2})
        """
        return RuleCounts(rows=self.rows + other.rows, broken=_sum(self.broken, other.broken))


@dataclass(frozen=True, kw_only=True)
class DoorCounts:
    """What came to one model in one span of time, answered or refused.

    Attributes
    ----------
    begin_s, end_s : float
        Seconds since the epoch, UTC.
    requests : int
        That ended, whatever their answer.
    rows : int
        That were answered.
    refusals : mapping of (str, str) to int
        Refused requests by input and reason; see :data:`penstock.batching.REFUSAL_REASONS`.
    rules : RuleCounts
    """

    begin_s: float
    end_s: float
    requests: int = 0
    rows: int = 0
    refusals: Cells = field(default_factory=dict)
    rules: RuleCounts = field(default_factory=RuleCounts)

    @classmethod
    def between(
        cls,
        before: PipelineStatistics | None,
        after: PipelineStatistics,
        *,
        begin_s: float,
        end_s: float,
        rows: int | None = None,
        rules: RuleCounts | None = None,
    ) -> DoorCounts:
        """Return what happened between two readings of the statistics of one version.

        Parameters
        ----------
        before : PipelineStatistics, optional
            Everything since the version was loaded counts where left out.
        after : PipelineStatistics
        begin_s, end_s : float
        rows : int, optional
            That were answered; where left out as the statistics count them, without those of
            :meth:`Engine.predict`.
        rules : RuleCounts, optional
            Of the same span: :meth:`Rules.take`.
        """
        refusals = _difference({} if before is None else before.refusals, after.refusals)
        requests = sum(after.requests.values()) - (0 if before is None else sum(before.requests.values()))
        return cls(
            begin_s=begin_s,
            end_s=end_s,
            requests=max(requests, sum(refusals.values())),
            rows=after.rows - (0 if before is None else before.rows) if rows is None else rows,
            refusals=refusals,
            rules=rules or RuleCounts(),
        )

    @property
    def refused(self) -> int:
        """Requests that did not fit the model."""
        return sum(self.refusals.values())

    @property
    def duration_s(self) -> float:
        """Seconds from begin to end."""
        return self.end_s - self.begin_s

    def merge(self, other: DoorCounts) -> DoorCounts:
        """Return the counts of both together, from the earlier begin to the later end."""
        return DoorCounts(
            begin_s=min(self.begin_s, other.begin_s),
            end_s=max(self.end_s, other.end_s),
            requests=self.requests + other.requests,
            rows=self.rows + other.rows,
            refusals=_sum(self.refusals, other.refusals),
            rules=self.rules.merge(other.rules),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, for JSON."""
        return {
            "begin_s": self.begin_s,
            "end_s": self.end_s,
            "requests": self.requests,
            "rows": self.rows,
            "refusals": _listed(self.refusals),
            "rules": {"rows": self.rules.rows, "broken": _listed(self.rules.broken)},
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> DoorCounts:
        """Return the counts that :meth:`to_dict` wrote."""
        rules = values["rules"]
        return cls(
            begin_s=float(values["begin_s"]),
            end_s=float(values["end_s"]),
            requests=int(values["requests"]),
            rows=int(values["rows"]),
            refusals=_cells(values["refusals"]),
            rules=RuleCounts(rows=int(rules["rows"]), broken=_cells(rules["broken"])),
        )


def _sum(first: Cells, second: Cells) -> dict[tuple[str, str], int]:
    return {cell: first.get(cell, 0) + second.get(cell, 0) for cell in {**first, **second}}


def _difference(before: Cells, after: Cells) -> dict[tuple[str, str], int]:
    return {cell: count - before.get(cell, 0) for cell, count in after.items() if count > before.get(cell, 0)}


def _listed(cells: Cells) -> list[list[str | int]]:
    return [[*cell, count] for cell, count in sorted(cells.items())]


def _cells(listed: list[list[Any]]) -> dict[tuple[str, str], int]:
    return {(str(name), str(what)): int(count) for name, what, count in listed}
