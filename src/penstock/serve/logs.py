"""Structured logs through the standard library: text on a terminal, JSON lines otherwise.

Whatever a record carries as ``extra`` becomes a field. Nothing here logs metadata,
headers or tensors, so nothing secret passes.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Mapping
from typing import Any, Literal, TextIO

from penstock.errors import SignatureError, UnsupportedError

__all__ = ["JsonFormatter", "TextFormatter", "change_settings", "configure_logging", "settings"]

_ROOT = "penstock"
_GUESTS = ("asyncio", "grpc", "uvicorn")
_OFF = logging.CRITICAL + 10
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}


def configure_logging(
    level: str = "info", format: Literal["auto", "text", "json"] = "auto", stream: TextIO | None = None
) -> None:
    """Send the logs of the process to one stream.

    Parameters
    ----------
    level : str
        Least level of Penstock's own records; libraries are heard from warnings up.
    format : {"auto", "text", "json"}
        ``auto`` is text where the stream is a terminal, else one JSON object a line.
    stream : file
        Standard error by default.

    Notes
    -----
    Calling it again replaces the earlier configuration. Embedding an engine never calls it.
    """
    stream = stream or sys.stderr
    if format == "auto":
        format = "text" if stream.isatty() else "json"
    handler = logging.StreamHandler(stream)
    handler.setFormatter(TextFormatter() if format == "text" else JsonFormatter())
    for name in (_ROOT, *_GUESTS):
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.propagate = False
        logger.setLevel(level.upper() if name == _ROOT else logging.WARNING)


def settings() -> dict[str, bool | int | str]:
    """Return the log settings of the protocol that hold now."""
    logger = logging.getLogger(_ROOT)
    level = logger.getEffectiveLevel()
    is_json = any(isinstance(handler.formatter, JsonFormatter) for handler in logger.handlers)
    return {
        "log_error": level <= logging.ERROR,
        "log_format": "json" if is_json else "text",
        "log_info": level <= logging.INFO,
        "log_verbose_level": int(level <= logging.DEBUG),
        "log_warning": level <= logging.WARNING,
    }


def change_settings(values: Mapping[str, bool | int | str]) -> None:
    """Set the log level from settings of the protocol; all of them are checked before any is applied.

    Levels are ordered, so the most verbose one that is on decides.

    Raises
    ------
    SignatureError
        On an unknown setting, or a value of the wrong type.
    UnsupportedError
        On a setting that only the configuration can change.
    """
    if not values:
        return
    for name, value in values.items():
        _check_setting(name, value)
    flags = {**settings(), **values}
    levels = (
        ("log_verbose_level", logging.DEBUG),
        ("log_info", logging.INFO),
        ("log_warning", logging.WARNING),
        ("log_error", logging.ERROR),
    )
    level = next((level for name, level in levels if flags[name]), _OFF)
    logging.getLogger(_ROOT).setLevel(level)


def _check_setting(name: str, value: bool | int | str) -> None:
    if name in ("log_file", "log_format"):
        raise UnsupportedError(f'setting "{name}" can only be set in the configuration of the server')
    if name not in settings():
        known = ", ".join(f'"{key}"' for key in settings())
        raise SignatureError(f'unknown setting "{name}"; expected {known}')
    expected = int if name == "log_verbose_level" else bool
    if type(value) is not expected:
        field = "uint32_param" if expected is int else "bool_param"
        raise SignatureError(f'setting "{name}": expected a {field}')


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    return {key: value for key, value in vars(record).items() if key not in _STANDARD and value != ""}


def _timestamp(record: logging.LogRecord) -> str:
    seconds = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
    return f"{seconds}.{int(record.msecs):03d}Z"


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, message, the extra fields, the exception."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        entry = {
            "time": _timestamp(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_fields(record),
        }
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(entry, default=str)


class TextFormatter(logging.Formatter):
    """A line for people: time, level, logger, message, then ``key=value``.

    Control characters are escaped, so that no client can forge a line.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the lines of a record; only an exception takes more than one."""
        fields = "".join(f" {key}={value}" for key, value in _fields(record).items())
        line = (
            f"{_timestamp(record)} {record.levelname:<7} "
            f"{record.name}: {record.getMessage()}{' ' if fields else ''}{fields}"
        )
        line = "".join(char if char.isprintable() else repr(char)[1:-1] for char in line)
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        return line
