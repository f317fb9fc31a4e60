"""Where files are: local paths, globs, directories and the URIs that pyarrow.fs knows."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from pyarrow import ArrowException, fs

from penstock.errors import ConfigError

__all__ = ["Location", "expand", "locate"]

_MAGIC: Final = re.compile(r"[*?\[]")
_URI: Final = re.compile(r"^[A-Za-z][A-Za-z0-9+.\-]*://")
_USER: Final = re.compile(r"(?<=://)[^/@]*@")


@dataclass(frozen=True, slots=True)
class Location:
    """A file or directory on a file system.

    Attributes
    ----------
    filesystem : pyarrow.fs.FileSystem
    path : str
        As the file system writes it.
    name : str
        As people read it: an absolute path, or a URI without credentials.
    """

    filesystem: Any
    path: str
    name: str

    @property
    def local(self) -> bool:
        """Whether this is on the file system of this machine."""
        return isinstance(self.filesystem, fs.LocalFileSystem)

    def at(self, path: str) -> Location:
        """Return another path on the same file system."""
        prefix = self.name[: -len(self.path)] if self.path and self.name.endswith(self.path) else ""
        return Location(self.filesystem, path, f"{prefix}{path}")

    def child(self, *parts: str) -> Location:
        """Return a path below this one."""
        return self.at("/".join((self.path.rstrip("/"), *parts)))

    def info(self) -> Any:
        """Return what the file system says of it, a pyarrow.fs.FileInfo."""
        return self.filesystem.get_file_info(self.path)


def locate(text: str | os.PathLike[str], filesystem: Any = None) -> Location:
    """Find the file system of a path or URI.

    Raises
    ------
    ConfigError
        When no file system knows the URI.

    Examples
    --------
    >>> locate("/data/a.parquet").local
    True
    """
    text = os.fspath(text)
    if filesystem is not None:
        return Location(filesystem, text, text)
    if not _URI.match(text):
        path = os.path.abspath(text)
        return Location(fs.LocalFileSystem(), path, path)
    try:
        filesystem, path = fs.FileSystem.from_uri(_without_magic(text))
    except (ArrowException, OSError, NotImplementedError, ImportError) as error:
        raise ConfigError(f"{_USER.sub('', text)}: no file system for it: {error}") from None
    tail = text.partition("?")[0] if "?*" not in text else text
    if isinstance(filesystem, fs.LocalFileSystem):
        path = tail.partition("://")[2]
        return Location(filesystem, path, path)
    # What came before the path in the URI, so that every file below has a name that leads to it.
    base = _without_magic(tail).rstrip("/")
    prefix = base[: -len(path)] if path and base.endswith(path) else text[: text.index("://") + 3]
    rest = tail[len(prefix) :]
    return Location(filesystem, rest, _USER.sub("", prefix) + rest)


def _without_magic(text: str) -> str:
    """Return the part of a URI before the first path segment with a wildcard."""
    match = _MAGIC.search(text.partition("?")[0] if "*" not in text and "[" not in text else text)
    return text if match is None else text[: text.rindex("/", 0, match.start())]


def expand(inputs: Iterable[str | os.PathLike[str]], filesystem: Any = None) -> list[Location]:
    """Return the files that paths, globs, directories and URIs stand for, each once, sorted by name.

    Names that begin with ``.`` or ``_`` are passed over below a directory. A path that exists is itself,
    whatever characters it has.

    Raises
    ------
    ConfigError
        When an input stands for no file.
    """
    found: dict[str, Location] = {}
    for text in inputs:
        place = locate(text, filesystem)
        files = list(_files(place))
        if not files:
            raise ConfigError(
                f"{place.name}: expected a file, a directory of files or a pattern, got nothing"
            )
        found.update((file.name, file) for file in files)
    if not found:
        raise ConfigError("expected at least one input")
    return [found[name] for name in sorted(found)]


def _files(place: Location) -> Iterator[Location]:
    try:
        kind = place.info().type
        if kind == fs.FileType.File:
            yield place
        elif kind == fs.FileType.Directory:
            yield from _below(place, place.path)
        elif _MAGIC.search(place.path):
            yield from _matching(place)
    except (OSError, ArrowException) as error:
        raise ConfigError(f"{place.name}: cannot be listed: {error}") from None


def _matching(place: Location) -> Iterator[Location]:
    if place.local:
        for path in sorted(glob.glob(place.path, recursive=True)):
            yield from _files(place.at(path))
        return
    root = place.path[: _MAGIC.search(place.path).start()].rpartition("/")[0]  # type: ignore[union-attr]
    pattern = re.compile(_translated(place.path))
    yield from (file for file in _below(place, root) if pattern.fullmatch(file.path))


def _below(place: Location, root: str) -> Iterator[Location]:
    selector = fs.FileSelector(root, recursive=True, allow_not_found=True)
    for info in place.filesystem.get_file_info(selector):
        inner = info.path[len(root) :].split("/")
        if info.type == fs.FileType.File and not any(part.startswith((".", "_")) for part in inner):
            yield place.at(info.path)


def _translated(pattern: str) -> str:
    """Return a glob as a regular expression: ``*`` stays within a segment, ``**/`` spans them."""
    parts = re.split(r"(\*\*/|\*|\?|\[[^\]]*\])", pattern)
    special = {"**/": "(?:.*/)?", "*": "[^/]*", "?": "[^/]"}
    return "".join(
        special.get(part)
        or (part.replace("[!", "[^") if re.fullmatch(r"\[[^\]]*\]", part) else re.escape(part))
        for part in parts
    )
