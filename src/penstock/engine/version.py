"""A loaded version: its pipeline, its face towards fronts and queue, and who watches it."""

from __future__ import annotations

from dataclasses import dataclass

from penstock.batching import Queue, Target
from penstock.bundle.signature import Signature
from penstock.engine.observer import Observer
from penstock.engine.pipeline import Pipeline

__all__ = ["LoadedVersion"]


@dataclass(frozen=True, slots=True)
class LoadedVersion:
    """A pipeline that answers requests.

    Attributes
    ----------
    pipeline : Pipeline
    target : Target
    queue : Queue
    observer : Observer, optional
        Sees what it answers.
    """

    pipeline: Pipeline
    target: Target
    queue: Queue
    observer: Observer | None = None

    @property
    def version(self) -> int:
        """Number of the version."""
        return self.pipeline.version

    @property
    def signature(self) -> Signature:
        """What the version takes and gives."""
        return self.pipeline.signature
