"""Categories to codes: the table that a lookup needs, with what was done to the column before folded in.

Read next: value.py.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from penstock.transform.instructions import NO_CODE, REFUSE
from penstock.transform.lower.graph import Graph, Ref
from penstock.transform.lower.lowered import Lookup

__all__ = ["Coding", "Source"]

Category = str | float
"""A text, or a number."""


class Fill(NamedTuple):
    """What imputation does: ``fill`` stands where ``match`` stood; a match of None is what is missing."""

    match: Category | None
    fill: Category


@dataclass(frozen=True)
class Coding:
    """Code of each category, and of what is missing and what is unknown.

    Attributes
    ----------
    categories : sequence of str or float
    codes : sequence of int
    missing, unknown : int
        Codes, ``NO_CODE`` or ``REFUSE``.
    """

    categories: Sequence[str] | Sequence[float]
    codes: Sequence[int]
    missing: int
    unknown: int

    def select(self, kept: Sequence[int]) -> Coding:
        """The coding that gives positions in ``kept`` for the codes there, and no code for others."""
        place = {code: i for i, code in enumerate(kept)}
        place[REFUSE] = REFUSE
        return replace(
            self,
            codes=[place.get(code, NO_CODE) for code in self.codes],
            missing=place.get(self.missing, NO_CODE),
            unknown=place.get(self.unknown, NO_CODE),
        )

    @property
    def refuses(self) -> bool:
        """Whether there are values without a code that may go on."""
        return REFUSE in (self.missing, self.unknown)


class _Other:
    """A value that is neither missing nor named anywhere."""


_OTHER = _Other()


@dataclass(frozen=True)
class Source:
    """A raw column with what imputation did to it: all that a lookup needs to read the column itself.

    Attributes
    ----------
    column : int
    name : str
    text : bool
    missing : tuple of str
        Texts that count as missing.
    fills : tuple of Fill
        In the order in which they were done.
    """

    column: int
    name: str
    text: bool
    missing: tuple[str, ...] = ()
    fills: tuple[Fill, ...] = ()

    def filled(self, match: Category | None, fill: Category) -> Source:
        """The same after one more imputation."""
        return replace(self, fills=(*self.fills, Fill(match, fill)))

    def lookup(self, graph: Graph, coding: Coding, warns: bool) -> Ref:
        """Codes of the column."""
        table = self._table(graph, coding)
        ref = graph.add("lookup", "code", integers=(self.column,), table=table)
        about = ref.node.lookup
        entries = graph.tables[table]
        refuses = REFUSE in (entries.missing, entries.unknown) or bool((entries.codes == REFUSE).any())
        warns = warns or (about is not None and about.warns)
        ref.node.lookup = Lookup(self.name, coding.categories, refuses, warns)
        return ref

    def _table(self, graph: Graph, coding: Coding) -> int:
        code_of = dict(zip(coding.categories, coding.codes, strict=True))
        if not self.missing and not self.fills:
            return graph.table(self.text, coding.categories, coding.codes, coding.missing, coding.unknown)

        def code(value: Category | _Other | None) -> int | None:
            """Code of a raw value; None where it ends as an unknown one."""
            value = self._after_fills(value)
            if value is None:
                return coding.missing
            return None if isinstance(value, _Other) else code_of.get(value)

        missing, unknown = (coding.unknown if (one := code(raw)) is None else one for raw in (None, _OTHER))
        named: dict[Category, None] = dict.fromkeys(coding.categories)
        named.update(dict.fromkeys(self.missing))
        named.update(dict.fromkeys(fill.match for fill in self.fills if fill.match is not None))
        # What ends as unknown stays out of the table, so that it counts as unknown.
        entries = {value: one for value in named if (one := code(value)) is not None}
        return graph.table(self.text, list(entries), list(entries.values()), missing, unknown)  # type: ignore[arg-type]

    def _after_fills(self, value: Category | _Other | None) -> Category | _Other | None:
        if isinstance(value, str) and value in self.missing:
            value = None
        for match, fill in self.fills:
            if value == match:
                value = None if isinstance(fill, float) and math.isnan(fill) else fill
        return value
