"""Values of a report as JSON has them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from penstock.monitor.calibration.check import Check

__all__ = ["check_to_dict", "plain"]


def plain(value: float) -> float | None:
    """Return a number, or None where it is not finite."""
    return float(value) if math.isfinite(value) else None


def check_to_dict(check: Check) -> dict[str, Any]:
    """Return a check as plain values."""
    return {
        "name": check.name,
        "value": plain(check.value),
        "p_value": plain(check.p_value),
        "adjusted": plain(check.adjusted),
        "effect": plain(check.effect),
        "alarm": check.alarm,
        "reason": check.reason,
    }
