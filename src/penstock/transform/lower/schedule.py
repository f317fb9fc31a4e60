"""An order for the nodes, and registers that are used again as soon as nobody needs what they hold.

Read next: csrc/transform/program.h.
"""

from __future__ import annotations

from bisect import insort
from collections import defaultdict
from collections.abc import Iterable

from penstock.transform.instructions import Instruction
from penstock.transform.lower.graph import Node, Ref

__all__ = ["assign_registers", "order"]

IN_PLACE = frozenset(
    (
        *("add", "subtract", "multiply", "divide", "clip", "unary", "box_cox", "yeo_johnson", "quantile"),
        *("fill_missing", "fill_equal", "fill_text"),
    )
)
"""Instructions whose result may go where their input was."""


def order(stores: Iterable[Node]) -> list[Node]:
    """Every node that the stores need, each after what it reads and as late as its first reader allows."""
    done: set[int] = set()
    ordered = []
    for store in stores:
        stack = [(store, False)]
        while stack:
            node, ready = stack.pop()
            if id(node) in done:
                continue
            if ready:
                done.add(id(node))
                ordered.append(node)
                continue
            stack.append((node, True))
            stack.extend((ref.node, False) for ref in reversed(node.src) if id(ref.node) not in done)
    return ordered


def assign_registers(nodes: list[Node]) -> tuple[list[str], list[Instruction]]:
    """Kinds of the registers, and the nodes as instructions over them."""
    last_read: dict[Ref, int] = {}
    for position, node in enumerate(nodes):
        for ref in node.src:
            last_read[ref] = position

    pool = _Pool()
    place: dict[Ref, int] = {}
    instructions = []
    for position, node in enumerate(nodes):
        src = tuple(place[ref] for ref in node.src)
        dying = [ref for ref in dict.fromkeys(node.src) if last_read[ref] == position]
        if node.op in IN_PLACE:
            pool.release(place[ref] for ref in dying)
            dying = []
        dst = pool.take(node.kind, node.width) if node.width else -1
        pool.release(place[ref] for ref in dying)
        for part in range(node.width):
            ref = Ref(node, part)
            place[ref] = dst + part
            if ref not in last_read:
                pool.release([dst + part])
        instructions.append(
            Instruction(node.op, dst, src, node.numbers, node.integers, node.table, node.wide)
        )
    return pool.kinds, instructions


class _Pool:
    """Registers, and which of them are free."""

    def __init__(self) -> None:
        self.kinds: list[str] = []
        self._free: dict[str, list[int]] = defaultdict(list)

    def take(self, kind: str, width: int) -> int:
        """The first of ``width`` registers side by side: the lowest that are free, or new ones."""
        free = self._free[kind]
        for i in range(len(free) - width + 1):
            if free[i + width - 1] - free[i] == width - 1:
                first = free[i]
                del free[i : i + width]
                return first
        first = len(self.kinds)
        self.kinds.extend([kind] * width)
        return first

    def release(self, registers: Iterable[int]) -> None:
        for register in registers:
            insort(self._free[self.kinds[register]], register)
