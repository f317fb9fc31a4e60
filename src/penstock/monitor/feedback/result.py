"""What became of labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["JoinResult"]


@dataclass(frozen=True, kw_only=True, eq=False)
class JoinResult:
    """Rows that got their label, and how many labels did not come to one.

    Attributes
    ----------
    joined : pyarrow.Table
        A row for each label that was joined: ``id``, ``version``, ``time`` of the answer, ``label_time``,
        ``label`` (float64, or text), the outputs, the columns of slices and groups. A column named as one
        of the first five is ``output.NAME`` or ``input.NAME``.
    waiting : int
        Labels whose id was not answered so far; each is joined, late or unknown later.
    unknown : int
        No such id was answered, or before the process began and was not logged.
    late : int
        The id was answered, but is no longer held.
    duplicate : int
        The row has this label already.
    contradictory : int
        The row has another label already, which stays.
    invalid : int
        No id, no label, NaN or infinite, or not of the kind of the labels before.
    """

    joined: pa.Table
    waiting: int = 0
    unknown: int = 0
    late: int = 0
    duplicate: int = 0
    contradictory: int = 0
    invalid: int = 0

    @property
    def rows(self) -> int:
        """Labels that were joined."""
        return int(self.joined.num_rows)

    def output(self, name: str) -> pa.ChunkedArray:
        """Return a column of the answer by the name of the output, such as ``label`` or ``p[1]``."""
        renamed = f"output.{name}"
        return self.joined.column(renamed if renamed in self.joined.column_names else name)

    @staticmethod
    def of_none(**counts: int) -> JoinResult:
        """Return counts of labels of which none was joined."""
        import pyarrow as pa

        return JoinResult(joined=pa.table({}), **counts)

    @staticmethod
    def merged(results: Sequence[JoinResult]) -> JoinResult:
        """Return all together; of none a result of no label."""
        import pyarrow as pa

        tables = [result.joined for result in results if result.rows]
        joined = pa.concat_tables(tables, promote_options="permissive") if tables else pa.table({})
        counts = [field.name for field in fields(JoinResult) if field.name != "joined"]
        return JoinResult(
            joined=joined, **{name: sum(getattr(result, name) for result in results) for name in counts}
        )
