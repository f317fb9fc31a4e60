"""``bundle.json``: what a bundle says about itself."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Annotated, Any, Final

import msgspec

from penstock.bundle.signature import Signature
from penstock.errors import BundleError

__all__ = [
    "FORMAT",
    "GRAPH",
    "MANIFEST",
    "TRANSFORM",
    "GoldenFile",
    "Manifest",
    "TransformFile",
    "check_path",
]

FORMAT: Final = 1
MANIFEST: Final = "bundle.json"
GRAPH: Final = "model.onnx"
TRANSFORM: Final = "transform.arrow"
BASELINE: Final = "baseline.bin"

_Tolerance = Annotated[float, msgspec.Meta(ge=0)]
_Sha256 = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}$")]


class GoldenFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the golden rows are, and how far apart floats may be."""

    file: str
    rtol: _Tolerance
    atol: _Tolerance


class TransformFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the transform is, and the digest of its definition."""

    file: str
    digest: _Sha256


class BaselineFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the baseline is, and the digest of its content."""

    file: str
    digest: _Sha256


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The content of ``bundle.json``.

    Attributes
    ----------
    format : int
        1. A reader refuses what is newer.
    name, version : str, int
        The directory that holds the bundle says the same.
    signature : Signature
    files : dict of str to str
        SHA-256 in hex of every file of the bundle but this one, by path relative to it, ``/`` between.
    transform : TransformFile, optional
        From the inputs of the signature, the raw columns, to those of the graph.
    baseline : BaselineFile, optional
        Statistics of the raw columns of the reference, and of the outputs for it.
    golden : GoldenFile, optional
    created : str
        Moment in UTC, ISO 8601.
    producer : dict of str to str
        Versions of what wrote the bundle.
    metadata : dict
        Whatever the caller of ``pack`` wants kept; JSON.
    """

    format: int = FORMAT
    name: str
    version: Annotated[int, msgspec.Meta(ge=1)]
    signature: Signature
    files: dict[str, _Sha256]
    transform: TransformFile | None = None
    baseline: BaselineFile | None = None
    golden: GoldenFile | None = None
    created: str = ""
    producer: dict[str, str] = msgspec.field(default_factory=dict)
    metadata: dict[str, Any] = msgspec.field(default_factory=dict)

    def encode(self) -> bytes:
        """Return the JSON text, indented for people who look into a repository."""
        return msgspec.json.format(msgspec.json.encode(self), indent=2) + b"\n"

    @classmethod
    def decode(cls, data: bytes, source: str = MANIFEST) -> Manifest:
        """Read JSON text.

        Parameters
        ----------
        data : bytes
        source : str
            Named in messages, usually the path of the file.

        Raises
        ------
        BundleError
            When the text is not JSON, of a newer format, has an unknown or missing field, a field of
            the wrong type, or a path that leads out of the bundle.
        """
        try:
            version = msgspec.json.decode(data, type=_Header).format
            if version != FORMAT:
                raise BundleError(
                    f"{source}: expected format {FORMAT}, got {version}; a newer version of Penstock wrote it"
                    if version > FORMAT
                    else f"{source}: expected format {FORMAT}, got {version}"
                )
            manifest = msgspec.json.decode(data, type=cls)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise BundleError(f"{source}: {error}") from None
        for path in manifest.files:
            check_path(path, source)
        if GRAPH not in manifest.files:
            raise BundleError(f'{source}: expected "{GRAPH}" among the files')
        if manifest.golden is not None and manifest.golden.file not in manifest.files:
            raise BundleError(f'{source}: golden rows "{manifest.golden.file}" are not among the files')
        if manifest.baseline is not None and manifest.baseline.file not in manifest.files:
            raise BundleError(f'{source}: baseline "{manifest.baseline.file}" is not among the files')
        if manifest.transform is not None and manifest.transform.file not in manifest.files:
            raise BundleError(f'{source}: transform "{manifest.transform.file}" is not among the files')
        return manifest


class _Header(msgspec.Struct):
    """The part of a manifest that every format has."""

    format: int


def check_path(path: str, source: str) -> None:
    """Refuse a path that is not a plain relative one inside the bundle.

    Raises
    ------
    BundleError
        On an absolute path, ``..``, a backslash or control character, a drive, or the manifest itself.
    """
    plain = PurePosixPath(path)
    if (
        not path
        or plain.is_absolute()
        or ".." in plain.parts
        or str(plain) != path
        or re.search(r"[\\:\x00-\x1f]", path)
        or path in (".", MANIFEST)
    ):
        raise BundleError(f"{source}: expected a file inside the bundle, got path {path!r}")
