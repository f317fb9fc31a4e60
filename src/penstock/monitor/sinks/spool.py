"""Messages of one sink on disk: those that wait, and the last one of every alert that fires."""

from __future__ import annotations

import contextlib
import json
import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from penstock.errors import ConfigError
from penstock.monitor.alerts import Alert
from penstock.monitor.sinks.encoding import from_plain

__all__ = ["Message", "Spool"]

_log = logging.getLogger("penstock.monitor.sinks")
_WAITING: Final = ".waiting.json"
_TOLD: Final = ".firing.json"


@dataclass(frozen=True)
class Message:
    """An alert that a sink accepted.

    Attributes
    ----------
    order : int
        Grows from message to message of a sink, over restarts too.
    accepted_s : float
        Seconds since the epoch.
    alert : Alert
    """

    order: int
    accepted_s: float
    alert: Alert


class Spool:
    """A folder with one small file a message; without a folder nothing is kept and nothing fails.

    Parameters
    ----------
    folder : Path or None
        Made where it does not exist. No other process may use it.

    Notes
    -----
    A disk that is full or gone is logged, once until it works again, and delivery goes on from memory.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._failing = False

    @property
    def keeps(self) -> bool:
        """Whether there is a folder."""
        return self._folder is not None

    def load(self) -> tuple[list[Message], list[Message]]:
        """Return what waits and what fires, in order; a file that is no message is left alone, and logged."""
        if self._folder is None:
            return [], []
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            for left in self._folder.glob("*.tmp"):
                left.unlink()
            names = sorted(path.name for path in self._folder.iterdir())
        except OSError as error:
            self._fail(error)
            return [], []
        return self._read(names, _WAITING), self._read(names, _TOLD)

    def save(self, message: Message) -> None:
        """Keep a message until :meth:`told` or :meth:`remove`; on disk when this returns."""
        if self._folder is None:
            return
        path = self._path(message, _WAITING)
        aside = path.with_suffix(".tmp")
        content = {"accepted_s": message.accepted_s, "alert": message.alert.to_dict()}
        try:
            with aside.open("w", encoding="ascii") as file:
                json.dump(content, file, allow_nan=False)
                file.flush()
                os.fsync(file.fileno())
            aside.replace(path)
        except OSError as error:
            self._fail(error)
            with contextlib.suppress(OSError):
                aside.unlink(missing_ok=True)
        else:
            self._failing = False

    def told(self, message: Message) -> None:
        """A message was delivered, and its alert fires."""
        if self._folder is None:
            return
        try:
            self._path(message, _WAITING).rename(self._path(message, _TOLD))
        except FileNotFoundError:
            pass  # It could not be saved.
        except OSError as error:
            self._fail(error)

    def remove(self, message: Message) -> None:
        """A message is of no more use."""
        if self._folder is None:
            return
        try:
            for suffix in (_WAITING, _TOLD):
                self._path(message, suffix).unlink(missing_ok=True)
        except OSError as error:
            self._fail(error)

    def _path(self, message: Message, suffix: str) -> Path:
        assert self._folder is not None
        return self._folder / f"{message.order:020d}{suffix}"

    def _read(self, names: list[str], suffix: str) -> list[Message]:
        assert self._folder is not None
        messages = []
        for name in names:
            order = name.removesuffix(suffix)
            if name == order:
                continue
            try:
                content = json.loads((self._folder / name).read_bytes())
                messages.append(
                    Message(int(order), float(content["accepted_s"]), from_plain(content["alert"]))
                )
            except (OSError, ValueError, KeyError, TypeError, ConfigError) as error:
                _log.warning(
                    "a saved alert cannot be read, and is not sent",
                    extra={"file": str(self._folder / name), "error": str(error)},
                )
        return messages

    def _fail(self, error: OSError) -> None:
        if not self._failing:
            _log.warning(
                "alerts cannot be kept on disk; what waits is lost if the process ends",
                extra={"directory": str(self._folder), "error": str(error.strerror)},
            )
        self._failing = True
