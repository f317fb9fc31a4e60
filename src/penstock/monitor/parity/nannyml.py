"""The verdicts of NannyML 0.13.1's univariate drift, chunk by chunk, for the same data.

Read next: nannyml_methods.py; all features together: nannyml_multivariate.py.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from penstock.errors import ConfigError
from penstock.monitor.parity.chunks import bounds_of, thresholds
from penstock.monitor.parity.column import Column, chosen, columns_of
from penstock.monitor.parity.nannyml_methods import (
    CATEGORICAL,
    CONTINUOUS,
    MOST,
    Method,
    chi_square_p_value,
)
from penstock.monitor.parity.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["VERSION", "NannymlVerdicts", "univariate"]

VERSION: Final = "0.13.1"

_LEVEL: Final = 0.05


@dataclass(frozen=True)
class NannymlVerdicts:
    """What NannyML would say of two data sets.

    Attributes
    ----------
    columns : mapping of str to tuple of Verdict
        One a chunk of the current data and method, in order; of all features together under their names.
    left_out : mapping of str to str
        Columns that it does not compare, and why.
    """

    columns: Mapping[str, tuple[Verdict, ...]]
    left_out: Mapping[str, str]

    @property
    def drifted(self) -> tuple[str, ...]:
        """Columns with an alert in any chunk."""
        return tuple(name for name, found in self.columns.items() if any(one.drift for one in found))

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, for JSON."""
        return {
            "library": f"nannyml {VERSION}",
            "drifted": list(self.drifted),
            "columns": {name: [one.to_dict() for one in found] for name, found in self.columns.items()},
            "left_out": dict(self.left_out),
        }


def univariate(
    reference: Any,
    current: Any,
    *,
    chunks: int = 10,
    columns: Sequence[str] | None = None,
    continuous: Sequence[str] = ("jensen_shannon",),
    categorical: Sequence[str] = ("jensen_shannon",),
) -> NannymlVerdicts:
    """Return the verdicts of NannyML on each column of each chunk.

    Parameters
    ----------
    reference, current : Arrow table, data frame or dict
        In memory, in the order in which rows came.
    chunks : int, default 10
        Into which each side is cut; rows left over are one more.
    columns : sequence of str, optional
        All of the current data by default.
    continuous, categorical : sequence of str
        Methods: see :mod:`penstock.monitor.parity.nannyml_methods`.

    Returns
    -------
    NannymlVerdicts

    Raises
    ------
    SignatureError
        Where a side lacks a column.
    ConfigError
        Where there are fewer rows than chunks, or no method of a name.

    Notes
    -----
    A value alarms above mean + 3 standard deviations of the chunks of the reference, each compared with the
    whole of it; ``chi2`` alarms by its p-value, below 0.05. Values are within 1e-9 of NannyML's.
    """
    _check_methods("continuous", continuous, CONTINUOUS)
    _check_methods("categorical", categorical, CATEGORICAL)
    before, after = columns_of(reference), columns_of(current)
    found: dict[str, tuple[Verdict, ...]] = {}
    left_out: dict[str, str] = {}
    for name in chosen(before, after, columns):
        column = before[name]
        if column.kind == "other" or not len(column.present):
            left_out[name] = "neither numbers nor text, or without a value in the reference"
            continue
        numbers = column.kind in ("float", "int", "unsigned")
        verdicts: list[Verdict] = []
        for method in continuous if numbers else categorical:
            fitted = (CONTINUOUS if numbers else CATEGORICAL)[method](column)
            verdicts += _verdicts(method, fitted, column, after[name], chunks)
        found[name] = tuple(verdicts)
    return NannymlVerdicts(found, left_out)


def _check_methods(what: str, names: Sequence[str], known: Mapping[str, Any]) -> None:
    for name in names:
        if name not in known:
            raise ConfigError(f'{what}: expected methods among {", ".join(known)}, got "{name}"')


def _verdicts(name: str, method: Method, before: Column, after: Column, chunks: int) -> list[Verdict]:
    def value(chunk: Column) -> float:
        return method(chunk) if len(chunk.present) else math.nan

    of_reference = [value(before.rows(*bounds)) for bounds in bounds_of(len(before), chunks)]
    _, upper = thresholds(of_reference, low=False, most=MOST.get(name, math.inf))
    verdicts = []
    for index, bounds in enumerate(bounds_of(len(after), chunks)):
        chunk = after.rows(*bounds)
        score = value(chunk)
        drift = score > upper
        if name == "chi2":
            drift = len(chunk.present) > 0 and chi_square_p_value(before, chunk) < _LEVEL
        threshold = math.nan if name == "chi2" else upper
        verdicts.append(Verdict(test=name, score=score, threshold=threshold, drift=drift, chunk=index))
    return verdicts
