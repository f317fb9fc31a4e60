"""From a graph to a compiled forest that gives what ONNX Runtime gives, or a reason why there is none."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from penstock.batching import Runner
from penstock.errors import InferenceError
from penstock.forest._forest import Forest
from penstock.forest.ensemble import Nodes
from penstock.forest.graph import Ensemble, NotCompiledError, read_ensemble

__all__ = ["CompiledGraph", "compile_graph"]

_Arrays = Sequence[np.ndarray[Any, Any]]
Run = Callable[[Sequence[str], Mapping[str, Any], None], _Arrays]

_MARK: Final = b"TreeEnsemble"
_MOST_BYTES: Final = 2**28
_PROBES: Final = 256
# Where ONNX Runtime adds in another order: a few units in the last place of sums of hundreds of leaves.
_RELATIVE: Final = 1e-4
_ABSOLUTE: Final = 1e-5


class CompiledGraph:
    """A graph that is one forest, with the face of a compiled session of ONNX Runtime.

    Notes
    -----
    Any thread may run it. Memory is a few bytes a node; a run allocates its outputs and one block.
    """

    __slots__ = ("_forest", "_input", "_labels")

    def __init__(self, ensemble: Ensemble, kernel: str | None = None) -> None:
        self._forest = Forest(ensemble.nodes, ensemble.targets, ensemble.output, kernel=kernel)
        self._input = ensemble.input
        self._labels = frozenset(ensemble.labels)

    @property
    def columns(self) -> int:
        """How many columns a row has at least."""
        return self._forest.columns

    def run(self, names: Sequence[str], inputs: Mapping[str, Any], options: None = None) -> list[Any]:
        """Return the named outputs.

        Raises
        ------
        InferenceError
            When the input has too few columns or is no matrix.
        """
        try:
            scores, labels = self._forest.run(inputs[self._input])
        except ValueError as error:
            raise InferenceError(f'input "{self._input}": {error}') from None
        return [labels if name in self._labels else scores for name in names]

    def runner(self, names: Sequence[str]) -> Runner:
        """Return what answers requests without Python, its outputs in the order of the names."""
        return self._forest.runner([name in self._labels for name in names])


def compile_graph(path: Path, columns: int, names: Sequence[str], run: Run) -> CompiledGraph:
    """Compile a graph.

    Parameters
    ----------
    path : Path
        Of the ONNX file.
    columns : int
        Of its input, as the graph declares them; negative where it leaves them open.
    names : sequence of str
        Of its outputs.
    run : callable
        Runs the graph in ONNX Runtime; what is compiled must give the same.

    Raises
    ------
    NotCompiledError
        When the graph is no forest of small trees, or the answers differ.

    Notes
    -----
    The two are compared on 256 rows of thresholds, of the numbers next to them, of NaN and of infinities:
    every way through a tree that differs shows as another leaf.
    """
    if path.stat().st_size > _MOST_BYTES:
        raise NotCompiledError("the file is large")
    data = path.read_bytes()
    if _MARK not in data:
        raise NotCompiledError("no trees")
    try:
        ensemble = read_ensemble(data)
        compiled = CompiledGraph(ensemble)
    except NotCompiledError:
        raise
    except (ValueError, IndexError, KeyError) as error:
        raise NotCompiledError(f"the trees are not as they should be: {error}") from None
    if 0 <= columns < compiled.columns:
        raise NotCompiledError("features beyond the columns of the input")
    inputs = {ensemble.input: probes(ensemble.nodes, max(columns, compiled.columns, 1))}
    for name, ours, theirs in zip(names, compiled.run(names, inputs), run(names, inputs, None), strict=True):
        if ours.shape != theirs.shape or ours.dtype != theirs.dtype or not _close(ours, theirs):
            raise NotCompiledError(f'output "{name}" is not what ONNX Runtime answers')
    return compiled


def probes(nodes: Nodes, columns: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Return rows of shape (256, columns) that take a forest apart: thresholds and their neighbours."""
    random = np.random.default_rng(0)
    rows = random.standard_normal((_PROBES, columns)).astype(np.float32)
    inner = nodes.inner
    for feature in np.unique(nodes.feature[inner]):
        known = nodes.threshold[inner][nodes.feature[inner] == feature]
        picked = random.choice(known, _PROBES)
        side = random.choice(np.array([-np.inf, 0, np.inf], dtype=np.float32), _PROBES)
        rows[:, feature] = np.where(side == 0, picked, np.nextafter(picked, side))
    strange = random.random(rows.shape)
    rows[strange < 0.06] = np.nan
    rows[strange < 0.02] = np.inf
    rows[strange < 0.01] = -np.inf
    return rows


def _close(ours: np.ndarray[Any, Any], theirs: np.ndarray[Any, Any]) -> bool:
    if ours.dtype.kind != "f":
        return bool((ours == theirs).all())
    return bool(np.allclose(ours, theirs, _RELATIVE, _ABSOLUTE, equal_nan=True))
