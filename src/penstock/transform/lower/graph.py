"""Computations before they have an order and registers: what depends on what, everything once.

Read next: value.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from penstock.transform.instructions import Table
from penstock.transform.lower.lowered import Lookup

__all__ = ["Graph", "Node", "Ref"]

_NONE = np.empty(0)


class Node:
    """An instruction whose registers are not chosen yet.

    Attributes
    ----------
    op, numbers, integers, table, wide
        As in :class:`penstock.transform.instructions.Instruction`.
    kind : str
        What it gives; empty for a store.
    width : int
        How many registers it gives.
    src : tuple of Ref
    lookup : Lookup or None
    """

    __slots__ = ("integers", "kind", "lookup", "numbers", "op", "src", "table", "wide", "width")

    def __init__(
        self,
        op: str,
        kind: str,
        src: tuple[Ref, ...],
        numbers: tuple[float, ...],
        integers: tuple[int, ...],
        table: int,
        wide: bool,
        width: int,
    ) -> None:
        self.op = op
        self.kind = kind
        self.src = src
        self.numbers = numbers
        self.integers = integers
        self.table = table
        self.wide = wide
        self.width = width
        self.lookup: Lookup | None = None


class Ref(NamedTuple):
    """One register that a node gives."""

    node: Node
    part: int = 0

    @property
    def kind(self) -> str:
        """What the register holds."""
        return self.node.kind


class Graph:
    """Nodes, tables and texts of a program. What is asked for twice is there once."""

    def __init__(self) -> None:
        self.tables: list[Table] = []
        self.texts: list[str] = []
        self.holds: list[object] = []
        self._nodes: dict[object, Node] = {}
        self._table_of: dict[object, int] = {}
        self._text_of: dict[str, int] = {}

    def add(
        self,
        op: str,
        kind: str,
        src: Iterable[Ref] = (),
        numbers: Sequence[float] | npt.NDArray[np.float64] = (),
        integers: Iterable[int] = (),
        table: int = -1,
        wide: bool = False,
        width: int = 1,
    ) -> Ref:
        """The node that computes this; its first register."""
        sources, whole = tuple(src), tuple(int(one) for one in integers)
        parameters = np.asarray(numbers, np.float64) if len(numbers) else _NONE
        inputs = tuple((id(one.node), one.part) for one in sources)
        # By their bits: 0 and -0 are different parameters, and NaN is the same as itself.
        key = (op, kind, inputs, parameters.tobytes(), whole, table, wide, width)
        node = self._nodes.get(key)
        if node is None:
            node = Node(op, kind, sources, tuple(parameters.tolist()), whole, table, wide, width)
            self._nodes[key] = node
        return Ref(node)

    def table(
        self,
        text: bool,
        categories: Sequence[str] | Sequence[float],
        codes: Sequence[int],
        missing: int,
        unknown: int,
    ) -> int:
        """Index of the table with these entries: of texts, or of numbers."""
        key = (text, tuple(categories), tuple(codes), missing, unknown)
        if key not in self._table_of:
            stored = [str(one) for one in categories] if text else np.asarray(categories, np.float64)
            self._table_of[key] = len(self.tables)
            self.tables.append(Table(stored, np.asarray(codes, np.int32), missing, unknown))
        return self._table_of[key]

    def text(self, text: str) -> int:
        """Index of a text among the constants."""
        if text not in self._text_of:
            self._text_of[text] = len(self.texts)
            self.texts.append(text)
        return self._text_of[text]
