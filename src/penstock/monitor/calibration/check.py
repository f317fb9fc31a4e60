"""One question about a feature, and how likely its answer is when nothing moved."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Check"]


@dataclass(frozen=True, kw_only=True)
class Check:
    """A test of one way in which a feature can move.

    Attributes
    ----------
    name : str
        ``cramer_von_mises``, ``chi2``, ``missing``, ``infinite``, ``out_of_range`` or ``unseen``.
    value : float
        Of the statistic that was tested.
    p_value : float
        The chance of such a value, or one further out, when nothing moved. Of this check alone.
    effect : float
        The largest change in the share of rows that it looks at, 0 to 1: below a value, in one interval or
        category, without a value, out of range, unseen.
    reason : str
        What moved, in words.
    adjusted : float
        The p-value after the correction for all checks of the model.
    alarm : bool
    """

    name: str
    value: float
    p_value: float
    effect: float
    reason: str
    adjusted: float = 1.0
    alarm: bool = False
