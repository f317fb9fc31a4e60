"""Fixtures that every test may use: a repository, and real servers over it."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from serving import ServerProcess

FRONTS = ("native", "grpcio")

# The same examples each time, however slow the machine; --hypothesis-profile=default looks for new ones.
settings.register_profile("fixed", derandomize=True, deadline=None)
settings.load_profile("fixed")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """An empty repository."""
    root = tmp_path / "models"
    root.mkdir()
    return root


@pytest.fixture(params=FRONTS)
def front(request: pytest.FixtureRequest) -> str:
    """Each front in turn; the native one is skipped where it was not built."""
    if request.param == "native" and importlib.util.find_spec("penstock.serve._front") is None:
        pytest.skip("the native front is not built in this installation")
    return str(request.param)


@pytest.fixture
def server(front: str, repository: Path) -> Iterator[Callable[..., ServerProcess]]:
    """Start servers over the repository: ``server(**settings)``; all of them end with the test."""
    started: list[ServerProcess] = []

    def start(**settings: Any) -> ServerProcess:
        settings.setdefault("front", front)
        process = ServerProcess(settings.pop("repository", repository), **settings)
        started.append(process)
        return process

    yield start
    for process in started:
        process.close()
