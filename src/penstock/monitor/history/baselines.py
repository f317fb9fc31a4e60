"""The baselines that windows were compared with, each kept once under its digest."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from penstock.errors import BundleError
from penstock.monitor.encoding import digest_of
from penstock.monitor.history.aside import write_aside
from penstock.monitor.profile import Profile

if TYPE_CHECKING:
    from penstock.monitor.report.report import DriftReport

__all__ = ["Baselines"]

_log = logging.getLogger(__name__)


class Baselines:
    """A directory of profiles, ``DIGEST.profile``.

    Parameters
    ----------
    directory : Path
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._loaded: dict[str, Profile | None] = {}

    def keep(self, report: DriftReport) -> tuple[str, bool]:
        """Write the reference of a report where it is not there yet.

        Returns
        -------
        digest : str
        new : bool

        Raises
        ------
        OutputError
        """
        features = sorted((feature.reference for feature in report), key=lambda feature: feature.name)
        data = Profile(tuple(features), report.n_reference).to_bytes()
        digest = digest_of(data)
        new = not self._path(digest).exists()
        if new:
            write_aside(self._path(digest), data, flush=True)
        return digest, new

    def load(self, digest: str) -> Profile | None:
        """Return the profile that is kept under a digest; None, and a line in the log, where it is not."""
        if digest not in self._loaded:
            path = self._path(digest)
            try:
                self._loaded[digest] = Profile.from_bytes(path.read_bytes(), str(path))
            except (OSError, BundleError) as error:
                _log.warning("%s: comparisons with this baseline are left out: %s", path, error)
                self._loaded[digest] = None
        return self._loaded[digest]

    def forget(self) -> None:
        """Let go what was loaded."""
        self._loaded.clear()

    def prune(self, used: Collection[str]) -> None:
        """Remove all but some."""
        with contextlib.suppress(OSError):
            for path in self._directory.glob("*.profile"):
                if path.stem not in used:
                    path.unlink()

    def _path(self, digest: str) -> Path:
        return self._directory / f"{digest}.profile"
