"""Replicas: processes that count rows of the same model, and snapshots of what they counted."""

from __future__ import annotations

import collections
from typing import Final

from penstock.errors import ConfigError
from penstock.monitor.snapshot import Snapshot
from penstock.monitor.track import Track

__all__ = ["Replicas"]

_KEPT: Final = 10_000


class Replicas:
    """Knows which snapshots of other processes were merged.

    Parameters
    ----------
    model : str
    """

    def __init__(self, model: str) -> None:
        self._model = model
        self._merged: collections.deque[str] = collections.deque(maxlen=_KEPT)

    def accept(self, snapshot: Snapshot, track: Track | None) -> Track | None:
        """Return the version that a snapshot is to be counted in; None where it was merged before.

        Raises
        ------
        ConfigError
            When it is of another model, of a version that is not loaded, or on another baseline.
        """
        window = snapshot.window
        if window.model != self._model or track is None:
            raise ConfigError(
                f"expected a snapshot of {self._model} in a version that is loaded, "
                f"got {window.model} version {window.version}"
            )
        track.check(snapshot)
        return None if snapshot.id in self._merged else track

    def merged(self, snapshot: Snapshot) -> None:
        """Take note that a snapshot was counted."""
        self._merged.append(snapshot.id)
