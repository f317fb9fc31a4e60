"""One version of a model on disk: opened, checked against its digests, never changed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from penstock.bundle.external_data import external_files
from penstock.bundle.golden import Golden
from penstock.bundle.manifest import GRAPH, MANIFEST, Manifest, check_path
from penstock.bundle.repository import parse_version
from penstock.errors import BundleError, TransformError

if TYPE_CHECKING:
    from penstock.monitor.baseline import Baseline
    from penstock.transform import Transform

__all__ = ["Bundle", "digest_of", "sha256_of"]

_SHOWN: Final = 12


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file in hex, read piece by piece; raises BundleError when it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise BundleError(f"{path}: the file cannot be read: {error.strerror}") from None


def digest_of(files: Iterable[tuple[str, str]]) -> str:
    """Return the SHA-256 over paths and digests of files, in the order of the paths."""
    digest = hashlib.sha256()
    for path, sha256 in sorted(files):
        digest.update(f"{path}\0{sha256}\n".encode())
    return digest.hexdigest()


class Bundle:
    """A directory ``<model>/<version>`` with a graph, with or without a manifest.

    Attributes
    ----------
    name : str
    version : int
    path : Path
    graph_path : Path
    manifest : Manifest or None
        None for a bare bundle, which is ``model.onnx`` and the files that it keeps tensors in.
    digest : str
        SHA-256 over the sorted paths and digests of the files; it says which model this is.
    """

    __slots__ = ("_verified", "digest", "graph_path", "manifest", "name", "path", "version")

    def __init__(
        self, path: Path, name: str, version: int, manifest: Manifest | None, digest: str, verified: bool
    ) -> None:
        self.path = path
        self.name = name
        self.version = version
        self.manifest = manifest
        self.digest = digest
        self.graph_path = path / GRAPH
        self._verified = verified

    @classmethod
    def open(
        cls, path: str | Path, verify: bool = True, *, name: str | None = None, version: int | None = None
    ) -> Bundle:
        """Open a version.

        Parameters
        ----------
        path : str or Path
        verify : bool
            Read every file and compare digests now; otherwise :meth:`verify` does.
        name, version : str, int, optional
            Identity, where the directory is not called so.

        Raises
        ------
        BundleError
            Naming the file that is missing, damaged, not listed or leads out of the bundle, or what
            is wrong with the manifest.
        """
        root = Path(path)
        name = name or root.parent.name or root.resolve().parent.name
        version = version or parse_version(root.name)
        if version is None:
            raise BundleError(f"{root}: expected a directory named after its version, a positive integer")
        if not (root / MANIFEST).exists():
            return cls._open_bare(root, name, version)
        manifest = _read_manifest(root)
        if (manifest.name, manifest.version) != (name, version):
            raise BundleError(
                f'{root / MANIFEST}: expected model "{name}" version {version}, '
                f'got "{manifest.name}" version {manifest.version}; pack it again under its new name'
            )
        bundle = cls(root, name, version, manifest, digest_of(manifest.files.items()), verified=False)
        if verify:
            bundle.verify()
        return bundle

    @classmethod
    def _open_bare(cls, root: Path, name: str, version: int) -> Bundle:
        _check_file(root, GRAPH)
        files = [GRAPH]
        for file in external_files(root / GRAPH):
            check_path(file, str(root / GRAPH))
            _check_file(root, file)
            files.append(file)
        digest = digest_of((file, sha256_of(root / file)) for file in files)
        return cls(root, name, version, None, digest, verified=True)

    def verify(self) -> None:
        """Compare every file with the manifest, once; a bare bundle has nothing to compare.

        Raises
        ------
        BundleError
            Naming the file that is missing, damaged, not listed or leads out of the bundle.
        """
        if self._verified or self.manifest is None:
            return
        for file, expected in sorted(self.manifest.files.items()):
            _check_file(self.path, file)
            got = sha256_of(self.path / file)
            if got != expected:
                raise BundleError(
                    f"{self.path / file}: the file is damaged: expected sha256 {expected[:_SHOWN]}…, "
                    f"got {got[:_SHOWN]}…"
                )
        for file in _files_in(self.path):
            if file != MANIFEST and file not in self.manifest.files:
                raise BundleError(f"{self.path / file}: the file is not listed in {MANIFEST}")
        self._verified = True

    def golden(self) -> Golden | None:
        """Return the golden rows, None where the bundle has none; raises BundleError when damaged."""
        if self.manifest is None or self.manifest.golden is None:
            return None
        stated = self.manifest.golden
        return Golden.load(self.path / stated.file, stated.rtol, stated.atol)

    def baseline(self) -> Baseline | None:
        """Return the baseline, None where the bundle has none; raises BundleError when damaged."""
        if self.manifest is None or self.manifest.baseline is None:
            return None
        from penstock.monitor.baseline import Baseline

        return Baseline.load(self.path / self.manifest.baseline.file)

    def transform(self) -> Transform | None:
        """Return the transform, None where the bundle has none; raises BundleError when damaged."""
        if self.manifest is None or self.manifest.transform is None:
            return None
        from penstock.transform import Transform

        stated = self.manifest.transform
        try:
            transform = Transform.load(self.path / stated.file)
        except TransformError as error:
            raise BundleError(str(error)) from None
        if transform.digest != stated.digest:
            raise BundleError(
                f"{self.path / stated.file}: expected the transform {stated.digest[:_SHOWN]}…, "
                f"got {transform.digest[:_SHOWN]}…"
            )
        return transform


def _read_manifest(root: Path) -> Manifest:
    path = root / MANIFEST
    _check_file(root, MANIFEST)
    try:
        return Manifest.decode(path.read_bytes(), str(path))
    except OSError as error:
        raise BundleError(f"{path}: the file cannot be read: {error.strerror}") from None


def _check_file(root: Path, file: str) -> None:
    path = root / file
    if not path.is_file():
        raise BundleError(f"{path}: the file is missing")
    if not path.resolve().is_relative_to(root.resolve()):
        raise BundleError(f"{path}: expected a file inside the bundle, got a link that leads out of it")


def _files_in(root: Path) -> list[str]:
    """Return the paths of all files under a directory but hidden ones."""
    paths = (path.relative_to(root) for path in root.rglob("*") if not path.is_dir() or path.is_symlink())
    return sorted(path.as_posix() for path in paths if not any(part.startswith(".") for part in path.parts))
