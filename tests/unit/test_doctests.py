"""The examples in docstrings, compiled modules included."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import penstock

MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(penstock.__path__, "penstock.")
    if module.name.rpartition(".")[2] != "__main__"
)


@pytest.mark.parametrize("name", MODULES)
def test_examples(name: str) -> None:
    module = pytest.importorskip(name) if name.endswith("._front") else importlib.import_module(name)
    result = doctest.testmod(module)
    assert result.failed == 0
