"""Answered rows that can be joined: some thousand each, in the order in which they were answered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from penstock.monitor.feedback.labels import Classes, Labels
from penstock.monitor.feedback.result import JoinResult
from penstock.monitor.log._log import Chunk, Index
from penstock.monitor.log.table import slot_columns

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Segment", "free_name"]

_LEADING: Final = ("id", "version", "time", "label_time", "label")


def free_name(name: str, output: bool) -> str:
    """Return the name of a column beside those that every joined table has."""
    return f"{'output' if output else 'input'}.{name}" if name in _LEADING else name


@dataclass
class Segment:
    """Rows, and the labels that they have.

    Attributes
    ----------
    index : Index
        Which rows an id has.
    columns : pyarrow.Table
        What is kept of each row.
    labels : ndarray of float64, optional
        NaN where there is none; nothing until the first one.
    """

    index: Index
    columns: pa.Table
    labels: np.ndarray[Any, np.dtype[np.float64]] | None = None

    @classmethod
    def of_chunk(cls, chunk: Chunk) -> Segment:
        """Return the rows of a chunk, copied."""
        import pyarrow as pa

        columns = {}
        for number, slot in enumerate(chunk.slots):
            for name, column in slot_columns(chunk, number, slot, copy=True).items():
                columns[free_name(name, slot.output)] = column
        # Rows without a column are rows still: the index counts them.
        return cls(chunk.index(), pa.table(columns))

    def __len__(self) -> int:
        return len(self.index)

    @property
    def size_bytes(self) -> int:
        """Bytes that it takes."""
        labels = 0 if self.labels is None else self.labels.nbytes
        return self.index.size_bytes + int(self.columns.nbytes) + labels

    def merged(self, newer: Segment) -> Segment | None:
        """Return both; None where they are not of the same columns."""
        import pyarrow as pa

        if not self.columns.schema.equals(newer.columns.schema):
            return None
        labels = None
        if self.labels is not None or newer.labels is not None:
            labels = np.concatenate([self._labels(), newer._labels()])
        return Segment(
            Index.merged(self.index, newer.index),
            pa.concat_tables([self.columns, newer.columns]).combine_chunks(),
            labels,
        )

    def join(
        self,
        labels: Labels,
        classes: Classes,
        entries: np.ndarray[Any, np.dtype[np.int64]],
        rows: np.ndarray[Any, np.dtype[np.int64]],
    ) -> JoinResult:
        """Give rows of this segment their labels; the first label of a row stays."""
        held = self._labels()
        before = held[rows]
        _, first, inverse = np.unique(rows, return_index=True, return_inverse=True)
        fresh = np.zeros(len(rows), bool)
        fresh[first] = True
        fresh &= np.isnan(before)
        stays = np.where(np.isnan(before), labels.numbers[first][inverse], before)
        same = labels.numbers == stays
        held[rows[fresh]] = labels.numbers[fresh]
        self.labels = held
        return JoinResult(
            joined=self._joined(labels.only(fresh), classes, entries[fresh], rows[fresh]),
            duplicate=int(np.count_nonzero(~fresh & same)),
            contradictory=int(np.count_nonzero(~fresh & ~same)),
        )

    def _labels(self) -> np.ndarray[Any, np.dtype[np.float64]]:
        return np.full(len(self), np.nan) if self.labels is None else self.labels

    def _joined(
        self,
        labels: Labels,
        classes: Classes,
        entries: np.ndarray[Any, np.dtype[np.int64]],
        rows: np.ndarray[Any, np.dtype[np.int64]],
    ) -> pa.Table:
        import pyarrow as pa

        moment = pa.timestamp("us", tz="UTC")
        columns = {
            "id": labels.ids,
            "version": pa.array(self.index.versions()[entries]),
            "time": pa.array(self.index.times_us()[entries]).cast(moment),
            "label_time": pa.array(labels.times_us).cast(moment),
            "label": classes.labels(labels.numbers),
        }
        taken = self.columns.take(pa.array(rows)) if self.columns.num_columns else self.columns
        return pa.table(columns | {name: taken.column(name) for name in taken.column_names})
