"""Values while a spec is lowered: raw columns, computed registers, and columns of one-hot groups.

A value gives a register of the kind that is asked for, or, where it has a
:class:`Source`, lets lookups read the raw column. Read next: lowering.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from penstock.transform.instructions import NO_CODE
from penstock.transform.lower.coding import Coding, Source
from penstock.transform.lower.graph import Graph, Ref
from penstock.transform.lower.lowered import Lookup
from penstock.transform.types import register_kind, type_class

__all__ = ["Computed", "Group", "Hot", "Raw", "Text", "Value"]


class Value:
    """A named column of a known type.

    Attributes
    ----------
    name, type : str
    source : Source or None
        The raw column behind it, where only imputation lies between.
    """

    def __init__(self, graph: Graph, name: str, kind: str, source: Source | None = None) -> None:
        self.graph = graph
        self.name = name
        self.type = kind
        self.source = source

    def register(self) -> Ref:
        """A register that holds it, of the kind that suits its type."""
        raise NotImplementedError

    def number(self, kind: str) -> Ref:
        """A register of ``kind``, ``float`` or ``double``."""
        ref = self.register()
        return ref if ref.kind == kind else self.graph.add("cast", kind, (ref,))

    def integer(self) -> Ref:
        """A register of kind ``int``."""
        ref = self.register()
        if ref.kind == "code":
            ref = self.number("double")
        return ref if ref.kind == "int" else self.graph.add("cast", "int", (ref,))

    def text(self) -> Ref:
        """A register of kind ``text``."""
        raise NotImplementedError

    def stored(self, dtype: str) -> Ref:
        """A register to store into an output of ``dtype``."""
        ref = self.register()
        return self.number(register_kind(self.type)) if ref.kind == "code" else ref

    def lookup(self, coding: Coding, warns: bool = False) -> Ref:
        """Codes of its categories."""
        if self.source is not None:
            return self.source.lookup(self.graph, coding, warns)
        table = self.graph.table(False, coding.categories, coding.codes, coding.missing, coding.unknown)
        ref = self.graph.add("find_number", "code", (self.number(register_kind(self.type)),), table=table)
        known = ref.node.lookup
        warns = warns or (known is not None and known.warns)
        ref.node.lookup = Lookup(self.name, coding.categories, coding.refuses, warns)
        return ref


class Raw(Value):
    """A raw column of numbers or times, converted as it is loaded."""

    def __init__(self, graph: Graph, name: str, kind: str, column: int) -> None:
        super().__init__(graph, name, kind, Source(column, name, text=False))
        self._column = column

    def register(self) -> Ref:
        """A register that holds it, of the kind that suits its type."""
        return self.integer() if type_class(self.type) == "time" else self.number(register_kind(self.type))

    def number(self, kind: str) -> Ref:
        """The column, converted straight from its own type."""
        return self.graph.add("load", kind, integers=(self._column,))

    def integer(self) -> Ref:
        """The column as whole numbers; fractions are cut."""
        if self.type.startswith("float"):
            return self.graph.add("cast", "int", (self.number("double"),))
        return self.graph.add("load", "int", integers=(self._column,))

    def stored(self, dtype: str) -> Ref:
        """The column, converted once."""
        if dtype in ("float32", "float64"):
            return self.number(register_kind(dtype))
        return self.number(register_kind(self.type)) if self.type.startswith("float") else self.integer()


class Text(Value):
    """A raw column of texts, with what was filled in."""

    source: Source

    def __init__(self, graph: Graph, name: str, source: Source) -> None:
        super().__init__(graph, name, "string", source)

    def text(self) -> Ref:
        """The texts, missing ones filled."""
        table = -1
        if self.source.missing:
            codes = [NO_CODE] * len(self.source.missing)
            table = self.graph.table(True, self.source.missing, codes, NO_CODE, NO_CODE)
        ref = self.graph.add("load", "text", integers=(self.source.column,), table=table)
        for match, fill in self.source.fills:
            match_text = -1 if match is None else self.graph.text(str(match))
            ref = self.graph.add(
                "fill_text", "text", (ref,), integers=(self.graph.text(str(fill)), match_text)
            )
        return ref


class Computed(Value):
    """What a node gives."""

    def __init__(self, graph: Graph, name: str, kind: str, ref: Ref, source: Source | None = None) -> None:
        super().__init__(graph, name, kind, source)
        self._ref = ref

    def register(self) -> Ref:
        """The register that the node gives."""
        return self._ref


class Group:
    """Columns of which at most one is 1 in a row: those of one code.

    Attributes
    ----------
    width : int
    """

    def __init__(
        self, width: int, code: Callable[[], Ref], select: Callable[[Sequence[int]], Ref] | None
    ) -> None:
        self.width = width
        self._code = code
        self._select = select

    def code(self) -> Ref:
        """The column that is 1, for every row."""
        return self._code()

    def select(self, columns: Sequence[int]) -> Ref | None:
        """The position in ``columns`` of the one that is 1, or None where that takes more than a table."""
        if list(columns) == list(range(self.width)):
            return self._code()
        return None if self._select is None else self._select(columns)


class Hot(Value):
    """One column of a group: 1 or 0. It needs a register only where it is computed on."""

    def __init__(self, graph: Graph, name: str, kind: str, group: Group, index: int) -> None:
        super().__init__(graph, name, kind)
        self.group = group
        self.index = index

    def register(self) -> Ref:
        """1 where the group's code is this column's."""
        kind = register_kind(self.type)
        return self.graph.add("equals_code", kind, (self.group.code(),), integers=(self.index,))
