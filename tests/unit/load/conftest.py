"""Fixtures: servers to load."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from load_servers import FrameServer, Unary, grpc_server


@pytest.fixture
def echo() -> Iterator[str]:
    with grpc_server(Unary(lambda request, context: request)) as address:
        yield address


@pytest.fixture
def frame_server() -> Iterator[Callable[..., FrameServer]]:
    servers: list[FrameServer] = []

    def start(*args: Any, **kwargs: Any) -> FrameServer:
        servers.append(FrameServer(*args, **kwargs))
        return servers[-1]

    yield start
    for server in servers:
        server.close()
