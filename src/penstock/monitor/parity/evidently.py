"""The verdicts of Evidently 0.7.23's data drift preset, with its defaults, for the same data.

Read next: column.py, kolmogorov_smirnov.py.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from penstock.errors import ConfigError
from penstock.monitor.calibration.gamma import chi_square_tail
from penstock.monitor.parity import kolmogorov_smirnov
from penstock.monitor.parity.column import Column, chosen, columns_of, counted
from penstock.monitor.parity.distances import jensen_shannon, wasserstein
from penstock.monitor.parity.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["VERSION", "EvidentlyVerdicts", "verdicts"]

VERSION: Final = "0.7.23"

_FEW_ROWS: Final = 1000
_FEW_VALUES: Final = 5
_HISTOGRAM_VALUES: Final = 20
_CATEGORICAL_INTEGERS: Final = 10
_LEVEL: Final = 0.05
_DISTANCE: Final = 0.1
_SMALLEST_DEVIATION: Final = 0.001


@dataclass(frozen=True)
class EvidentlyVerdicts:
    """What Evidently would say of two data sets.

    Attributes
    ----------
    columns : mapping of str to Verdict
    left_out : mapping of str to str
        Columns that it compares in another way or not at all, and why.
    drift_share : float
        Share of columns from which on the data set drifts.
    """

    columns: Mapping[str, Verdict]
    left_out: Mapping[str, str]
    drift_share: float

    @property
    def drifted(self) -> int:
        """Columns that drift."""
        return sum(verdict.drift for verdict in self.columns.values())

    @property
    def share(self) -> float:
        """Share of the columns that drift; NaN of none."""
        return self.drifted / len(self.columns) if self.columns else math.nan

    @property
    def drift(self) -> bool:
        """Whether the data set drifts."""
        return self.share >= self.drift_share

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, for JSON."""
        return {
            "library": f"evidently {VERSION}",
            "drift": self.drift,
            "drifted": self.drifted,
            "share": None if math.isnan(self.share) else self.share,
            "drift_share": self.drift_share,
            "columns": {name: [verdict.to_dict()] for name, verdict in self.columns.items()},
            "left_out": dict(self.left_out),
        }


def verdicts(
    reference: Any,
    current: Any,
    *,
    columns: Sequence[str] | None = None,
    drift_share: float = 0.5,
) -> EvidentlyVerdicts:
    """Return the verdicts of Evidently on each column, and on the data set.

    Parameters
    ----------
    reference, current : Arrow table, data frame or dict
        In memory.
    columns : sequence of str, optional
        All of the current data by default.
    drift_share : float, default 0.5

    Returns
    -------
    EvidentlyVerdicts

    Raises
    ------
    SignatureError
        Where a side lacks a column.
    ConfigError
        Where a column has no value on one side: Evidently compares nothing then.

    Notes
    -----
    A column is what its current values are: numbers with a fraction numerical, whole ones with at most ten
    values categorical, text categorical unless most values come once. With at most 1,000 reference rows the
    verdict is a test at 0.05, beyond them a distance of at least 0.1; the rules are in the facts of
    ``docs/multivariate.md``. p-values are within 1e-6 of those of scipy 1.17, relative above 1e-9, and the
    same verdict. Text that Evidently takes as prose is left out, as are its unknown types.
    """
    before, after = columns_of(reference), columns_of(current)
    found: dict[str, Verdict] = {}
    left_out: dict[str, str] = {}
    for name in chosen(before, after, columns):
        kind, reason = _kind(after[name])
        if kind is None:
            left_out[name] = reason
            continue
        for what, side in (("reference", before[name]), ("current", after[name])):
            if not len(side.finite):
                raise ConfigError(f'column "{name}": the {what} data have no value, and Evidently refuses it')
        found[name] = _verdict(before[name], after[name], kind)
    return EvidentlyVerdicts(found, left_out, drift_share)


def _kind(column: Column) -> tuple[str | None, str]:
    if column.kind == "float":
        return "num", ""
    if column.kind in ("bool", "category"):
        return "cat", ""
    distinct = len(np.unique(column.present))
    if column.kind == "int":
        return "cat" if distinct <= _CATEGORICAL_INTEGERS else "num", ""
    if column.kind == "text" and len(column.present):
        if distinct > 0.5 * len(column.present):
            return None, "most texts come once: Evidently compares it as prose"
        return "cat", ""
    return None, "of a type that Evidently leaves out"


def _verdict(before: Column, after: Column, kind: str) -> Verdict:
    counts = before.count(before.finite), after.count(after.finite)
    values = len({**counts[0], **counts[1]})
    numbers = kind == "num" and values > _FEW_VALUES
    if len(before.finite) > _FEW_ROWS:
        if numbers:
            return _distance("Wasserstein distance (normed)", _normed(before, after))
        return _distance("Jensen-Shannon distance", _jensen_shannon(before, after, counts, kind))
    if numbers:
        gap = kolmogorov_smirnov.distance(before.finite, after.finite)
        p = kolmogorov_smirnov.p_value(gap, len(before.finite), len(after.finite))
        return Verdict(test="K-S p_value", score=p, threshold=_LEVEL, drift=p <= _LEVEL)
    if values > 2:
        p = _chi_square(*counted(*counts))
        return Verdict(test="chi-square p_value", score=p, threshold=_LEVEL, drift=p < _LEVEL)
    p = _proportions(*counts)
    return Verdict(test="Z-test p_value", score=p, threshold=_LEVEL, drift=p < _LEVEL)


def _distance(name: str, value: float) -> Verdict:
    return Verdict(test=name, score=value, threshold=_DISTANCE, drift=value >= _DISTANCE)


def _normed(before: Column, after: Column) -> float:
    deviation = max(float(np.std(before.finite)), _SMALLEST_DEVIATION)
    return wasserstein(before.finite, after.finite) / deviation


def _jensen_shannon(
    before: Column, after: Column, counts: tuple[dict[Any, int], dict[Any, int]], kind: str
) -> float:
    if kind == "num" and len(counts[0]) > _HISTOGRAM_VALUES:
        edges = np.histogram_bin_edges(np.concatenate([before.finite, after.finite]), bins="sturges")
        first, second = (np.histogram(side.finite, edges)[0] for side in (before, after))
    else:
        first, second = counted(*counts)
    return jensen_shannon(first / len(before.finite), second / len(after.finite))


def _chi_square(before: Any, after: Any) -> float:
    """Return the p-value of counts against those expected of the reference, taken as known."""
    expected = before * (after.sum() / before.sum())
    if np.any((expected == 0) & (after > 0)):
        return 0.0
    some = expected > 0
    return chi_square_tail(float(((after - expected)[some] ** 2 / expected[some]).sum()), len(before) - 1)


def _proportions(before: Mapping[Any, int], after: Mapping[Any, int]) -> float:
    """Return the p-value of two shares, by the normal law with the pooled variance."""
    keys = sorted({**before, **after})
    if len(keys) == 1:
        return 1.0
    n, m = sum(before.values()), sum(after.values())
    p, q = (1 - before.get(keys[0], 0) / n), (1 - after.get(keys[0], 0) / m)
    pooled = (p * n + q * m) / (n + m)
    z = (p - q) / math.sqrt(pooled * (1 - pooled) * (1 / n + 1 / m))
    return math.erfc(abs(z) / math.sqrt(2))
