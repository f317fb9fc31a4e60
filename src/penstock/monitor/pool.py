"""Threads that help with one call and wait for the next, as starting them for each costs more."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from functools import cache

__all__ = ["helpers"]

_MOST = 64


@cache
def helpers() -> ThreadPoolExecutor:
    """Return the threads that all callers share. Work for them must not wait for more of it."""
    return ThreadPoolExecutor(_MOST, "penstock-monitor")


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=helpers.cache_clear)
