"""What lowering gives: all that a compiled program is made of, and what its errors and statistics need.

Read next: lowering.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from penstock.transform.instructions import Instruction, Table

__all__ = ["Lookup", "Lowered"]


@dataclass
class Lookup:
    """What an instruction that looks categories up says of itself.

    Attributes
    ----------
    column : str
        The raw column that it reads, or the value.
    categories : sequence of str or float
        What it knows.
    refuses : bool
        Whether there are values that it refuses.
    warns : bool
        Whether a batch with unknown values deserves a warning.
    """

    column: str
    categories: Sequence[str] | Sequence[float]
    refuses: bool
    warns: bool = False


@dataclass(frozen=True)
class Lowered:
    """A program before it is compiled.

    Attributes
    ----------
    columns : tuple of str
        Raw columns, in the order of the spec: what an instruction's column number means.
    registers : list of str
        Kind of each, see :data:`penstock.transform.instructions.KINDS`.
    instructions : list of Instruction
    tables : list of Table
    texts : list of str
    outputs : list of (str, int)
        Type and width of each.
    lookups : dict of int to Lookup
        By position of the instruction. A column that is looked up more than once counts its unknown values
        each time.
    holds : tuple of object
        What must live as long as the program: compiled expressions.
    """

    columns: tuple[str, ...]
    registers: list[str]
    instructions: list[Instruction]
    tables: list[Table]
    texts: list[str]
    outputs: list[tuple[str, int]]
    lookups: dict[int, Lookup]
    holds: tuple[object, ...] = ()

    @property
    def refusal_of(self) -> dict[int, Lookup]:
        """The lookups that may refuse a row, by position of the instruction."""
        return {position: lookup for position, lookup in self.lookups.items() if lookup.refuses}
