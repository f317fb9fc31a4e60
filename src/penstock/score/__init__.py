"""Batch scoring of Arrow, Parquet and CSV files: call the module, ``penstock.score(...)``.

The call and its options: score.py. How a run is planned: job.py; how it flows: flow.py.
On more than one machine: ray.py, spark.py.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from penstock.score.manifest import Failure, Manifest
    from penstock.score.progress import Progress
    from penstock.score.report import Report

__all__ = ["Failure", "Manifest", "Progress", "Report"]

_HOMES = {
    "Failure": "penstock.score.manifest",
    "Manifest": "penstock.score.manifest",
    "Progress": "penstock.score.progress",
    "Report": "penstock.score.report",
}


class _Callable(ModuleType):
    """A module that is also the function of its name."""

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        """See :func:`penstock.score.score.score`."""
        return import_module("penstock.score.score").score(*arguments, **options)

    def __getattr__(self, name: str) -> Any:
        home = _HOMES.get(name)
        if home is None:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        return getattr(import_module(home), name)


sys.modules[__name__].__class__ = _Callable
