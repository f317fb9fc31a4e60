"""The native front as the server sees it. It is compiled, and absent where it was not built."""

from __future__ import annotations

import importlib
from typing import Any, Protocol

from penstock.config import ServerConfig
from penstock.errors import ConfigError

__all__ = ["Front", "choose_front"]


class Front(Protocol):
    """What speaks gRPC to clients, on threads of its own, and forwards to the control plane."""

    @property
    def address(self) -> tuple[str, int]:
        """Host and port that it listens on."""

    def start(self) -> None:
        """Bind and listen; ConfigError or OSError when the address is taken."""

    def drain(self, timeout_s: float) -> None:
        """Take no new streams and wait, at most this long, until those in flight have finished."""

    def stop(self) -> None:
        """Close every connection. A drain that is waiting returns."""

    def statistics(self) -> dict[str, Any]:
        """Return counters and gauges by name; a dict holds a counter by gRPC code name."""

    def failures(self) -> list[dict[str, str]]:
        """Take the failed requests since the last call.

        Each has request_id, model, code, message, detail (not for clients) and peer. One without a
        code says how many were dropped because nobody took them.
        """


def choose_front(config: ServerConfig) -> type[Any] | None:
    """Return the class of the native front, None to serve without it.

    Raises
    ------
    ConfigError
        When the configuration demands it and it was not built.
    """
    if config.front == "grpcio":
        return None
    try:
        module = importlib.import_module("penstock.serve._front")
    except ImportError as error:
        if config.front == "native":
            raise ConfigError(
                'server.front is "native", but this installation has no native front; it is built on Linux '
                f'where nghttp2 and OpenSSL are. Use "auto" or "grpcio". ({error})'
            ) from None
        return None
    front: type[Any] = module.Front
    return front
