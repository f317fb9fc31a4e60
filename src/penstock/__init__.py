"""Penstock: serve, monitor and swap machine-learning models.

Start with :class:`Engine` to embed, :func:`pack` to publish a model, :class:`Transform` for its
features, :func:`score` for files, :func:`drift` to compare data, or the ``penstock`` command.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from penstock.bundle.pack import pack
    from penstock.config import Config
    from penstock.engine.engine import Engine
    from penstock.monitor.baseline import Baseline
    from penstock.monitor.drift import drift
    from penstock.score.score import score
    from penstock.transform.transform import Transform

__version__ = "0.1.0"

__all__ = ["Baseline", "Config", "Engine", "Transform", "__version__", "drift", "pack", "score"]

# Loaded on first use: the command line and small tools start without ONNX Runtime.
_HOMES = {
    "Baseline": "penstock.monitor.baseline",
    "Config": "penstock.config",
    "Engine": "penstock.engine.engine",
    "Transform": "penstock.transform.transform",
    "drift": "penstock.monitor.drift",
    "pack": "penstock.bundle.pack",
}


def __getattr__(name: str) -> Any:
    if name == "score":
        return import_module("penstock.score")  # a package that can be called
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'penstock' has no attribute {name!r}")
    return getattr(import_module(home), name)


def __dir__() -> list[str]:
    return sorted(__all__)
