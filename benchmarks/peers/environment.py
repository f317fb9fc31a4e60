"""Environments of the peers: made once beside the other things that the benchmarks build, and kept."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.model import build_dir

__all__ = ["Environment", "MissingError"]

_STAMP = "requirements.txt"


class MissingError(RuntimeError):
    """An environment is not there and cannot be made; the message says why in one line."""


@dataclass(frozen=True, slots=True)
class Environment:
    """Packages of fixed versions in a virtual environment."""

    name: str
    requirements: tuple[str, ...]

    @property
    def folder(self) -> Path:
        return build_dir() / "peers" / self.name

    def python(self, create: bool) -> Path:
        """Return its interpreter; it is made where it is not there, or is of other versions.

        Raises
        ------
        MissingError
            When it is not there and not to be made, or a package cannot be installed.
        """
        stamp = self.folder / _STAMP
        wanted = "\n".join(self.requirements) + "\n"
        if not stamp.is_file() or stamp.read_text() != wanted:
            if not create:
                raise MissingError("not installed; a run without --quick installs it")
            self._make()
            stamp.write_text(wanted)
        return self.folder / "bin" / "python"

    def _make(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        _run([sys.executable, "-m", "venv", str(self.folder)])
        pip = [str(self.folder / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "-q"]
        _run([*pip, "install", *self.requirements])


def _run(command: Sequence[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or [
            "ERROR: no reason"
        ]
        raise MissingError(lines[-1])
