"""Modules that a caller may have loaded, and that nobody else should pay for."""

from __future__ import annotations

import sys
from typing import Any

__all__ = ["imported"]


def imported(name: str) -> Any:
    """Return a module that is imported whole, else None: another thread may be importing it now.

    Examples
    --------
    >>> imported("sys") is sys, imported("no.such.module")
    (True, None)
    """
    module = sys.modules.get(name)
    if module is None or getattr(module.__spec__, "_initializing", False):
        return None
    return module
