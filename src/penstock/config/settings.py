"""The base of every settings struct, and the ranges of numbers in them."""

from __future__ import annotations

from typing import Annotated

import msgspec

__all__ = ["NonNegative", "NonNegativeReal", "Positive", "PositiveReal", "Settings", "Share"]

Positive = Annotated[int, msgspec.Meta(ge=1)]
NonNegative = Annotated[int, msgspec.Meta(ge=0)]
PositiveReal = Annotated[float, msgspec.Meta(gt=0)]
NonNegativeReal = Annotated[float, msgspec.Meta(ge=0)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Immutable, keyword-only, closed: unknown keys are refused."""
