"""Fixtures of engine tests: engines that end with the test, and a gate that holds requests while they run."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from penstock.config import Config, parse_config
from penstock.engine.engine import Engine
from penstock.engine.pipeline import Pipeline

HELD = -7.0
"""A request whose input `x` holds this value stops at the gate."""


@pytest.fixture
def engine(repository: Path) -> Iterator[Callable[..., Engine]]:
    """Open engines over the repository: ``engine(m={"instances": 2}, server={...})``."""
    opened: list[Engine] = []

    def start(*, server: dict[str, Any] | None = None, **models: dict[str, Any]) -> Engine:
        config: Config = parse_config({"server": server or {}, "models": models})
        opened.append(Engine(repository, config=config))
        return opened[-1]

    yield start
    for one in opened:
        one.close()


class Gate:
    """Requests that hold :data:`HELD` wait here, inside their pipeline, until it opens."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self.open = threading.Event()

    def pass_through(self, inputs: dict[str, np.ndarray[Any, Any]]) -> None:
        x = inputs.get("x")
        if x is not None and x.dtype.kind == "f" and (x == HELD).any():
            self.reached.set()
            assert self.open.wait(60)


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    made = Gate()
    run = Pipeline.run

    def held(self: Pipeline, inputs: dict[str, np.ndarray[Any, Any]]) -> Any:
        made.pass_through(inputs)
        return run(self, inputs)

    monkeypatch.setattr(Pipeline, "run", held)
    yield made
    made.open.set()
