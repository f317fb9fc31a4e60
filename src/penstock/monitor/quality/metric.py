"""One metric with its interval."""

from __future__ import annotations

import math
from dataclasses import dataclass

__all__ = ["Metric"]


@dataclass(frozen=True, slots=True)
class Metric:
    """A number with an interval.

    Attributes
    ----------
    value : float
        NaN where it is not defined: no rows, or one class alone.
    low, high : float
        Of the confidence interval.
    rows : int
        What it is measured on: of a precision the rows that were selected, of a recall the positive ones.
    """

    value: float
    low: float
    high: float
    rows: int

    @classmethod
    def undefined(cls, rows: int = 0) -> Metric:
        """Return a metric without a value."""
        return cls(math.nan, math.nan, math.nan, rows)

    def to_dict(self) -> dict[str, float | int | None]:
        """Return plain values, for JSON; None where a number is not defined."""
        plain = {name: getattr(self, name) for name in ("value", "low", "high")}
        return {
            **{name: float(value) if math.isfinite(value) else None for name, value in plain.items()},
            "rows": self.rows,
        }
