"""A directory of bundles: ``<root>/<model>/<version>/model.onnx``."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final

from penstock.bundle.manifest import GRAPH, MANIFEST
from penstock.errors import ConfigError, ModelNotFoundError

__all__ = ["Repository", "is_model_name", "parse_version"]

_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]{0,254}")
_VERSION: Final = re.compile(r"[1-9][0-9]{0,8}")


def is_model_name(name: str) -> bool:
    """Tell whether a model may have this name: it is a plain directory name, and not a hidden one."""
    return _NAME.fullmatch(name) is not None


def parse_version(text: str) -> int | None:
    """Return the version that a directory name or a request states, None where it is not one."""
    return int(text) if _VERSION.fullmatch(text) else None


class Repository:
    """What is published under a root directory, read afresh at each call.

    Parameters
    ----------
    root : str or Path
        Need not exist yet; then nothing is published.

    Notes
    -----
    Names that are not model names, hidden and temporary directories, and directories without a graph
    are passed over: a version that is being written is not seen before it is whole. A manifest is
    written last, so a directory that has one but lost its graph is seen, as a version that does not load.
    """

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)

    def check(self) -> None:
        """Make sure that the root can be looked into.

        Raises
        ------
        ConfigError
            When it is not there, is no directory, or may not be read.
        """
        try:
            with os.scandir(self.root):
                pass
        except OSError as error:
            raise ConfigError(f'repository "{self.root}": expected a directory: {error.strerror}') from None

    def models(self) -> list[str]:
        """Return the names of the models with at least one version, sorted."""
        return [name for name in _directories(self.root) if is_model_name(name) and self._versions(name)]

    def versions(self, name: str) -> list[int]:
        """Return the complete versions of a model, rising.

        Raises
        ------
        ModelNotFoundError
            When it has none.
        """
        versions = self._versions(name) if is_model_name(name) else []
        if not versions:
            raise ModelNotFoundError(f'model "{name}" is not in the repository')
        return versions

    def latest(self, name: str) -> int:
        """Return the highest version of a model; raises as :meth:`versions` does."""
        return self.versions(name)[-1]

    def path(self, name: str, version: int) -> Path:
        """Return the directory of a version.

        Raises
        ------
        ModelNotFoundError
            When the model or the version is not there.
        """
        if version not in self.versions(name):
            raise ModelNotFoundError(f'model "{name}" has no version "{version}"')
        return self.root / name / str(version)

    def _versions(self, name: str) -> list[int]:
        parent = self.root / name
        found = {parse_version(entry) for entry in _directories(parent)}
        return sorted(v for v in found if v is not None and _is_version(parent / str(v)))


def _is_version(path: Path) -> bool:
    try:
        return (path / GRAPH).is_file() or (path / MANIFEST).is_file()
    except PermissionError:
        return False


def _directories(path: Path) -> list[str]:
    try:
        with os.scandir(path) as entries:
            return sorted(entry.name for entry in entries if entry.is_dir())
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return []
