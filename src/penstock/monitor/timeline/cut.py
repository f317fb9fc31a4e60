"""Where data are cut into windows: by time, by a number, or after so many rows."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np

from penstock.errors import ConfigError, SignatureError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Cut", "positions"]

_UNITS: Final = {"s": 1.0, "min": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0}
_FORM: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(s|min|h|d|w|rows?|)")
_MONDAY: Final = 4 * 86_400.0
_DAY: Final = 86_400.0
_MINUTE: Final = 60.0
_TICKS: Final = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}


@dataclass(frozen=True)
class Cut:
    """Windows of one width, side by side.

    Attributes
    ----------
    kind : {"time", "number", "rows"}
    width : float
        Seconds, units of the number, or rows.
    origin : float, default 0
        Where a window begins: whole weeks on Monday, everything else at 0.

    Examples
    --------
    >>> Cut.parse("6h"), Cut.parse("5000 rows").width
    (Cut(kind='time', width=21600.0, origin=0.0), 5000.0)
    """

    kind: Literal["time", "number", "rows"]
    width: float
    origin: float = 0.0

    @classmethod
    def parse(cls, text: str) -> Cut:
        """Read a width.

        Parameters
        ----------
        text : str
            A number of ``s``, ``min``, ``h``, ``d``, ``w`` or ``rows``; without a unit, of what the column
            of time counts.

        Raises
        ------
        ConfigError
            Where it is none of these, or not positive.
        """
        found = _FORM.fullmatch(text.strip())
        width = float(found[1]) if found else 0.0
        if not found or not width > 0:
            raise ConfigError(f'window: expected a width such as 1d, 6h, 30min or "5000 rows", got {text!r}')
        unit = found[2]
        if unit.startswith("row"):
            if width % 1:
                raise ConfigError(f"window: expected a whole number of rows, got {text!r}")
            return cls("rows", width)
        if not unit:
            return cls("number", width)
        seconds = width * _UNITS[unit]
        return cls("time", seconds, 0.0 if seconds % _UNITS["w"] else _MONDAY)

    def wider(self) -> Cut:
        """Return the cut into windows of twice the width; two neighbours with keys 2k and 2k + 1 are one."""
        return Cut(self.kind, 2 * self.width, self.origin)

    def label(self, begin: float) -> str:
        """Write where a window begins.

        >>> Cut.parse("1d").label(86400.0), Cut.parse("100 rows").label(200.0), Cut.parse("1").label(2016.0)
        ('1970-01-02', 'row 200', '2016')
        """
        if self.kind == "rows":
            return f"row {begin:,.0f}"
        if self.kind == "number":
            return f"{begin:.10g}"
        try:
            moment = datetime.fromtimestamp(begin, UTC)
        except (OverflowError, ValueError, OSError):
            return f"{begin:.10g} s"
        if self.width % _DAY == 0:
            return f"{moment:%Y-%m-%d}"
        return f"{moment:%Y-%m-%d %H:%M}" if self.width % _MINUTE == 0 else f"{moment:%Y-%m-%d %H:%M:%S}"


def positions(column: Any, kind: Literal["time", "number"], name: str) -> NDArray[np.float64]:
    """Return where rows lie: seconds since the epoch, or the numbers as they are; NaN where missing.

    Parameters
    ----------
    column : Arrow array
        Times, dates, numbers, or texts in ISO 8601; times without a zone are UTC.
    kind : {"time", "number"}
    name : str
        Of the column, for errors.

    Raises
    ------
    SignatureError
        Where it holds something else.
    """
    import pyarrow as pa

    try:
        if pa.types.is_dictionary(column.type):
            column = column.cast(column.type.value_type)
        if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
            column = column.cast(pa.timestamp("us", "UTC" if _zoned(column) else None))
        if pa.types.is_date(column.type):
            column = column.cast(pa.timestamp("ms"))
        if pa.types.is_timestamp(column.type):
            if kind == "number":
                raise SignatureError(
                    f'column "{name}": expected a window such as 1d for times, got a number without a unit'
                )
            ticks = _TICKS[column.type.unit]
            found = column.cast(pa.int64()).cast(pa.float64(), safe=False)
            return np.asarray(found.fill_null(math.nan).to_numpy(zero_copy_only=False)) / ticks
        if pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
            found = column.cast(pa.float64(), safe=False).fill_null(math.nan)
            return np.asarray(found.to_numpy(zero_copy_only=False))
    except pa.ArrowException as error:
        raise SignatureError(f'column "{name}": expected times: {error}') from None
    raise SignatureError(f'column "{name}": expected times, dates or numbers, got {column.type}')


def _zoned(column: Any) -> bool:
    """Whether the first text states its zone."""
    first = next((text.as_py() for text in column if text.is_valid), "")
    return bool(re.search(r"(Z|[+-]\d{2}:?\d{2})$", first))
