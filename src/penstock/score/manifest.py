"""What a run says about itself: whose output this is, what each unit wrote, and the whole at the end."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Mapping, Sequence
from importlib import metadata
from typing import Any, Final

import msgspec

from penstock import __version__
from penstock.errors import ConfigError
from penstock.score.unit import InputFile, Unit

__all__ = [
    "MANIFEST",
    "SUCCESS",
    "Failure",
    "InputEntry",
    "Manifest",
    "ModelEntry",
    "Run",
    "UnitEntry",
    "versions",
]

FORMAT: Final = 1
MANIFEST: Final = "_manifest.json"
SUCCESS: Final = "_SUCCESS"


class ModelEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The model that scored."""

    name: str
    version: int
    digest: str
    """Of the bundle."""
    transform: str | None = None
    """Digest of its transform."""


class Run(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whose output a directory holds: ``_run/run.json``, written before anything else.

    Attributes
    ----------
    model : ModelEntry
    options : dict
        Those that change what is written.
    inputs : tuple of InputFile
        Sorted by path.
    """

    format: int = FORMAT
    model: ModelEntry
    options: dict[str, Any]
    inputs: tuple[InputFile, ...]

    @property
    def digest(self) -> str:
        """Of model and options; with the input it names a unit."""
        model = (self.model.digest, self.model.transform)
        content = msgspec.json.encode([self.format, model, self.options], order="sorted")
        return hashlib.sha256(content).hexdigest()

    def check_same(self, other: Run, folder: str) -> None:
        """Refuse to go on with the output of another run.

        Parameters
        ----------
        other : Run
            What is to be done now.
        folder : str
            Named in the message.

        Raises
        ------
        ConfigError
            Saying what differs.
        """
        differences = [*self._model(other), *self._options(other), *self._inputs(other)]
        if differences:
            more = f"; and {len(differences) - 3} more" if len(differences) > 3 else ""
            raise ConfigError(
                f"{folder}: holds the output of another run: {'; '.join(differences[:3])}{more}. "
                "Write to another directory, or delete this one"
            )

    def _model(self, other: Run) -> list[str]:
        was, now = self.model, other.model
        if (was.digest, was.transform) == (now.digest, now.transform):
            return []
        if (was.name, was.version) != (now.name, now.version):
            return [f"the model was {was.name} version {was.version}, is {now.name} version {now.version}"]
        return [f"the bundle {was.name} version {was.version} has another digest than it had"]

    def _options(self, other: Run) -> list[str]:
        names = sorted({*self.options, *other.options})
        pairs = [(name, self.options.get(name), other.options.get(name)) for name in names]
        return [
            f"{name} was {_shown(was)}, is {_shown(now)}"
            for name, was, now in pairs
            if _plain(was) != _plain(now)
        ]

    def _inputs(self, other: Run) -> list[str]:
        old = {file.path: file for file in self.inputs}
        new = {file.path: file for file in other.inputs}
        changed = [
            f"the input {path} changed: {reason}"
            for path in sorted(old.keys() & new.keys())
            if (reason := old[path].differs(new[path]))
        ]
        gone = [f"the input {path} is no longer among the inputs" for path in sorted(old.keys() - new.keys())]
        return [*changed, *gone, *(f"the input {path} is new" for path in sorted(new.keys() - old.keys()))]


class UnitEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A unit that is done: ``_run/units/<id>.json``, written when its output file is in place.

    Attributes
    ----------
    id : str
    input : str
        Path of the file.
    unit : Unit
    rows : int
    file : str
        Name of the output file.
    size : int
        Of the output file in bytes.
    sha256 : str
        Of the output file.
    started, finished : str
        Moments in UTC, ISO 8601.
    last : bool
        The last unit of its file.
    """

    id: str
    input: str
    unit: Unit
    rows: int
    file: str
    size: int
    sha256: str
    started: str
    finished: str
    last: bool = True


class Failure(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A file, or a unit of it, that could not be scored."""

    input: str
    unit: Unit | None
    message: str

    def __str__(self) -> str:
        part = "" if self.unit is None else f", part {self.unit.begin} to {self.unit.end}"
        return f"{self.input}{part}: {self.message}"


class InputEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An input at the end of a run.

    Attributes
    ----------
    rows : int
        Scored.
    sha256 : str or None
        Of the whole content; None where it was not computed.
    """

    path: str
    size: int
    modified_ns: int | None
    etag: str
    rows: int
    sha256: str | None


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole at the end: ``_manifest.json``.

    Attributes
    ----------
    complete : bool
        Nothing failed.
    rows : int
    seconds : float
        Of the last run; ``started`` is the start of the first.
    """

    format: int = FORMAT
    complete: bool
    model: ModelEntry
    options: dict[str, Any]
    rows: int
    started: str
    finished: str
    seconds: float
    versions: dict[str, str]
    inputs: tuple[InputEntry, ...]
    units: tuple[UnitEntry, ...]
    failed: tuple[Failure, ...] = ()

    def encode(self) -> bytes:
        """Return the JSON text, indented."""
        return msgspec.json.format(msgspec.json.encode(self), indent=1) + b"\n"


def decoded(data: bytes | None, kind: type[Any]) -> Any:
    """Return a struct from JSON, None where there is none or a crash of the machine cut it short."""
    if data is None:
        return None
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.DecodeError:
        return None


def versions() -> dict[str, str]:
    """Return the versions of what runs."""
    found = {"penstock": __version__, "python": platform.python_version()}
    for package in ("onnxruntime", "onnxruntime-gpu", "pyarrow", "numpy"):
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def _plain(value: Any) -> Any:
    return msgspec.json.decode(msgspec.json.encode(value, order="sorted"))


def _shown(value: Any) -> str:
    if isinstance(value, Mapping):
        text = ", ".join(f"{name}={_shown(item)}" for name, item in value.items())
    elif isinstance(value, Sequence) and not isinstance(value, str):
        text = ",".join(map(str, value))
    else:
        text = "none" if value is None else str(value)
    return text or "none"
