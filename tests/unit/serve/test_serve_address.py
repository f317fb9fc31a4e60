from __future__ import annotations

import socket

import pytest

from penstock.errors import ConfigError
from penstock.serve.address import format_address, listen, parse_address, resolve


@pytest.mark.parametrize(
    ("address", "parts"),
    [
        ("127.0.0.1:8001", ("127.0.0.1", 8001)),
        ("localhost:0", ("localhost", 0)),
        ("[::1]:65535", ("::1", 65535)),
    ],
)
def test_parse_and_format(address: str, parts: tuple[str, int]) -> None:
    assert parse_address("grpc", address) == parts
    assert format_address(*parts) == address


@pytest.mark.parametrize(
    "address", ["", "8001", ":8001", "h:", "h:x", "h:65536", "::1:80", "[]:1", "h:٣", "a:1:2"]
)
def test_addresses_that_are_none(address: str) -> None:
    with pytest.raises(ConfigError, match=r'^server\.grpc: expected "host:port", got "'):
        parse_address("grpc", address)


def test_listen_picks_a_port() -> None:
    with listen("http", "127.0.0.1:0") as listener:
        assert listener.getsockname()[1] > 0
        socket.create_connection(listener.getsockname()).close()


def test_a_taken_port_is_named() -> None:
    with listen("http", "127.0.0.1:0") as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=rf"^http address 127\.0\.0\.1:{port} is already in use; stop"):
            listen("http", f"127.0.0.1:{port}")
        with pytest.raises(ConfigError, match=rf"^grpc address 127\.0\.0\.1:{port} is already in use"):
            resolve("grpc", f"127.0.0.1:{port}")


def test_resolve_leaves_the_port_free() -> None:
    with listen("grpc", "127.0.0.1:0") as listener:
        port = listener.getsockname()[1]
    assert resolve("grpc", f"localhost:{port}")[1] == port
    with listen("grpc", f"127.0.0.1:{port}"):
        pass


def test_an_address_that_is_not_ours() -> None:
    with pytest.raises(ConfigError, match=r"^http address 192\.0\.2\.1:80 cannot be listened on: "):
        listen("http", "192.0.2.1:80")


def test_a_name_that_does_not_resolve() -> None:
    with pytest.raises(ConfigError, match=r"^http address nothing\.invalid:80 does not resolve: "):
        listen("http", "nothing.invalid:80")
