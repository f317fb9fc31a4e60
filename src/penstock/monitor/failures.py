"""Failures of a monitor: counted by part, and the first of each in the log."""

from __future__ import annotations

import collections
import logging
from collections.abc import Callable, Mapping
from typing import TypeVar

__all__ = ["Failures"]

_log = logging.getLogger(__name__)

T = TypeVar("T")


class Failures:
    """Does what may fail without anybody waiting for it.

    Parameters
    ----------
    model : str
        Named in the log.
    """

    def __init__(self, model: str) -> None:
        self._model = model
        self._counts: collections.Counter[str] = collections.Counter()

    @property
    def counts(self) -> collections.Counter[str]:
        """How often each part failed: a copy."""
        return collections.Counter(self._counts)

    def add(self, counts: Mapping[str, int]) -> None:
        """Take over what another counted."""
        self._counts.update(counts)

    def attempt(self, part: str, work: Callable[[], T]) -> T | None:
        """Do something that may fail; None where it did."""
        try:
            return work()
        except Exception as error:
            self._counts[part] += 1
            if self._counts[part] == 1:
                _log.error("monitoring of %s failed in its %s", self._model, part, exc_info=error)
            return None
