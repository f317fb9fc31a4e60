from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest

from penstock.errors import SignatureError, UnsupportedError
from penstock.serve.logs import change_settings, configure_logging, settings


@pytest.fixture(autouse=True)
def _restore() -> Iterator[None]:
    loggers = [logging.getLogger(name) for name in ("penstock", "asyncio", "grpc", "uvicorn")]
    before = [(logger.level, logger.handlers, logger.propagate) for logger in loggers]
    yield
    for logger, (level, handlers, propagate) in zip(loggers, before, strict=True):
        logger.setLevel(level)
        logger.handlers = handlers
        logger.propagate = propagate


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_json_lines_hold_the_extra_fields() -> None:
    stream = io.StringIO()
    configure_logging("info", "auto", stream)
    logging.getLogger("penstock.x").warning(
        "it %s", "broke", extra={"request_id": "a", "rows": 3, "empty": ""}
    )
    (entry,) = [json.loads(line) for line in stream.getvalue().splitlines()]
    time = entry.pop("time")
    assert time.endswith("Z")
    assert entry == {
        "level": "warning",
        "logger": "penstock.x",
        "message": "it broke",
        "request_id": "a",
        "rows": 3,
    }


def test_an_exception_is_a_field_of_the_line() -> None:
    stream = io.StringIO()
    configure_logging("info", "json", stream)
    try:
        raise ValueError("inner")
    except ValueError:
        logging.getLogger("penstock").exception("outer")
    (line,) = stream.getvalue().splitlines()
    assert "ValueError: inner" in json.loads(line)["exception"]


def test_values_that_json_does_not_know_become_text() -> None:
    stream = io.StringIO()
    configure_logging("info", "json", stream)
    logging.getLogger("penstock").info("x", extra={"path": int, "text": "\udc80"})
    assert json.loads(stream.getvalue())["path"] == "<class 'int'>"


def test_text_on_a_terminal() -> None:
    stream = Terminal()
    configure_logging("info", "auto", stream)
    logging.getLogger("penstock").info("ready", extra={"grpc": "127.0.0.1:1"})
    assert stream.getvalue().endswith("penstock: ready  grpc=127.0.0.1:1\n")


def test_no_client_can_forge_a_line() -> None:
    stream = io.StringIO()
    configure_logging("info", "text", stream)
    logging.getLogger("penstock").info("x", extra={"model": "a\nERROR forged\x1b[31m"})
    assert stream.getvalue().count("\n") == 1
    assert "\x1b" not in stream.getvalue()


def test_levels() -> None:
    stream = io.StringIO()
    configure_logging("warning", "json", stream)
    logging.getLogger("penstock.x").info("quiet")
    logging.getLogger("grpc").info("quiet")
    logging.getLogger("grpc").warning("loud")
    assert [json.loads(line)["message"] for line in stream.getvalue().splitlines()] == ["loud"]


def test_configuring_again_replaces() -> None:
    first, second = io.StringIO(), io.StringIO()
    configure_logging("info", "json", first)
    configure_logging("info", "text", second)
    logging.getLogger("penstock").info("x")
    assert first.getvalue() == ""
    assert second.getvalue()


@pytest.mark.parametrize(
    ("level", "verbose", "info", "warning", "error"),
    [
        ("debug", 1, True, True, True),
        ("info", 0, True, True, True),
        ("warning", 0, False, True, True),
        ("error", 0, False, False, True),
    ],
)
def test_settings_show_the_level(level: str, verbose: int, info: bool, warning: bool, error: bool) -> None:
    configure_logging(level, "json", io.StringIO())
    assert settings() == {
        "log_error": error,
        "log_format": "json",
        "log_info": info,
        "log_verbose_level": verbose,
        "log_warning": warning,
    }


def test_settings_change_the_level() -> None:
    configure_logging("info", "json", io.StringIO())
    logger = logging.getLogger("penstock")
    change_settings({"log_verbose_level": 2})
    assert logger.level == logging.DEBUG
    change_settings({"log_verbose_level": 0, "log_info": False})
    assert logger.level == logging.WARNING
    change_settings({"log_warning": False})
    assert logger.level == logging.ERROR
    change_settings({"log_error": False})
    assert not logger.isEnabledFor(logging.CRITICAL)
    change_settings({"log_info": True})
    assert logger.level == logging.INFO
    change_settings({})
    assert logger.level == logging.INFO


@pytest.mark.parametrize(
    ("values", "error", "message"),
    [
        ({"log_colour": True}, SignatureError, r'unknown setting "log_colour"; expected "log_error", '),
        ({"log_info": 1}, SignatureError, r'setting "log_info": expected a bool_param'),
        ({"log_verbose_level": True}, SignatureError, r'"log_verbose_level": expected a uint32_param'),
        ({"log_file": "/etc/passwd"}, UnsupportedError, r'"log_file" can only be set in the configuration'),
        ({"log_format": "x"}, UnsupportedError, r'"log_format" can only be set in the configuration'),
    ],
)
def test_settings_that_are_refused_change_nothing(
    values: dict[str, bool | int | str], error: type[Exception], message: str
) -> None:
    configure_logging("info", "json", io.StringIO())
    with pytest.raises(error, match=message):
        change_settings({"log_verbose_level": 1} | values)
    assert logging.getLogger("penstock").level == logging.INFO
