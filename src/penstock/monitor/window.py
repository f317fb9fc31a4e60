"""Windows: closed spans of live statistics. Read next: profile.py, windows.py."""

from __future__ import annotations

from dataclasses import dataclass, replace

from penstock.errors import ConfigError
from penstock.monitor.profile import Profile

__all__ = ["Window"]


@dataclass(frozen=True, kw_only=True)
class Window:
    """What was counted of one version of a model between two moments. A value: it merges.

    Attributes
    ----------
    model : str
    version : int
    begin_s, end_s : float
        Seconds since the epoch, UTC: from the first moment that counts to the moment it closed.
    profile : Profile
        Of raw columns and outputs, on the layout of the baseline.
    complete : bool
        False where it closed early: the version was swapped out, the process ended, or part of it was lost.
    """

    model: str
    version: int
    begin_s: float
    end_s: float
    profile: Profile
    complete: bool = True

    @property
    def rows(self) -> int:
        """Rows that were counted."""
        return self.profile.rows

    @property
    def duration_s(self) -> float:
        """Seconds from begin to end."""
        return self.end_s - self.begin_s

    def merge(self, other: Window) -> Window:
        """Return the window of both together, from the earlier begin to the later end.

        Raises
        ------
        ConfigError
            When they are of different models or versions, or on different layouts.
        """
        if (self.model, self.version) != (other.model, other.version):
            raise ConfigError(
                f"expected a window of {self.model} version {self.version}, "
                f"got one of {other.model} version {other.version}"
            )
        return replace(
            self,
            begin_s=min(self.begin_s, other.begin_s),
            end_s=max(self.end_s, other.end_s),
            profile=self.profile.merge(other.profile),
            complete=self.complete and other.complete,
        )
