"""What another library would say of one column."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

__all__ = ["Verdict", "plain"]


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """One verdict.

    Attributes
    ----------
    test : str
        By the name that the library gives it.
    score : float
        NaN where it has no value.
    threshold : float
        NaN where there is none.
    drift : bool
    chunk : int
        Counted from 0; 0 where the data are compared as a whole.
    """

    test: str
    score: float
    threshold: float
    drift: bool
    chunk: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, for JSON; None where a number is not defined."""
        return {
            "test": self.test,
            "score": plain(self.score),
            "threshold": plain(self.threshold),
            "drift": self.drift,
            "chunk": self.chunk,
        }


def plain(value: float) -> float | None:
    """Return a number, or None where it is not finite."""
    return float(value) if math.isfinite(value) else None
