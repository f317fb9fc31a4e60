"""What was counted of joined labels: of all rows, and by the values of the columns of slices and groups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from penstock.errors import ConfigError
from penstock.monitor.quality.counts import QualityCounts
from penstock.monitor.quality.encoding import read, write
from penstock.monitor.quality.slices import count_slices, merge_slices
from penstock.monitor.quality.target import Target

if TYPE_CHECKING:
    from penstock.monitor.feedback.result import JoinResult

__all__ = ["SlicedCounts"]


@dataclass(frozen=True)
class SlicedCounts:
    """Counts of labelled rows of one version and span of time. A value: it merges.

    Attributes
    ----------
    counts : QualityCounts
        Of all rows.
    slices : dict of str to dict of str to QualityCounts
        By column, then by value; at most 50 values a column, the rest together.
    """

    counts: QualityCounts
    slices: Mapping[str, Mapping[str, QualityCounts]]

    __hash__ = None  # type: ignore[assignment]

    @classmethod
    def of(cls, target: Target, result: JoinResult, columns: Sequence[str] = ()) -> SlicedCounts:
        """Count labels that were joined.

        Parameters
        ----------
        target : Target
        result : JoinResult
        columns : sequence of str
            Of slices and groups.

        Raises
        ------
        SignatureError
            Where an output of the prediction is not there.
        """
        if not result.rows:
            return cls.empty(target, columns)
        labels: Any = result.joined.column("label")
        predictions = {name: result.output(name) for name in target.prediction if _has(result, name)}
        return cls(
            QualityCounts.of(target, labels, predictions),
            {
                column: count_slices(target, labels, predictions, result.joined.column(column))
                for column in dict.fromkeys(columns)
            },
        )

    @classmethod
    def empty(cls, target: Target, columns: Sequence[str] = ()) -> SlicedCounts:
        """Return the counts of no row."""
        return cls(QualityCounts.empty(target), {column: {} for column in dict.fromkeys(columns)})

    def merge(self, other: SlicedCounts) -> SlicedCounts:
        """Return the counts of both together.

        Raises
        ------
        ConfigError
            Where they are of other columns, or of another task, classes or threshold.
        """
        if set(self.slices) != set(other.slices):
            raise ConfigError(
                f"expected counts by the columns {sorted(self.slices)}, got {sorted(other.slices)}"
            )
        return SlicedCounts(
            self.counts.merge(other.counts),
            {column: merge_slices(found, other.slices[column]) for column, found in self.slices.items()},
        )

    def to_bytes(self) -> bytes:
        """Return this as bytes, versioned and with a digest; no pickle."""
        return write(
            _Sliced(
                self.counts.to_bytes(),
                {
                    column: {value: counts.to_bytes() for value, counts in found.items()}
                    for column, found in self.slices.items()
                },
            )
        )

    @classmethod
    def from_bytes(cls, data: bytes, source: str = "quality") -> SlicedCounts:
        """Read what :meth:`to_bytes` wrote.

        Raises
        ------
        BundleError
            Where it is damaged, truncated, or of a newer format.
        """
        parts = read(data, _Sliced, source)
        return cls(
            QualityCounts.from_bytes(parts.counts, source),
            {
                column: {value: QualityCounts.from_bytes(part, source) for value, part in found.items()}
                for column, found in parts.slices.items()
            },
        )


class _Sliced(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    counts: bytes
    slices: dict[str, dict[str, bytes]]


def _has(result: JoinResult, name: str) -> bool:
    names = result.joined.column_names
    return name in names or f"output.{name}" in names
