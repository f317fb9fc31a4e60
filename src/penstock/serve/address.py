"""Addresses of the configuration, and the sockets on them."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import socket

from penstock.errors import ConfigError

__all__ = ["format_address", "listen", "parse_address", "resolve"]

_ADDRESS = re.compile(r"(?:\[(?P<v6>[^\]]+)\]|(?P<host>[^:\[\]]*)):(?P<port>[0-9]{1,5})", re.ASCII)
_BACKLOG = 1024


def parse_address(key: str, address: str) -> tuple[str, int]:
    """Split ``host:port``; IPv6 hosts stand in brackets.

    Parameters
    ----------
    key : str
        The setting that holds it, for the message.
    address : str

    Raises
    ------
    ConfigError

    Examples
    --------
    >>> parse_address("server.http", "[::1]:8002")
    ('::1', 8002)
    """
    match = _ADDRESS.fullmatch(address)
    host = (match["v6"] or match["host"]) if match else ""
    if match is None or not host or int(match["port"]) > 65535:
        raise ConfigError(f'server.{key}: expected "host:port", got "{address}"')
    return host, int(match["port"])


def format_address(host: str, port: int) -> str:
    """Join a host and a port, the inverse of :func:`parse_address`."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def listen(key: str, address: str) -> socket.socket:
    """Return a TCP socket that listens on an address; port 0 picks a free one.

    Parameters
    ----------
    key : str
        The setting that holds it, for the message.
    address : str

    Raises
    ------
    ConfigError
        When the address is taken, not ours, or not permitted; the message says which and what to do.
    """
    host, port = parse_address(key, address)
    with contextlib.ExitStack() as stack:
        try:
            family, _, _, _, target = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
            listener = stack.enter_context(socket.socket(family, socket.SOCK_STREAM))
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(target)
            listener.listen(_BACKLOG)
        except OSError as error:
            raise ConfigError(_explain(key, address, error)) from None
        listener.setblocking(False)
        stack.pop_all()
    return listener


def resolve(key: str, address: str) -> tuple[str, int]:
    """Return the numeric host and the port of an address that could be listened on just now.

    Raises
    ------
    ConfigError
        As :func:`listen` does.
    """
    with listen(key, address) as listener:
        host = listener.getsockname()[0]
    return host, parse_address(key, address)[1]


def _explain(key: str, address: str, error: OSError) -> str:
    what = f"{key} address {address}"
    if isinstance(error, socket.gaierror):
        return f"{what} does not resolve: {error.strerror}"
    if error.errno == errno.EADDRINUSE:
        return (
            f"{what} is already in use; stop the process that has it, "
            f"or set server.{key} to another address (port 0 picks a free one)"
        )
    if error.errno == errno.EACCES:
        return f"{what} needs privileges that this process does not have; use a port above 1023"
    return f"{what} cannot be listened on: {os.strerror(error.errno or 0)}"
