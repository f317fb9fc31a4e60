"""Ensembles of small decision trees, compiled: what boosted trees are in practice."""

from penstock.forest.compile import CompiledGraph, compile_graph
from penstock.forest.graph import NotCompiledError

__all__ = ["CompiledGraph", "NotCompiledError", "compile_graph"]
