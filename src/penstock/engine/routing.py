"""Which version answers a name: an immutable table, read without a lock, replaced whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from penstock.engine.version import LoadedVersion
from penstock.errors import ModelNotFoundError, ModelNotReadyError

__all__ = ["ModelRoute", "RoutingTable"]

_NOT_LOADED = "not loaded"


@dataclass(frozen=True, slots=True)
class ModelRoute:
    """Versions of one model: those that are loaded, and why the others are not."""

    active: LoadedVersion | None
    reason: str
    versions: Mapping[int, LoadedVersion | str] = field(default_factory=dict)


class RoutingTable(dict[str, ModelRoute]):
    """Routes by model name; the words of its errors are those of csrc/queue/routes.cc."""

    def resolve(self, model: str, version: int | None) -> LoadedVersion:
        """Return the version that answers; the active one where `version` is None.

        Raises
        ------
        ModelNotFoundError
        ModelNotReadyError
        """
        route = self.get(model)
        if route is None:
            raise ModelNotFoundError(f'model "{model}" is not in the repository')
        if version is None:
            if route.active is None:
                raise ModelNotReadyError(f'model "{model}" is not ready: {route.reason or _NOT_LOADED}')
            return route.active
        found = route.versions.get(version)
        if found is None:
            raise ModelNotFoundError(f'model "{model}" has no version "{version}"')
        if isinstance(found, str):
            raise ModelNotReadyError(
                f'model "{model}" version {version} is not ready: {found or _NOT_LOADED}'
            )
        return found
