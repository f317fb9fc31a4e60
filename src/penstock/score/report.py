"""What a run has done."""

from __future__ import annotations

from typing import Any

import msgspec

from penstock.score.manifest import Failure

__all__ = ["Report"]


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What a run has done.

    Attributes
    ----------
    out : str
        Directory of the output.
    rows : int
        In the output, those of earlier runs included.
    units : int
        Files of the output.
    rows_scored, units_scored : int
        By this run; the rest was there already.
    seconds : float
        Of this run, loading the model included.
    failed : tuple of Failure
        Inputs that could not be scored, or parts of them.
    """

    out: str
    rows: int
    units: int
    rows_scored: int
    units_scored: int
    seconds: float
    failed: tuple[Failure, ...] = ()

    @property
    def rate(self) -> float:
        """Rows a second of this run."""
        return self.rows_scored / self.seconds if self.seconds > 0 else 0.0

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return {**msgspec.to_builtins(self), "rows_per_s": self.rate}
