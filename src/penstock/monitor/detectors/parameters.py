"""Checks of what a detector is made with: expected, got, and for which parameter."""

from __future__ import annotations

import math
import numbers
from typing import Any, Literal, cast

from penstock.errors import ConfigError

__all__ = ["Mode", "confidences", "direction", "flag", "number", "whole"]

Mode = Literal["up", "down", "both"]

_MODES = ("up", "down", "both")


def whole(name: str, value: Any, least: int, most: int = 2**31 - 1) -> int:
    """Return an integer from `least` to `most`."""
    sound = not isinstance(value, bool) and isinstance(value, numbers.Integral)
    if not sound or not least <= value <= most:
        raise ConfigError(f"{name}: expected an integer from {least} to {most}, got {value!r}")
    return int(value)


def number(
    name: str, value: Any, above: float | None = None, *, least: float = -math.inf, most: float = math.inf
) -> float:
    """Return a finite number above `above`, and from `least` to `most`."""
    sound = not isinstance(value, bool) and isinstance(value, numbers.Real) and math.isfinite(value)
    if not sound or not least <= value <= most or (above is not None and value <= above):
        limits = [f"above {above:g}"] if above is not None else []
        limits += [f"at least {least:g}"] if least > -math.inf else []
        limits += [f"at most {most:g}"] if most < math.inf else []
        expected = " ".join(["a finite number", " and ".join(limits)]).rstrip()
        raise ConfigError(f"{name}: expected {expected}, got {value!r}")
    return float(value)


def confidences(drift: Any, warning: Any) -> tuple[float, float]:
    """Return the confidences of drift and of a warning, which is not to come later."""
    drift = number("drift_confidence", drift, 0, most=1)
    warning = number("warning_confidence", warning, 0, most=1)
    if warning < drift:
        raise ConfigError(f"warning_confidence: expected at least that of drift, {drift:g}, got {warning:g}")
    return drift, warning


def flag(name: str, value: Any) -> bool:
    """Return True or False."""
    if not isinstance(value, bool):
        raise ConfigError(f"{name}: expected True or False, got {value!r}")
    return value


def direction(name: str, value: Any) -> Mode:
    """Return which way a mean has to move to count."""
    if value not in _MODES:
        raise ConfigError(f"{name}: expected one of {', '.join(_MODES)}; got {value!r}")
    return cast(Mode, value)
