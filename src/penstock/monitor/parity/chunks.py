"""Chunks of rows and thresholds from them, as NannyML has them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from penstock.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["bounds_of", "thresholds"]


def bounds_of(rows: int, chunks: int) -> list[tuple[int, int]]:
    """Return where chunks begin and end; what is left over is one more.

    >>> bounds_of(25, 10)[-2:], len(bounds_of(25, 10))
    ([(22, 24), (24, 25)], 13)

    Raises
    ------
    ConfigError
        Where there are fewer rows than chunks.
    """
    size = rows // chunks if chunks > 0 else 0
    if not size:
        raise ConfigError(f"chunks: expected from 1 to the number of rows, {rows}, got {chunks}")
    return [(begin, min(begin + size, rows)) for begin in range(0, rows, size)]


def thresholds(values: Sequence[float], *, low: bool, most: float = math.inf) -> tuple[float, float]:
    """Return mean ± 3 standard deviations of values of reference chunks, within limits; NaN where none."""
    found = np.asarray(values, np.float64)
    found = found[~np.isnan(found)]
    if not len(found):
        return math.nan, math.nan
    mean, deviation = float(found.mean()), float(found.std())
    return max(mean - 3 * deviation, 0.0) if low else math.nan, min(mean + 3 * deviation, most)
