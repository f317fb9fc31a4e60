"""What goes into the outputs, and where: runs of one-hot columns by their code, all else in groups.

Read next: schedule.py.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from penstock.errors import TransformError
from penstock.transform.lower.graph import Node, Ref
from penstock.transform.lower.value import Group, Hot, Value
from penstock.transform.spec import Output
from penstock.transform.types import type_class

__all__ = ["stores"]

STORED_TOGETHER = 32  # registers that wait for one store: enough to write whole cache lines of a row
LOOKUPS_OF_A_GROUP = 2  # a lookup costs more than comparing a code; beyond, columns are made one by one


class _Run(NamedTuple):
    """Values side by side in an output, from ``column`` on; of one group, or of none."""

    column: int
    values: list[Value]
    group: Group | None


def stores(outputs: tuple[Output, ...], values: Mapping[str, Value]) -> list[Node]:
    """Nodes that fill every column of the outputs, in the order of the columns."""
    runs = []
    for output in outputs:
        columns = [values[name] for name in output.values]
        for value in columns:
            _check(output, value)
        runs.append(list(_runs(columns)))
    selections: dict[Group, set[tuple[int, ...]]] = defaultdict(set)
    for run in (run for of_output in runs for run in of_output):
        if run.group is not None:
            selections[run.group].add(_indices(run))

    nodes: list[Node] = []
    for position, (output, of_output) in enumerate(zip(outputs, runs, strict=True)):
        pending = _Pending(position, output.dtype, nodes)
        for run in of_output:
            code = None
            if run.group is not None and len(selections[run.group]) <= LOOKUPS_OF_A_GROUP:
                code = run.group.select(_indices(run))
            if code is None:
                pending.extend(run.column, run.values)
                continue
            pending.flush()
            where = (position, run.column, len(run.values))
            nodes.append(Node("store_one_hot", "", (code,), (1.0, 0.0), where, -1, False, 0))
        pending.flush()
    return nodes


class _Pending:
    """Values that wait to be stored together."""

    def __init__(self, output: int, dtype: str, nodes: list[Node]) -> None:
        self._output = output
        self._dtype = dtype
        self._nodes = nodes
        self._column = 0
        self._refs: list[Ref] = []

    def extend(self, column: int, values: list[Value]) -> None:
        for i, value in enumerate(values):
            if not self._refs:
                self._column = column + i
            self._refs.append(value.stored(self._dtype))
            if len(self._refs) == STORED_TOGETHER:
                self.flush()

    def flush(self) -> None:
        if self._refs:
            where = (self._output, self._column)
            self._nodes.append(Node("store", "", tuple(self._refs), (), where, -1, False, 0))
        self._refs = []


def _runs(columns: list[Value]) -> Iterator[_Run]:
    start = 0
    while start < len(columns):
        first = columns[start]
        group = first.group if isinstance(first, Hot) else None
        end, seen = start, set[int]()
        while end < len(columns):
            value = columns[end]
            if (value.group if isinstance(value, Hot) else None) is not group:
                break
            if isinstance(value, Hot):
                if value.index in seen:
                    break
                seen.add(value.index)
            end += 1
        yield _Run(start, columns[start:end], group)
        start = end


def _indices(run: _Run) -> tuple[int, ...]:
    return tuple(value.index for value in run.values if isinstance(value, Hot))


def _check(output: Output, value: Value) -> None:
    kind = type_class(value.type)
    if kind == "text" or (kind == "time" and output.dtype != "int64"):
        raise TransformError(
            f'output "{output.name}" ({output.dtype}): value "{value.name}" is of type {value.type}; '
            f"expected a number{'' if kind == 'text' else ', as date_part makes'}"
        )
